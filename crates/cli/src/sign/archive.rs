//! What a zip unpacks to, and the zip with a signature in it.

use std::io::{Cursor, Read, Write};

use anyhow::{Context, Result, bail};
use kiln_signing::Sealed;
use kiln_types::Content;
use kiln_types::content::{Entry, SIGNATURE_PATH, STATEMENT_PATH, sha256_of};
use kiln_types::limits::UNZIPPED_BYTES_MAX;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

const TYPE_MASK: u32 = 0o170_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;

/// What the server will unpack.
pub(super) fn content(zip: &[u8]) -> Result<Content> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).context("it is not a zip")?;
    let (mut content, mut left) = (Content::default(), UNZIPPED_BYTES_MAX);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = name_of(&entry)?;
        let mode = entry.unix_mode().unwrap_or(0);
        let path = clean(&name)?;
        if path.is_empty() {
            continue;
        }
        let is_directory = name.ends_with('/') || mode & TYPE_MASK == TYPE_DIRECTORY;
        if is_directory {
            content.insert_with_parents(&path, Entry::Directory);
            continue;
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(left + 1).read_to_end(&mut bytes)?;
        left = left
            .checked_sub(bytes.len() as u64)
            .context("it is larger than a function may be")?;
        let sha256 = sha256_of(&bytes);
        let found = match mode & TYPE_MASK {
            TYPE_LINK => Entry::Link { sha256 },
            _ => Entry::File {
                sha256,
                is_executable: mode & 0o111 != 0,
            },
        };
        content.insert_with_parents(&path, found);
    }
    if content.is_empty() {
        bail!("it is empty");
    }
    Ok(content)
}

/// The same entries, and the signature after them.
pub(super) fn with_signature(zip: &[u8], sealed: &Sealed) -> Result<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).context("it is not a zip")?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let path = clean(&name_of(&entry)?)?;
        if path != STATEMENT_PATH && path != SIGNATURE_PATH {
            writer.raw_copy_file(entry)?;
        }
    }
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644);
    for (path, bytes) in [
        (STATEMENT_PATH, &sealed.statement),
        (SIGNATURE_PATH, &sealed.signature),
    ] {
        writer.start_file(path, options)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Most tools write UTF-8 whether or not they say so.
fn name_of<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Result<String> {
    Ok(match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => name.to_owned(),
        Err(_) => entry.name()?.into_owned(),
    })
}

/// A path as the server has it: without `.` and doubled slashes.
fn clean(name: &str) -> Result<String> {
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    if name.starts_with('/') || parts.contains(&"..") {
        bail!("'{name}' leads out of the package; the server would refuse it");
    }
    Ok(parts.join("/"))
}
