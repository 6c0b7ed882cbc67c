//! What may be unpacked, decided from the zip's directory alone.
//!
//! Names become paths relative to the package; every path is there once, and everything on the way
//! to it is a directory. So no entry can be written through a link or over another entry.

use std::collections::BTreeMap;
use std::io::Cursor;

use bytes::Bytes;
use zip::extra_fields::ExtraField;
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::{ArtifactError, Quota};

/// Longest path within a package: `/var/task/` and it must fit Linux's 4,096.
const PATH_BYTES_MAX: usize = 1_024;
/// Longest name of one file (Linux).
const NAME_BYTES_MAX: usize = 255;
/// How each record of a zip's directory begins.
const DIRECTORY_SIGNATURE: &[u8] = b"PK\x01\x02";

const TYPE_MASK: u32 = 0o170_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;

/// A zip that is read.
pub(super) type Archive = ZipArchive<Cursor<Bytes>>;

type ZipEntry<'a> = ZipFile<'a, Cursor<Bytes>>;

/// What is to be unpacked, by path: parents come before what is in them.
pub(super) type Plan = BTreeMap<String, Node>;

/// One thing to be unpacked.
#[derive(Debug)]
pub(super) enum Node {
    /// With the entry's time, when it has an entry.
    Directory {
        modified: Option<i64>,
    },
    File(Entry),
    Link(Entry),
}

/// An entry with content.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) index: usize,
    pub(super) declared_bytes: u64,
    pub(super) is_executable: bool,
    /// Seconds since 1970 UTC.
    pub(super) modified: Option<i64>,
}

/// Reads a zip's directory. Bounds what that takes before it is done: each record has a signature
/// of its own, so there cannot be more records than signatures.
pub(super) fn open(zip: &Bytes, quota: &Quota) -> Result<Archive, ArtifactError> {
    if zip.is_empty() {
        return Err(ArtifactError::Empty);
    }
    let windows = zip.windows(DIRECTORY_SIGNATURE.len());
    let signatures = windows
        .filter(|window| *window == DIRECTORY_SIGNATURE)
        .count();
    if signatures > quota.entries_max {
        return Err(ArtifactError::TooManyEntries {
            max: quota.entries_max,
        });
    }
    let mut archive = ZipArchive::new(Cursor::new(zip.clone())).map_err(not_a_zip)?;
    if archive.is_empty() {
        return Err(ArtifactError::Empty);
    }
    if archive.has_duplicate_names() {
        return Err(ArtifactError::NotAZip {
            why: "two entries have the same name".to_owned(),
        });
    }
    if archive.has_overlapping_entries().map_err(not_a_zip)? {
        return Err(ArtifactError::NotAZip {
            why: "entries overlap".to_owned(),
        });
    }
    Ok(archive)
}

/// Checks all entries and lays out what is to be unpacked.
pub(super) fn plan(archive: &mut Archive, quota: &Quota) -> Result<Plan, ArtifactError> {
    let mut plan = Plan::new();
    let mut declared_bytes = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(not_a_zip)?;
        let name = name_of(&entry)?;
        let refuse = |why| ArtifactError::Unsafe {
            entry: name.clone(),
            why,
        };
        declared_bytes = declared_bytes.saturating_add(entry.size());
        if declared_bytes > quota.unzipped_bytes_max {
            return Err(ArtifactError::TooLargeUnzipped {
                max: quota.unzipped_bytes_max,
            });
        }
        check_method(&entry, &name)?;
        let path = clean_path(&name).map_err(refuse)?;
        let node = node_of(&entry, index, name.ends_with('/')).map_err(refuse)?;
        insert(&mut plan, path, node).map_err(refuse)?;
        if plan.len() > quota.entries_max {
            return Err(ArtifactError::TooManyEntries {
                max: quota.entries_max,
            });
        }
    }
    Ok(plan)
}

pub(super) fn not_a_zip(error: impl std::fmt::Display) -> ArtifactError {
    ArtifactError::NotAZip {
        why: error.to_string(),
    }
}

/// Most tools on Linux write UTF-8 whether or not they say so; the rest is code page 437.
fn name_of(entry: &ZipEntry<'_>) -> Result<String, ArtifactError> {
    match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => entry
            .name()
            .map(|name| name.into_owned())
            .map_err(not_a_zip),
    }
}

fn check_method(entry: &ZipEntry<'_>, name: &str) -> Result<(), ArtifactError> {
    let method = entry.compression();
    let known = [CompressionMethod::Stored, CompressionMethod::Deflated];
    if entry.encrypted() {
        return Err(ArtifactError::NotAZip {
            why: format!("'{name}' is encrypted"),
        });
    }
    if !known.contains(&method) {
        let why = format!("'{name}' is compressed with {method}; use deflate");
        return Err(ArtifactError::NotAZip { why });
    }
    Ok(())
}

/// The path without `.` and doubled slashes; empty for the package's own directory.
fn clean_path(name: &str) -> Result<String, &'static str> {
    if name.contains('\0') {
        return Err("has a NUL in its name");
    }
    if name.contains('\\') {
        return Err("has a backslash in its name");
    }
    if name.starts_with('/') {
        return Err("is absolute");
    }
    let mut path = String::with_capacity(name.len());
    for part in name.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return Err("leads out of the package");
        }
        if part.len() > NAME_BYTES_MAX {
            return Err("has a name that is too long");
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
    }
    if path.len() > PATH_BYTES_MAX {
        Err("has a path that is too long")
    } else {
        Ok(path)
    }
}

fn node_of(
    entry: &ZipEntry<'_>,
    index: usize,
    is_named_directory: bool,
) -> Result<Node, &'static str> {
    let mode = entry.unix_mode().unwrap_or(0);
    let modified = modified(entry);
    let content = Entry {
        index,
        declared_bytes: entry.size(),
        is_executable: mode & 0o111 != 0,
        modified,
    };
    match mode & TYPE_MASK {
        TYPE_LINK if is_named_directory => Err("is both a link and a directory"),
        TYPE_LINK => Ok(Node::Link(content)),
        0 | TYPE_FILE | TYPE_DIRECTORY if is_named_directory => match entry.size() {
            0 => Ok(Node::Directory { modified }),
            _ => Err("is a directory with content"),
        },
        TYPE_DIRECTORY if entry.size() == 0 => Ok(Node::Directory { modified }),
        TYPE_DIRECTORY => Err("is a directory with content"),
        0 | TYPE_FILE => Ok(Node::File(content)),
        _ => Err("is a device, fifo or socket"),
    }
}

/// The exact time when the entry has one, else the zip's own with its two seconds' steps, which
/// has no time zone and is taken as UTC.
fn modified(entry: &ZipEntry<'_>) -> Option<i64> {
    let exact = entry.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    if let Some(seconds) = exact {
        return Some(seconds.into());
    }
    let local = entry.last_modified()?;
    let number = |number: u8| i8::try_from(number).ok();
    let date = jiff::civil::Date::new(
        i16::try_from(local.year()).ok()?,
        number(local.month())?,
        number(local.day())?,
    );
    let time = jiff::civil::Time::new(
        number(local.hour())?,
        number(local.minute())?,
        number(local.second())?,
        0,
    );
    let utc = date
        .ok()?
        .to_datetime(time.ok()?)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?;
    Some(utc.timestamp().as_second())
}

fn insert(plan: &mut Plan, path: String, node: Node) -> Result<(), &'static str> {
    if path.is_empty() {
        let is_directory = matches!(node, Node::Directory { .. });
        return if is_directory {
            Ok(())
        } else {
            Err("has no name")
        };
    }
    for (end, _) in path.match_indices('/') {
        let parent = plan.entry(path[..end].to_owned());
        let parent = parent.or_insert(Node::Directory { modified: None });
        if !matches!(parent, Node::Directory { .. }) {
            return Err("lies below a file or link");
        }
    }
    match (plan.get_mut(&path), node) {
        (None, node) => {
            plan.insert(path, node);
            Ok(())
        }
        (Some(Node::Directory { modified }), Node::Directory { modified: stated }) => {
            *modified = stated;
            Ok(())
        }
        (Some(_), _) => Err("is there twice"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_of_what_means_nothing() {
        for (name, path) in [
            ("index.py", "index.py"),
            ("./a//b/./c", "a/b/c"),
            ("a/b/", "a/b"),
            ("./", ""),
            ("...", "..."),
            ("a/..b", "a/..b"),
        ] {
            assert_eq!(clean_path(name).as_deref(), Ok(path), "{name}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let long = "x/".repeat(600);
        let wide = "x".repeat(256);
        for name in [
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/etc/passwd",
            "a\\b",
            "a\0b",
            &long,
            &wide,
        ] {
            assert!(clean_path(name).is_err(), "{name:?}");
        }
    }
}
