//! The directory that a layer is unpacked into: every step on the way to an entry is checked.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, XattrFlags, fchmod, fsetxattr, linkat,
    makedev, mkdirat, mknodat, openat, openat2, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::name::Place;
use super::{ImageError, LayerSize};
use crate::error::Error;

/// How overlayfs marks a directory that hides what lies below it: where root mounts it, and with
/// `userxattr` where others do.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// The directory that is filled.
pub(super) struct Tree {
    root: OwnedFd,
    pub(super) path: PathBuf,
    /// The directory of the last entry: most come after one another.
    last: Option<(Vec<OsString>, OwnedFd)>,
    counts: Counts,
}

/// What was made that the archive's own bytes do not bound.
struct Counts {
    so_far: LayerSize,
    max: LayerSize,
}

const BELOW_A_LINK: &str = "lies below a link";
const BELOW_A_FILE: &str = "lies below a file";
const TARGET_BELOW: &str = "is a hard link to a file below itself";
const NO_TARGET: &str = "is a hard link to a file that the layer does not have";

/// Why an entry was not made.
pub(super) enum Refusal {
    Why(&'static str),
    TooMuch(ImageError),
    Kernel(io::Error),
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        Self::TooMuch(error)
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno.into())
    }
}

pub(super) fn refused(entry: &str) -> impl FnOnce(Refusal) -> ImageError {
    move |refusal| match refusal {
        Refusal::Why(why) => ImageError::Unsafe {
            entry: entry.to_owned(),
            why,
        },
        Refusal::TooMuch(error) => error,
        Refusal::Kernel(source) => Error::file("unpack", Path::new(entry))(source).into(),
    }
}

impl Tree {
    /// Makes it, for so much.
    pub(super) fn new(path: &Path, max: LayerSize) -> Result<Self, ImageError> {
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
            counts: Counts {
                so_far: LayerSize::default(),
                max,
            },
        })
    }

    /// How many entries there were, directories on the way to them among them, and bytes copied.
    pub(super) fn size(&self) -> LayerSize {
        self.counts.so_far
    }

    /// Counts a record of the archive, whatever it makes.
    pub(super) fn count_entry(&mut self) -> Result<(), Refusal> {
        self.counts.add(0, 1)
    }

    /// Opens a directory of the layer, which is made with those on the way to it where it is not there.
    pub(super) fn directory(&mut self, steps: &[OsString]) -> Result<&OwnedFd, Refusal> {
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == steps);
        if !is_last {
            let opened = match open_directory(&self.root, steps) {
                Ok(opened) => opened,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    make_directories(&self.root, steps, &mut self.counts)?
                }
                Err(Errno::LOOP) => return Err(Refusal::Why(BELOW_A_LINK)),
                Err(errno) => return Err(errno.into()),
            };
            self.last = Some((steps.to_vec(), opened));
        }
        let (_, opened) = self.last.as_ref().expect("set above");
        Ok(opened)
    }

    pub(super) fn make_directory(&mut self, place: &Place) -> Result<(), Refusal> {
        let parent = self.directory(&place.parents)?;
        make_directory(parent, &place.name, || Ok(()))?;
        Ok(())
    }

    pub(super) fn make_file(&mut self, place: &Place) -> Result<File, Refusal> {
        self.clear(place)?;
        let parent = self.directory(&place.parents)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, &place.name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(file.into())
    }

    pub(super) fn make_link(&mut self, place: &Place, target: &[u8]) -> Result<(), Refusal> {
        self.clear(place)?;
        let parent = self.directory(&place.parents)?;
        Ok(symlinkat(OsStr::from_bytes(target), parent, &place.name)?)
    }

    pub(super) fn make_hard_link(&mut self, place: &Place, target: &Place) -> Result<(), Refusal> {
        self.make_hard_link_by(link, place, target)
    }

    fn make_hard_link_by(
        &mut self,
        link: Link,
        place: &Place,
        target: &Place,
    ) -> Result<(), Refusal> {
        if place == target {
            return Ok(());
        }
        // Its place is cleared for it, and the target would go with that.
        if target.is_below(place) {
            return Err(Refusal::Why(TARGET_BELOW));
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
        match link(&from, &target.name, parent, &place.name) {
            Err(Errno::MLINK) => self.copy(&from, &target.name, place),
            linked => Ok(linked?),
        }
    }

    /// Makes a file of its own instead of one name more for a file that has as many as the file system
    /// allows (ext4: 65,000). Nobody writes into a layer, so nobody can tell them apart by their content.
    fn copy(&mut self, from: &OwnedFd, name: &OsStr, place: &Place) -> Result<(), Refusal> {
        let found = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        // A link costs an archive nothing, its copy costs the disk all.
        self.counts
            .add(u64::try_from(found.st_size).unwrap_or(0), 0)?;
        let parent = self.directory(&place.parents)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
            let target = readlinkat(from, name, Vec::new())?;
            return Ok(symlinkat(&target, parent, &place.name)?);
        }
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut source = File::from(openat(from, name, flags | OFlags::RDONLY, Mode::empty())?);
        let flags = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut copy = File::from(openat(parent, &place.name, flags, Mode::RUSR | Mode::WUSR)?);
        io::copy(&mut source, &mut copy).map_err(Refusal::Kernel)?;
        let time = source.metadata().and_then(|metadata| metadata.modified());
        let times = FileTimes::new().set_modified(time.map_err(Refusal::Kernel)?);
        copy.set_times(times).map_err(Refusal::Kernel)?;
        Ok(fchmod(&copy, Mode::from_raw_mode(found.st_mode & 0o7777))?)
    }

    /// Marks what lower layers have at a place as gone. What this layer has there stays.
    pub(super) fn hide(&mut self, place: &Place) -> Result<(), Refusal> {
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
    fn clear(&mut self, place: &Place) -> Result<(), Refusal> {
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
}

impl Counts {
    /// Fails with what is too much.
    fn add(&mut self, bytes: u64, entries: u64) -> Result<(), Refusal> {
        self.so_far = self.so_far.plus(LayerSize { bytes, entries });
        Ok(self.so_far.check(self.max)?)
    }
}

/// Gives a file of one directory a name in another, as [`linkat`] does.
type Link = fn(&OwnedFd, &OsStr, &OwnedFd, &OsStr) -> Result<(), Errno>;

fn link(from: &OwnedFd, target: &OsStr, parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    linkat(from, target, parent, name, AtFlags::empty())
}

/// Opens a directory without leaving the root and without following a link.
fn open_directory(root: impl AsFd, steps: &[OsString]) -> Result<OwnedFd, Errno> {
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

/// Each that is not there is an entry, although the archive has no record of it: a long name would make
/// hundreds that nothing else bounds.
fn make_directories(
    root: &OwnedFd,
    steps: &[OsString],
    counts: &mut Counts,
) -> Result<OwnedFd, Refusal> {
    let mut directory = open_directory(root, &[])?;
    for step in steps {
        match kind_of(&directory, step)? {
            Some(FileType::Symlink) => return Err(Refusal::Why(BELOW_A_LINK)),
            None | Some(FileType::Directory | FileType::CharacterDevice) => {}
            Some(_) => return Err(Refusal::Why(BELOW_A_FILE)),
        }
        directory = make_directory(&directory, step, || counts.add(0, 1))?;
    }
    Ok(directory)
}

/// Makes a directory where there is none and it may be. Where something is marked as gone, the directory
/// hides it.
fn make_directory(
    parent: &OwnedFd,
    name: &OsStr,
    count: impl FnOnce() -> Result<(), Refusal>,
) -> Result<OwnedFd, Refusal> {
    let found = kind_of(parent, name)?;
    if found.is_some_and(|kind| kind != FileType::Directory) {
        unlinkat(parent, name, AtFlags::empty())?;
    }
    let is_new = found != Some(FileType::Directory);
    if is_new {
        count()?;
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

fn kind_of(parent: &OwnedFd, name: &OsStr) -> Result<Option<FileType>, Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn set_opaque(directory: impl AsFd) -> Result<(), Refusal> {
    let mark = |name| fsetxattr(&directory, name, b"y", XattrFlags::empty());
    let marked = mark(OPAQUE[0]).or_else(|errno| match errno {
        // Not root, or root of a user namespace only: then it is that who mounts it.
        Errno::PERM => mark(OPAQUE[1]),
        errno => Err(errno),
    });
    marked.map_err(|errno| match errno {
        Errno::OPNOTSUPP | Errno::PERM => Refusal::Why(NO_MARKS),
        errno => errno.into(),
    })
}

fn mark_gone(parent: &OwnedFd, name: &OsStr) -> Result<(), Refusal> {
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
                        express: put it on a disk of the machine's, such as ext4 or xfs";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::name::{Name, read};
    use super::*;

    fn place(name: &str) -> Place {
        match read(name.as_bytes()) {
            Ok(Name::There(place)) => place,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// A file system with no room for one link more.
    fn full(_: &OwnedFd, _: &OsStr, _: &OwnedFd, _: &OsStr) -> Result<(), Errno> {
        Err(Errno::MLINK)
    }

    #[test]
    fn a_file_with_as_many_links_as_can_be_is_copied_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let max = LayerSize {
            bytes: 10,
            entries: 10,
        };
        let mut tree = Tree::new(&root, max).unwrap_or_else(|error| panic!("{error}"));
        let Ok(mut file) = tree.make_file(&place("a/file")) else {
            panic!("it can be made")
        };
        file.write_all(b"hello!").unwrap();
        fchmod(&file, Mode::from_raw_mode(0o755)).unwrap();
        assert!(tree.make_link(&place("a/link"), b"file").is_ok());
        let copied = tree.make_hard_link_by(full, &place("b/file"), &place("a/file"));
        assert!(copied.is_ok());
        let copied = tree.make_hard_link_by(full, &place("b/link"), &place("a/link"));
        assert!(copied.is_ok());
        let (old, new) = (root.join("a/file"), root.join("b/file"));
        assert_eq!(fs::read(&new).unwrap(), b"hello!");
        let [old, new] = [old, new].map(|path| fs::metadata(path).unwrap());
        assert_eq!(old.permissions(), new.permissions());
        assert_eq!(old.modified().unwrap(), new.modified().unwrap());
        assert_eq!(
            fs::read_link(root.join("b/link")).unwrap(),
            Path::new("file")
        );
        let expected = LayerSize {
            bytes: 10,
            entries: 2,
        };
        assert_eq!(tree.size(), expected);
        let refused = tree.make_hard_link_by(full, &place("c"), &place("a/file"));
        let is_too_large =
            |refusal| matches!(refusal, Refusal::TooMuch(ImageError::TooLarge { max: 10 }));
        assert!(refused.is_err_and(is_too_large));
    }

    #[test]
    fn a_hard_link_to_what_it_would_take_away_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let mut tree =
            Tree::new(&root, LayerSize::IMAGE_MAX).unwrap_or_else(|error| panic!("{error}"));
        assert!(tree.make_file(&place("a/b/file")).is_ok());
        for above in ["a/b", "a"] {
            let refused = tree.make_hard_link(&place(above), &place("a/b/file"));
            assert!(refused.is_err_and(|refusal| matches!(refusal, Refusal::Why(TARGET_BELOW))));
        }
        assert!(root.join("a/b/file").exists());
        assert!(
            tree.make_hard_link(&place("a/bc"), &place("a/b/file"))
                .is_ok()
        );
        assert!(tree.make_hard_link(&place("b"), &place("a/b/file")).is_ok());
    }
}
