//! Zips written byte by byte, so that they can be wrong in any way.

use std::io::Write;

/// One entry: what its records say, and what is really there.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    /// Unix permissions and type.
    pub mode: u32,
    pub content: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// What the records say of the size; the truth unless set.
    pub size: Option<u32>,
    /// Where the directory says the entry is; the truth unless set.
    pub offset: Option<u32>,
}

pub const STORED: u16 = 0;
pub const DEFLATED: u16 = 8;
pub const FILE: u32 = 0o100_644;
pub const LINK: u32 = 0o120_777;
pub const DIRECTORY: u32 = 0o040_755;

pub fn file(name: &str, content: &[u8]) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        mode: FILE,
        content: content.to_vec(),
        method: STORED,
        flags: 0,
        size: None,
        offset: None,
    }
}

pub fn link(name: &str, target: &str) -> Entry {
    Entry {
        mode: LINK,
        ..file(name, target.as_bytes())
    }
}

pub fn directory(name: &str) -> Entry {
    Entry {
        mode: DIRECTORY,
        ..file(name, b"")
    }
}

pub fn build(entries: &[Entry]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = zip.len() as u32;
        let data = entry.data();
        zip.extend(b"PK\x03\x04");
        zip.extend(entry.common(&data));
        zip.extend(&entry.name);
        zip.extend(&data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]); // written on Unix
        directory.extend(entry.common(&data));
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(entry.offset.unwrap_or(offset).to_le_bytes());
        directory.extend(&entry.name);
    }
    let (start, length) = (zip.len() as u32, directory.len() as u32);
    zip.extend(directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    // More than fit their fields need the zip64 records, which no test writes.
    let count = u16::try_from(entries.len())
        .unwrap_or(u16::MAX)
        .to_le_bytes();
    zip.extend(count);
    zip.extend(count);
    zip.extend(length.to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0; 2]);
    zip
}

impl Entry {
    fn data(&self) -> Vec<u8> {
        if self.method != DEFLATED {
            return self.content.clone();
        }
        let level = flate2::Compression::best();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder
            .write_all(&self.content)
            .expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    }

    /// The fields that both of an entry's records have: from "version needed" to "extra length".
    fn common(&self, data: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(&self.content);
        let size = self.size.unwrap_or(self.content.len() as u32);
        let mut fields = vec![20, 0];
        fields.extend(self.flags.to_le_bytes());
        fields.extend(self.method.to_le_bytes());
        // 2026-11-23 12:34:56 in MS-DOS's bits.
        fields.extend(((12_u16 << 11) | (34 << 5) | 28).to_le_bytes());
        fields.extend((((2026_u16 - 1980) << 9) | (11 << 5) | 23).to_le_bytes());
        fields.extend(crc.sum().to_le_bytes());
        fields.extend((data.len() as u32).to_le_bytes());
        fields.extend(size.to_le_bytes());
        fields.extend((self.name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        fields
    }
}
