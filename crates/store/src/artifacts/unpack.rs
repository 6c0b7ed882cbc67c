//! Unpacks a zip into a new directory.
//!
//! Sizes in the zip are claims. Bytes are counted as they come out, and unpacking ends with the
//! first one too many. They are hashed as they come out too: what is on disk later can be compared.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kiln_types::Content;
use kiln_types::content::{self, sha256_of};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use sha2::Digest as _;

use super::check::{self, Archive, Entry, Node, not_a_zip};
use super::link::{self, Links};
use super::{ArtifactError, Quota};
use crate::error::Error;

const BUFFER_BYTES: usize = 64 * 1024;

/// What was unpacked.
pub(super) struct Unpacked {
    /// The files' sizes together.
    pub(super) bytes: u64,
    /// All files and directories that were written.
    pub(super) paths: Vec<PathBuf>,
    /// What there is now.
    pub(super) content: Content,
}

/// Counts what comes out of the zip.
struct Inflater<'a> {
    archive: &'a mut Archive,
    bytes: u64,
    bytes_max: u64,
}

/// How a WebAssembly module begins.
const MODULE_SIGNATURE: &[u8] = b"\0asm";
/// The one file of a package that is a module instead of a zip.
const MODULE_NAME: &str = "main.wasm";

/// Checks a zip and unpacks it into `dir`, which must not exist. On failure the directory may be
/// left behind in any state.
pub(super) fn unpack(zip: &Bytes, dir: &Path, quota: &Quota) -> Result<Unpacked, ArtifactError> {
    if zip.starts_with(MODULE_SIGNATURE) {
        return unpack_module(zip, dir, quota);
    }
    let mut archive = check::open(zip, quota)?;
    let plan = check::plan(&mut archive, quota)?;
    let bytes_max = quota.unzipped_bytes_max;
    let mut inflater = Inflater {
        archive: &mut archive,
        bytes: 0,
        bytes_max,
    };
    let mut links = Links::new();
    for (path, node) in &plan {
        if let Node::Link(entry) = node {
            links.insert(path.clone(), inflater.target(entry, path)?);
        }
    }
    link::check(&links).map_err(|(entry, why)| ArtifactError::Unsafe { entry, why })?;
    let (mut paths, mut content) = (vec![dir.to_owned()], Content::default());
    make_dir(dir)?;
    for (path, node) in &plan {
        let target = dir.join(path);
        let made = match node {
            Node::Directory { .. } => {
                make_dir(&target)?;
                content::Entry::Directory
            }
            Node::File(entry) => inflater.file(entry, path, &target)?,
            Node::Link(_) => continue,
        };
        content.insert(path, made);
        paths.push(target);
    }
    for (path, target) in &links {
        content.insert(path, link_of(target));
        let path = dir.join(path);
        symlink(target, &path).map_err(Error::file("make link", &path))?;
    }
    set_other_times(dir, &plan)?;
    Ok(Unpacked {
        bytes: inflater.bytes,
        paths,
        content,
    })
}

/// What a zip unpacks to, without writing it.
pub(super) fn content_of(zip: &Bytes, quota: &Quota) -> Result<Content, ArtifactError> {
    let mut content = Content::default();
    if zip.starts_with(MODULE_SIGNATURE) {
        content.insert(MODULE_NAME, file_of(sha256_of(zip), false));
        return Ok(content);
    }
    let mut archive = check::open(zip, quota)?;
    let plan = check::plan(&mut archive, quota)?;
    let mut inflater = Inflater {
        archive: &mut archive,
        bytes: 0,
        bytes_max: quota.unzipped_bytes_max,
    };
    for (path, node) in &plan {
        let made = match node {
            Node::Directory { .. } => content::Entry::Directory,
            Node::Link(entry) => link_of(&inflater.target(entry, path)?),
            Node::File(entry) => {
                let mut digest = sha2::Sha256::new();
                inflater.inflate(entry, path, |bytes| {
                    digest.update(bytes);
                    Ok(())
                })?;
                file_of(digest.finalize().into(), entry.is_executable)
            }
        };
        content.insert(path, made);
    }
    Ok(content)
}

fn file_of(sha256: [u8; 32], is_executable: bool) -> content::Entry {
    content::Entry::File {
        sha256,
        is_executable,
    }
}

fn link_of(target: &str) -> content::Entry {
    let sha256 = sha256_of(target.as_bytes());
    content::Entry::Link { sha256 }
}

/// A module by itself is a package with one file.
fn unpack_module(module: &Bytes, dir: &Path, quota: &Quota) -> Result<Unpacked, ArtifactError> {
    let (bytes, max) = (module.len() as u64, quota.unzipped_bytes_max);
    if bytes > max {
        return Err(ArtifactError::TooLargeUnzipped { max });
    }
    make_dir(dir)?;
    let path = dir.join(MODULE_NAME);
    fs::write(&path, module).map_err(Error::file("write", &path))?;
    let set = fs::set_permissions(&path, Permissions::from_mode(0o644));
    set.map_err(Error::file("finish", &path))?;
    let mut content = Content::default();
    content.insert(MODULE_NAME, file_of(sha256_of(module), false));
    Ok(Unpacked {
        bytes,
        paths: vec![dir.to_owned(), path],
        content,
    })
}

impl Inflater<'_> {
    fn target(&mut self, entry: &Entry, path: &str) -> Result<String, ArtifactError> {
        if entry.declared_bytes > link::TARGET_BYTES_MAX {
            let why = "is a link with too long a target";
            return Err(ArtifactError::Unsafe {
                entry: path.to_owned(),
                why,
            });
        }
        let mut target = Vec::new();
        self.inflate(entry, path, |bytes| {
            target.extend_from_slice(bytes);
            Ok(())
        })?;
        let why = "is a link whose target is not UTF-8";
        String::from_utf8(target).map_err(|_| ArtifactError::Unsafe {
            entry: path.to_owned(),
            why,
        })
    }

    fn file(
        &mut self,
        entry: &Entry,
        path: &str,
        target: &Path,
    ) -> Result<content::Entry, ArtifactError> {
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target);
        let mut file = opened.map_err(Error::file("make", target))?;
        let mut digest = sha2::Sha256::new();
        self.inflate(entry, path, |bytes| {
            digest.update(bytes);
            file.write_all(bytes).map_err(Error::file("write", target))
        })?;
        let mode = if entry.is_executable { 0o755 } else { 0o644 };
        let finished = file
            .set_permissions(Permissions::from_mode(mode))
            .and_then(|()| set_modified(&file, entry.modified));
        finished.map_err(Error::file("finish", target))?;
        Ok(file_of(digest.finalize().into(), entry.is_executable))
    }

    fn inflate(
        &mut self,
        entry: &Entry,
        path: &str,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), ArtifactError> {
        let mut content = self.archive.by_index(entry.index).map_err(not_a_zip)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut bytes = 0;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(ArtifactError::NotAZip {
                        why: format!("'{path}': {error}"),
                    });
                }
            };
            bytes += count as u64;
            self.bytes += count as u64;
            if self.bytes > self.bytes_max {
                return Err(ArtifactError::TooLargeUnzipped {
                    max: self.bytes_max,
                });
            }
            if bytes > entry.declared_bytes {
                break;
            }
            write(&buffer[..count])?;
        }
        if bytes != entry.declared_bytes {
            return Err(ArtifactError::NotAZip {
                why: format!("'{path}' lies about its size"),
            });
        }
        Ok(())
    }
}

fn make_dir(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().mode(0o755).create(path);
    // Again, because the process's umask may have taken something away.
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(Error::file("make directory", path))
}

/// Directories and links get their times when nothing more is written into them.
fn set_other_times(dir: &Path, plan: &check::Plan) -> Result<(), Error> {
    for (path, node) in plan {
        let path = dir.join(path);
        let set = match node {
            Node::Directory {
                modified: Some(seconds),
            } => File::open(&path).and_then(|open| set_modified(&open, Some(*seconds))),
            Node::Link(Entry {
                modified: Some(seconds),
                ..
            }) => {
                let time = Timespec {
                    tv_sec: *seconds,
                    tv_nsec: 0,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into)
            }
            _ => Ok(()),
        };
        set.map_err(Error::file("set time of", &path))?;
    }
    Ok(())
}

fn set_modified(file: &File, seconds: Option<i64>) -> std::io::Result<()> {
    match seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) => file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)),
        None => Ok(()),
    }
}
