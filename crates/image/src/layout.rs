//! Images on the operator's disk: OCI image layouts, as directories or archives, and what `docker save`
//! writes.
//!
//! All are read the same way: by the names of files in them. A directory is opened below one that the
//! operator has named, by a call that cannot leave it; an archive is read once for where its files are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kiln_types::Sha256;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use serde::Deserialize;

use crate::document::{Descriptor, read_json, unsupported};
use crate::error::Error;
use crate::reference::Which;

/// Files of an archive. One with more is none of an image.
const FILES_MAX: usize = 20_000;
/// Links that follow one another in what older Dockers saved.
const LINKS_MAX: usize = 4;

/// Some bytes of a file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) file: File,
    pub(crate) bytes: u64,
}

/// The files of an image on disk.
#[derive(Debug)]
pub(crate) enum Files {
    Directory(OwnedFd),
    Archive {
        file: File,
        index: HashMap<String, Place>,
    },
}

/// Where a file of an archive is.
#[derive(Debug)]
pub(crate) enum Place {
    At { offset: u64, bytes: u64 },
    Link(String),
}

/// An entry of `manifest.json`, as `docker save` writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) config: String,
    repo_tags: Option<Vec<String>>,
    pub(crate) layers: Vec<String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

impl Files {
    /// Opens a directory or an archive below one of these directories.
    pub(crate) fn open(uri: &str, path: &Path, allowed: &[PathBuf]) -> Result<Self, Error> {
        let opened = open_below(path, allowed).ok_or_else(|| Error::NotAllowed(uri.to_owned()))?;
        let opened = opened.map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP => {
                Error::NotFound(uri.to_owned())
            }
            errno => Error::file(format!("open {uri}"))(errno.into()),
        })?;
        let file = File::from(opened);
        let failed = |source| Error::file(format!("read {uri}"))(source);
        let kind = file.metadata().map_err(failed)?.file_type();
        if kind.is_dir() {
            return Ok(Self::Directory(file.into()));
        }
        if !kind.is_file() {
            return Err(Error::NotFound(uri.to_owned()));
        }
        let index = index(&file).map_err(|error| {
            unsupported(uri, &format!("it cannot be read as an archive: {error}"))
        })?;
        Ok(Self::Archive { file, index })
    }

    /// A file, from its start on.
    pub(crate) fn piece(&self, uri: &str, name: &str) -> Result<Piece, Error> {
        let missing = || unsupported(uri, &format!("it lacks {name}"));
        let failed = |source| Error::file(format!("read {name} of {uri}"))(source);
        match self {
            Self::Directory(directory) => {
                let opened = openat2(directory, name, FLAGS, Mode::empty(), BENEATH);
                let file = match opened {
                    Ok(file) => File::from(file),
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV) => return Err(missing()),
                    Err(errno) => return Err(failed(errno.into())),
                };
                let metadata = file.metadata().map_err(failed)?;
                match metadata.is_file() {
                    true => Ok(Piece {
                        file,
                        bytes: metadata.len(),
                    }),
                    false => Err(missing()),
                }
            }
            Self::Archive { file, index } => {
                let (offset, bytes) = find(index, name).ok_or_else(missing)?;
                // A position of its own: layers may be read beside one another.
                let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
                let mut file = File::open(path).map_err(failed)?;
                file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                Ok(Piece { file, bytes })
            }
        }
    }

    /// A file's content; one that is larger than this is refused.
    pub(crate) fn read(&self, uri: &str, name: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let Piece { file, bytes } = self.piece(uri, name)?;
        if bytes > bytes_max {
            return Err(unsupported(uri, &format!("{name} is too large")));
        }
        let mut content = Vec::new();
        let read = file.take(bytes).read_to_end(&mut content);
        read.map_err(Error::file(format!("read {name} of {uri}")))?;
        Ok(content)
    }

    /// Whether this is what `docker save` writes.
    pub(crate) fn has(&self, uri: &str, name: &str) -> bool {
        self.piece(uri, name).is_ok()
    }

    /// The digest of the manifest or index of an image layout.
    pub(crate) fn find_image(
        &self,
        uri: &str,
        which: &Which,
        bytes_max: u64,
    ) -> Result<Sha256, Error> {
        let digest = match which {
            Which::Digest(digest) => digest.clone(),
            other => {
                let bytes = self.read(uri, "index.json", bytes_max)?;
                let Index { manifests } = read_json(uri, "its index.json", &bytes)?;
                choose(uri, manifests, other)?.sha256(uri)?
            }
        };
        match self.has(uri, &blob(&digest)) {
            true => Ok(digest),
            false => Err(Error::NotFound(uri.to_owned())),
        }
    }

    /// The image in what `docker save` wrote. One that was pinned is named by the digest of its
    /// configuration: it has no manifest.
    pub(crate) fn find_saved(
        &self,
        uri: &str,
        which: &Which,
        bytes_max: u64,
    ) -> Result<Saved, Error> {
        let bytes = self.read(uri, "manifest.json", bytes_max)?;
        let all: Vec<Saved> = read_json(uri, "its manifest.json", &bytes)?;
        let is_it = |saved: &Saved| match which {
            Which::Only => true,
            Which::Tag(tag) => saved.repo_tags.iter().flatten().any(|name| name == tag),
            Which::Digest(digest) => saved.config.contains(digest.as_str()),
        };
        let mut found = all.into_iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(saved), None) => Ok(saved),
            (Some(_), Some(_)) => Err(ambiguous(uri)),
            (None, _) => Err(Error::NotFound(uri.to_owned())),
        }
    }
}

/// The file of a layout that has a digest.
pub(crate) fn blob(digest: &Sha256) -> String {
    format!("blobs/sha256/{digest}")
}

fn choose(uri: &str, manifests: Vec<Descriptor>, which: &Which) -> Result<Descriptor, Error> {
    let is_it = |descriptor: &Descriptor| match which {
        Which::Tag(tag) => descriptor.has_tag(tag),
        _ => true,
    };
    let mut found = manifests.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(descriptor), None) => Ok(descriptor),
        (Some(_), Some(_)) => Err(ambiguous(uri)),
        (None, _) => Err(Error::NotFound(uri.to_owned())),
    }
}

fn ambiguous(uri: &str) -> Error {
    unsupported(uri, "there are several images: add ':' and the tag of one")
}

/// Reading, and never waiting: a named pipe would.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
/// Links are followed as far as they stay.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// `None` when it lies below none of the directories.
fn open_below(path: &Path, allowed: &[PathBuf]) -> Option<Result<OwnedFd, Errno>> {
    let (directory, inside) = allowed
        .iter()
        .find_map(|directory| Some((directory, path.strip_prefix(directory).ok()?)))?;
    let inside = match inside.as_os_str().is_empty() {
        true => Path::new("."),
        false => inside,
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, directory, flags, Mode::empty());
    Some(opened.and_then(|directory| openat2(directory, inside, FLAGS, Mode::empty(), BENEATH)))
}

/// Where the files of an archive are.
fn index(file: &File) -> io::Result<HashMap<String, Place>> {
    let mut index = HashMap::new();
    let mut archive = tar::Archive::new(file);
    // Raw: all that matters has a short name, and a record of a long one could be of any length.
    for (count, entry) in archive.entries_with_seek()?.raw(true).enumerate() {
        let entry = entry?;
        if count >= FILES_MAX {
            return Err(io::Error::other("it has too many files"));
        }
        let header = entry.header();
        let Some(name) = std::str::from_utf8(&header.path_bytes())
            .ok()
            .and_then(|name| normal(name, ""))
        else {
            continue;
        };
        let kind = header.entry_type();
        let place = if kind.is_file() {
            Place::At {
                offset: entry.raw_file_position(),
                bytes: header.entry_size()?,
            }
        } else if kind.is_symlink() {
            let target = header.link_name_bytes().unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
            match normal(&target, directory) {
                Some(target) => Place::Link(target),
                None => continue,
            }
        } else {
            continue;
        };
        index.insert(name, place);
    }
    Ok(index)
}

fn find(index: &HashMap<String, Place>, name: &str) -> Option<(u64, u64)> {
    let mut name = name;
    for _ in 0..LINKS_MAX {
        match index.get(name)? {
            Place::At { offset, bytes } => return Some((*offset, *bytes)),
            Place::Link(target) => name = target,
        }
    }
    None
}

/// A path within an archive, seen from a directory of it; `None` for one that leaves it.
fn normal(path: &str, directory: &str) -> Option<String> {
    let mut steps: Vec<&str> = directory
        .split('/')
        .filter(|step| !step.is_empty())
        .collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()?),
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_lies_below_the_operators_directories_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let [images, others] = ["images", "others"].map(|name| dir.path().join(name));
        for directory in [&images, &others] {
            fs::create_dir(directory).unwrap();
            fs::create_dir(directory.join("app")).unwrap();
        }
        symlink(&others, images.join("out")).unwrap();
        symlink("app", images.join("in")).unwrap();
        let allowed = [images.clone()];
        let open = |path: &Path| Files::open("uri", path, &allowed);
        assert!(open(&images.join("app")).is_ok());
        assert!(open(&images.join("in")).is_ok(), "a link that stays");
        assert!(matches!(
            open(&others.join("app")),
            Err(Error::NotAllowed(_))
        ));
        for leaving in ["out", "out/app", "../others/app"] {
            let found = open(&images.join(leaving));
            assert!(
                matches!(found, Err(Error::NotFound(_))),
                "{leaving}: {found:?}"
            );
        }
        // Likewise of the files in an image.
        fs::write(others.join("secret"), "x").unwrap();
        symlink(others.join("secret"), images.join("app/index.json")).unwrap();
        let app = open(&images.join("app")).unwrap();
        assert!(matches!(
            app.read("uri", "index.json", 10),
            Err(Error::Unsupported { .. })
        ));
    }

    #[test]
    fn paths_within_an_archive_do_not_leave_it() {
        for (path, directory, expected) in [
            ("./a/b", "", Some("a/b")),
            ("../b/layer.tar", "a", Some("b/layer.tar")),
            ("../../x", "a", None),
        ] {
            assert_eq!(normal(path, directory).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_circle_of_links_leads_nowhere() {
        let link = |to: &str| Place::Link(to.to_owned());
        let index = [("a", "b"), ("b", "a")].map(|(from, to)| (from.to_owned(), link(to)));
        assert_eq!(find(&index.into(), "a"), None);
    }
}
