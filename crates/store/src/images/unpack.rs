//! Unpacks one layer into a new directory, in the form that overlayfs takes.
//!
//! The archive is a stranger's and the server may be root. So every entry's directory is opened from the
//! layer's own root by `openat2`, which neither leaves it nor follows a link on the way, and everything
//! else is done to a single name in that directory. Sizes in headers are claims: bytes are counted as
//! they come, also those of headers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, Timespec, Timestamps, fchmod, futimens};
use tar::{EntryType, Header};

use super::content::{Archive, Hashed};
use super::filled::{Tree, refused, set_opaque};
use super::name::{self, Name};
use super::{ImageError, Layer, LayerSize};
use crate::error::Error;

/// How much of an entry's name is shown where it is refused.
const SHOWN_BYTES_MAX: usize = 200;

/// Longest target of a symbolic link (Linux).
const TARGET_BYTES_MAX: usize = 4_095;
/// Longest record that describes the next entry.
const RECORD_BYTES_MAX: u64 = 1 << 20;
const BUFFER_BYTES: usize = 64 * 1024;

type Result<T> = std::result::Result<T, ImageError>;

/// What records before an entry say of it.
#[derive(Default)]
struct Told {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
}

/// Unpacks a layer into `dir`, which must not exist, and returns its size. On failure the directory may be
/// left behind in any state.
pub(super) fn unpack(layer: Layer, dir: &Path, size_max: LayerSize) -> Result<LayerSize> {
    let Layer {
        diff_id,
        digest,
        file,
        bytes,
    } = layer;
    let unreadable = |why: io::Error| ImageError::NotAnArchive {
        layer: diff_id.clone(),
        why: why.to_string(),
    };
    let bytes_max = size_max.bytes;
    let mut tree = Tree::new(dir, size_max)?;
    let packed = Archive::open(file, bytes).map_err(unreadable)?;
    let mut archive = tar::Archive::new(Hashed::new(packed, bytes_max));
    let unpacked = unpack_entries(&mut archive, &mut tree);
    let mut hashed = archive.into_inner();
    let drained = match &unpacked {
        Ok(()) => hashed.drain(),
        Err(_) => Ok(()),
    };
    if hashed.is_exceeded() {
        return Err(ImageError::TooLarge { max: bytes_max });
    }
    match unpacked {
        Err(Stop::Refused(error)) => return Err(error),
        Err(Stop::Unreadable(error)) => return Err(unreadable(error)),
        Ok(()) => drained.map_err(unreadable)?,
    }
    let bytes = hashed.size();
    let size = tree.size().plus(LayerSize { bytes, entries: 0 });
    size.check(size_max)?;
    let (packed, found) = hashed.finish();
    check(&diff_id, found)?;
    if let Some(digest) = digest {
        check(&digest, packed.finish().map_err(unreadable)?)?;
    }
    Ok(size)
}

fn check(expected: &kiln_types::Sha256, found: kiln_types::Sha256) -> Result<()> {
    match *expected == found {
        true => Ok(()),
        false => Err(ImageError::WrongDigest {
            expected: expected.clone(),
            found,
        }),
    }
}

/// Why unpacking ends.
enum Stop {
    /// The archive cannot be read.
    Unreadable(io::Error),
    Refused(ImageError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<ImageError> for Stop {
    fn from(error: ImageError) -> Self {
        Self::Refused(error)
    }
}

fn unpack_entries<R: Read>(
    archive: &mut tar::Archive<R>,
    tree: &mut Tree,
) -> std::result::Result<(), Stop> {
    let mut told = Told::default();
    // Raw: the crate would hold a record of any length in memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        tree.count_entry().map_err(refused(""))?;
        let header = entry.header().clone();
        let kind = header.entry_type();
        if kind.is_pax_local_extensions() {
            told.read_pax(&read_record(&mut entry)?)?;
        } else if kind.is_gnu_longname() {
            told.path = Some(without_nul(read_record(&mut entry)?));
        } else if kind.is_gnu_longlink() {
            told.target = Some(without_nul(read_record(&mut entry)?));
        } else if !kind.is_pax_global_extensions() {
            tree.add(&header, std::mem::take(&mut told), &mut entry)?;
        }
    }
    Ok(())
}

fn read_record(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    entry.take(RECORD_BYTES_MAX + 1).read_to_end(&mut record)?;
    match record.len() as u64 > RECORD_BYTES_MAX {
        true => Err(io::Error::other("a record of names is too long")),
        false => Ok(record),
    }
}

/// The text up to its end, where C has it.
fn without_nul(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    text
}

impl Told {
    fn read_pax(&mut self, record: &[u8]) -> io::Result<()> {
        for extension in tar::PaxExtensions::new(record) {
            let extension = extension?;
            let value = extension.value_bytes();
            let number = || std::str::from_utf8(value).ok();
            match extension.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = number().and_then(|size| size.parse().ok()),
                // With a fraction.
                b"mtime" => {
                    let seconds = number().and_then(|time| time.split('.').next());
                    self.modified = seconds.and_then(|seconds| seconds.parse().ok());
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn sparse() -> io::Error {
    io::Error::other("it has a sparse file, which image builders do not write")
}

impl Tree {
    fn add(
        &mut self,
        header: &Header,
        told: Told,
        content: &mut impl Read,
    ) -> std::result::Result<(), Stop> {
        let path = told
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let target = told
            .target
            .or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        // A name may be as long as the archive, and what is refused is told and kept.
        let start = &path[..path.len().min(SHOWN_BYTES_MAX)];
        let shown = String::from_utf8_lossy(start).into_owned();
        let refuse = |why| ImageError::Unsafe {
            entry: shown.clone(),
            why,
        };
        let modified = told.modified.or_else(|| {
            let seconds = header.mtime().ok()?;
            i64::try_from(seconds).ok()
        });
        let place = match name::read(&path).map_err(refuse)? {
            Name::Root | Name::Nothing => return Ok(()),
            Name::Emptied(directory) => {
                let directory = self.directory(&directory).map_err(refused(&shown))?;
                return Ok(set_opaque(directory).map_err(refused(&shown))?);
            }
            Name::Gone(place) => return Ok(self.hide(&place).map_err(refused(&shown))?),
            Name::There(place) => place,
        };
        let target = || target.clone().filter(|target| !target.is_empty());
        match header.entry_type() {
            EntryType::Directory => self.make_directory(&place).map_err(refused(&shown))?,
            EntryType::Regular | EntryType::Continuous => {
                let size = header.entry_size()?;
                if told.size.is_some_and(|told| told != size) {
                    return Err(refuse("has two sizes").into());
                }
                let is_executable = header.mode()? & 0o111 != 0;
                let file = self.make_file(&place).map_err(refused(&shown))?;
                self.fill(file, content, size, is_executable, modified)?;
            }
            EntryType::Symlink => {
                let target = target().ok_or_else(|| refuse("is a link without a target"))?;
                if target.len() > TARGET_BYTES_MAX || target.contains(&0) {
                    return Err(refuse("is a link with an impossible target").into());
                }
                self.make_link(&place, &target).map_err(refused(&shown))?;
            }
            EntryType::Link => {
                let target = target().ok_or_else(|| refuse("is a link without a target"))?;
                let target = name::read_target(&target).map_err(refuse)?;
                self.make_hard_link(&place, &target)
                    .map_err(refused(&shown))?;
            }
            EntryType::GNUSparse => return Err(sparse().into()),
            // Devices and pipes: no function could use one.
            _ => {}
        }
        Ok(())
    }

    fn fill(
        &self,
        mut file: File,
        content: &mut impl Read,
        size: u64,
        is_executable: bool,
        modified: Option<i64>,
    ) -> std::result::Result<(), Stop> {
        let written = |source| ImageError::from(Error::file("write into", &self.path)(source));
        let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(size).unwrap_or(BUFFER_BYTES))];
        let mut left = size;
        while left > 0 {
            let count = content.read(&mut buffer)?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            file.write_all(&buffer[..count]).map_err(written)?;
            left -= count as u64;
        }
        let mode = if is_executable { 0o755 } else { 0o644 };
        let finished = fchmod(&file, Mode::from_raw_mode(mode)).and_then(|()| match modified {
            Some(seconds) => futimens(&file, &times(seconds)),
            None => Ok(()),
        });
        Ok(finished.map_err(|errno| written(errno.into()))?)
    }
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
