//! Unpacks one layer into a new directory, in the form that overlayfs takes.
//!
//! The archive is a stranger's and the server may be root. So every entry's directory is opened from the
//! layer's own root by `openat2`, which neither leaves it nor follows a link on the way, and everything
//! else is done to a single name in that directory. Sizes in headers are claims: bytes are counted as
//! they come, also those of headers.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags, fchmod,
    fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::content::{Archive, Hashed};
use super::name::{self, Name, Place};
use super::{ImageError, Layer};
use crate::error::Error;

/// How overlayfs marks a directory that hides what lies below it.
const OPAQUE: &str = "trusted.overlay.opaque";
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

/// The directory that is filled.
struct Tree {
    root: OwnedFd,
    path: PathBuf,
    /// The directory of the last entry: most come after one another.
    last: Option<(Vec<OsString>, OwnedFd)>,
}

/// Unpacks a layer into `dir`, which must not exist, and returns the size of its archive. On failure the
/// directory may be left behind in any state.
pub(super) fn unpack(layer: Layer, dir: &Path, bytes_max: u64, entries_max: u64) -> Result<u64> {
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
    let tree = Tree::new(dir)?;
    let packed = Archive::open(file, bytes).map_err(unreadable)?;
    let mut archive = tar::Archive::new(Hashed::new(packed, bytes_max));
    let unpacked = unpack_entries(&mut archive, tree, entries_max);
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
    let (packed, found) = hashed.finish();
    check(&diff_id, found)?;
    if let Some(digest) = digest {
        check(&digest, packed.finish().map_err(unreadable)?)?;
    }
    Ok(bytes)
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
    mut tree: Tree,
    entries_max: u64,
) -> std::result::Result<(), Stop> {
    let mut told = Told::default();
    let mut count = 0;
    // Raw: the crate would hold a record of any length in memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        count += 1;
        if count > entries_max {
            return Err(ImageError::TooManyEntries { max: entries_max }.into());
        }
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
    fn new(path: &Path) -> Result<Self> {
        let made = mkdirat(CWD, path, Mode::from_raw_mode(0o755)).and_then(|()| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(CWD, path, flags, Mode::empty())
        });
        let made = made.and_then(|root| {
            // Again, because the process's umask may have taken something away.
            fchmod(&root, Mode::from_raw_mode(0o755))?;
            Ok(root)
        });
        let root = made.map_err(|errno| Error::file("make directory", path)(errno.into()))?;
        Ok(Self {
            root,
            path: path.to_owned(),
            last: None,
        })
    }

    fn add(
        &mut self,
        header: &Header,
        told: Told,
        content: &mut impl Read,
    ) -> std::result::Result<(), Stop> {
        let path = told.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = told
            .target
            .or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let shown = String::from_utf8_lossy(&path).into_owned();
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

    /// Opens a directory of the layer, which is made with those on the way to it where it is not there.
    fn directory(&mut self, steps: &[OsString]) -> std::result::Result<&OwnedFd, Refusal> {
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == steps);
        if !is_last {
            let opened = match open_directory(&self.root, steps) {
                Ok(opened) => opened,
                Err(Errno::NOENT | Errno::NOTDIR) => make_directories(&self.root, steps)?,
                Err(Errno::LOOP) => return Err(Refusal::Why(BELOW_A_LINK)),
                Err(errno) => return Err(errno.into()),
            };
            self.last = Some((steps.to_vec(), opened));
        }
        let (_, opened) = self.last.as_ref().expect("set above");
        Ok(opened)
    }

    fn make_directory(&mut self, place: &Place) -> std::result::Result<(), Refusal> {
        let parent = self.directory(&place.parents)?;
        make_directory(parent, &place.name)?;
        Ok(())
    }

    fn make_file(&mut self, place: &Place) -> std::result::Result<File, Refusal> {
        self.clear(place)?;
        let parent = self.directory(&place.parents)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, &place.name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(file.into())
    }

    fn make_link(&mut self, place: &Place, target: &[u8]) -> std::result::Result<(), Refusal> {
        self.clear(place)?;
        let parent = self.directory(&place.parents)?;
        Ok(symlinkat(OsStr::from_bytes(target), parent, &place.name)?)
    }

    fn make_hard_link(
        &mut self,
        place: &Place,
        target: &Place,
    ) -> std::result::Result<(), Refusal> {
        if place == target {
            return Ok(());
        }
        let from = match open_directory(&self.root, &target.parents) {
            Ok(from) => from,
            Err(Errno::LOOP) => return Err(Refusal::Why(BELOW_A_LINK)),
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(Refusal::Why(NO_TARGET)),
            Err(errno) => return Err(errno.into()),
        };
        match kind_of(&from, &target.name)? {
            Some(FileType::RegularFile | FileType::Symlink) => {}
            _ => return Err(Refusal::Why(NO_TARGET)),
        }
        self.clear(place)?;
        let parent = self.directory(&place.parents)?;
        Ok(linkat(
            &from,
            &target.name,
            parent,
            &place.name,
            AtFlags::empty(),
        )?)
    }

    /// Marks what lower layers have at a place as gone. What this layer has there stays.
    fn hide(&mut self, place: &Place) -> std::result::Result<(), Refusal> {
        let parent = self.directory(&place.parents)?;
        match kind_of(parent, &place.name)? {
            Some(FileType::Directory) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory = openat(parent, &place.name, flags, Mode::empty())?;
                set_opaque(&directory)?;
            }
            Some(_) => {}
            None => mark_gone(parent, &place.name)?,
        }
        Ok(())
    }

    /// Takes away what the layer has at a place already: a later entry stands for all before it.
    fn clear(&mut self, place: &Place) -> std::result::Result<(), Refusal> {
        let parent = self.directory(&place.parents)?;
        match kind_of(parent, &place.name)? {
            None => {}
            Some(FileType::Directory) => {
                // Its way there was opened without a link in it, and nobody else writes here.
                let steps: PathBuf = place.parents.iter().chain([&place.name]).collect();
                let path = self.path.join(steps);
                self.last = None;
                std::fs::remove_dir_all(path).map_err(Refusal::Kernel)?;
            }
            Some(_) => unlinkat(parent, &place.name, AtFlags::empty())?,
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

const BELOW_A_LINK: &str = "lies below a link";
const BELOW_A_FILE: &str = "lies below a file";
const NO_TARGET: &str = "is a hard link to a file that the layer does not have";

/// Why an entry was not made.
enum Refusal {
    Why(&'static str),
    Kernel(io::Error),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno.into())
    }
}

fn refused(entry: &str) -> impl FnOnce(Refusal) -> ImageError {
    move |refusal| match refusal {
        Refusal::Why(why) => ImageError::Unsafe {
            entry: entry.to_owned(),
            why,
        },
        Refusal::Kernel(source) => Error::file("unpack", Path::new(entry))(source).into(),
    }
}

/// Opens a directory without leaving the root and without following a link.
fn open_directory(root: impl AsFd, steps: &[OsString]) -> std::result::Result<OwnedFd, Errno> {
    let path: PathBuf = match steps {
        [] => PathBuf::from("."),
        steps => steps.iter().collect(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn make_directories(
    root: &OwnedFd,
    steps: &[OsString],
) -> std::result::Result<OwnedFd, Refusal> {
    let mut directory = open_directory(root, &[])?;
    for step in steps {
        match kind_of(&directory, step)? {
            Some(FileType::Symlink) => return Err(Refusal::Why(BELOW_A_LINK)),
            None | Some(FileType::Directory | FileType::CharacterDevice) => {}
            Some(_) => return Err(Refusal::Why(BELOW_A_FILE)),
        }
        directory = make_directory(&directory, step)?;
    }
    Ok(directory)
}

/// Makes a directory where there is none. Where something is marked as gone, the directory hides it.
fn make_directory(parent: &OwnedFd, name: &OsStr) -> std::result::Result<OwnedFd, Refusal> {
    let found = kind_of(parent, name)?;
    if found.is_some_and(|kind| kind != FileType::Directory) {
        unlinkat(parent, name, AtFlags::empty())?;
    }
    let is_new = found != Some(FileType::Directory);
    if is_new {
        mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    if is_new {
        fchmod(&directory, Mode::from_raw_mode(0o755))?;
    }
    if found == Some(FileType::CharacterDevice) {
        set_opaque(&directory)?;
    }
    Ok(directory)
}

fn kind_of(parent: &OwnedFd, name: &OsStr) -> std::result::Result<Option<FileType>, Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn set_opaque(directory: impl AsFd) -> std::result::Result<(), Refusal> {
    fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty()).map_err(|errno| match errno {
        Errno::OPNOTSUPP | Errno::PERM => Refusal::Why(NO_MARKS),
        errno => errno.into(),
    })
}

fn mark_gone(parent: &OwnedFd, name: &OsStr) -> std::result::Result<(), Refusal> {
    let made = mknodat(
        parent,
        name,
        FileType::CharacterDevice,
        Mode::empty(),
        makedev(0, 0),
    );
    made.map_err(|errno| match errno {
        Errno::PERM => Refusal::Why(NO_MARKS),
        errno => errno.into(),
    })
}

const NO_MARKS: &str = "takes away what a lower layer has, which the data directory's file system cannot \
                        express: put it on a disk of the machine's, such as ext4 or xfs, and run Kiln as root";

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
