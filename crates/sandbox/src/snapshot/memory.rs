//! The memory of a process that stands still, as `/proc` shows it to the daemon.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(super) const PAGE: u64 = 4096;

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub start: u64,
    pub end: u64,
    /// `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`.
    pub protection: u64,
    pub is_shared: bool,
    pub offset: u64,
    pub device: String,
    pub inode: u64,
    /// A path in the sandbox, a name in brackets, or nothing.
    pub name: String,
}

impl Region {
    pub fn is_writable(&self) -> bool {
        self.protection & libc::PROT_WRITE as u64 != 0
    }

    /// Whether it shows a file.
    pub fn is_file(&self) -> bool {
        self.inode != 0
    }
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    directory: PathBuf,
    memory: File,
    pages: File,
}

/// What `status` says of a process.
#[derive(Debug)]
pub(super) struct Status {
    pub threads: u64,
    pub parent: i32,
    /// Its number in its own pid namespace.
    pub inner_pid: i32,
}

impl Process {
    pub fn open(pid: i32) -> io::Result<Self> {
        let directory = Path::new("/proc").join(pid.to_string());
        let open = |name: &str| File::open(directory.join(name));
        let (memory, pages) = (open("mem")?, open("pagemap")?);
        Ok(Self {
            directory,
            memory,
            pages,
        })
    }

    pub fn status(&self) -> io::Result<Status> {
        let status = fs::read_to_string(self.directory.join("status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().last()?.parse::<i64>().ok()
        };
        let field = |name| field(name).ok_or_else(|| io::Error::other("a status is unreadable"));
        Ok(Status {
            threads: field("Threads:")? as u64,
            parent: field("PPid:")? as i32,
            inner_pid: field("NSpid:")? as i32,
        })
    }

    /// Whether it has children.
    pub fn has_children(&self) -> io::Result<bool> {
        let pid = self.directory.file_name().unwrap_or_default();
        let children = self.directory.join("task").join(pid).join("children");
        Ok(!fs::read_to_string(children)?.trim().is_empty())
    }

    pub fn regions(&self) -> io::Result<Vec<Region>> {
        let maps = fs::read(self.directory.join("maps"))?;
        let maps = String::from_utf8_lossy(&maps);
        let parsed = maps.lines().map(|line| {
            parse(line).ok_or_else(|| io::Error::other(format!("a mapping is unreadable: {line}")))
        });
        parsed.collect()
    }

    /// The pages of a region that are the process's own, not a file's, as sorted ranges.
    pub fn own_pages(&self, region: &Region) -> io::Result<Vec<(u64, u64)>> {
        const ENTRY: u64 = 8;
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const OF_FILE: u64 = 1 << 61;
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut page = region.start / PAGE;
        let last = region.end / PAGE;
        while page < last {
            let wanted = ((last - page) * ENTRY).min(buffer.len() as u64) as usize;
            self.pages
                .read_exact_at(&mut buffer[..wanted], page * ENTRY)?;
            for entry in buffer[..wanted].chunks_exact(ENTRY as usize) {
                let entry = u64::from_ne_bytes(entry.try_into().expect("eight bytes"));
                let is_own = entry & SWAPPED != 0 || entry & PRESENT != 0 && entry & OF_FILE == 0;
                if is_own {
                    let start = page * PAGE;
                    match runs.last_mut() {
                        Some((_, end)) if *end == start => *end += PAGE,
                        _ => runs.push((start, start + PAGE)),
                    }
                }
                page += 1;
            }
        }
        Ok(runs)
    }

    /// Reads memory; what cannot be read (a file's mapping behind its end) is zero.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        for (index, page) in buffer.chunks_mut(PAGE as usize).enumerate() {
            let at = start + index as u64 * PAGE;
            match self.memory.read_exact_at(page, at) {
                Err(error) if error.raw_os_error() == Some(libc::EIO) => page.fill(0),
                read => read?,
            }
        }
        Ok(())
    }
}

/// One line of `maps`.
fn parse(line: &str) -> Option<Region> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let flags = fields.next()?.as_bytes();
    let offset = fields.next()?;
    let device = fields.next()?.to_owned();
    let inode = fields.next()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_start();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let bits = [
        (b'r', libc::PROT_READ),
        (b'w', libc::PROT_WRITE),
        (b'x', libc::PROT_EXEC),
    ];
    let set = bits
        .iter()
        .zip(flags)
        .filter(|((letter, _), flag)| letter == *flag);
    Some(Region {
        start: number(start)?,
        end: number(end)?,
        protection: set.map(|((_, bit), _)| *bit as u64).sum(),
        is_shared: *flags.get(3)? == b's',
        offset: number(offset)?,
        device,
        inode,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7f02c8a00000-7f02c8a22000 r-xp 00001000 fe:00 1835042                    \
                    /usr/lib/a b.so (deleted)";
        let region = parse(line).expect("it is a line of maps");
        assert_eq!(
            (region.start, region.end),
            (0x7f02_c8a0_0000, 0x7f02_c8a2_2000)
        );
        assert_eq!(
            region.protection,
            (libc::PROT_READ | libc::PROT_EXEC) as u64
        );
        assert!(!region.is_shared && region.is_file() && !region.is_writable());
        assert_eq!((region.offset, region.inode), (0x1000, 1_835_042));
        assert_eq!(region.name, "/usr/lib/a b.so (deleted)");
        let anonymous = parse("00400000-00401000 rw-s 00000000 00:00 0 ").expect("a line");
        assert!(anonymous.is_shared && anonymous.is_writable() && anonymous.name.is_empty());
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn own_pages_are_those_that_were_written() {
        let length = 8 * PAGE as usize;
        let memory = vec![0_u8; length + PAGE as usize];
        let process = Process::open(std::process::id() as i32).expect("this process");
        let start = (memory.as_ptr() as u64).next_multiple_of(PAGE);
        let mut memory = memory;
        let skip = (start - memory.as_ptr() as u64) as usize;
        memory[skip] = 7;
        let region = Region {
            start,
            end: start + PAGE,
            protection: 3,
            is_shared: false,
            offset: 0,
            device: String::new(),
            inode: 0,
            name: String::new(),
        };
        let own = process.own_pages(&region).expect("it can be read");
        assert_eq!(own, [(start, start + PAGE)]);
        let mut first = [0; 1];
        process.read(start, &mut first).expect("it can be read");
        assert_eq!(first, [7]);
    }
}
