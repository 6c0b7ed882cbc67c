//! The files that hold the bytes of objects.
//!
//! A file is written once, under a random name, synced, and never changed. A reader registers the files it will
//! read; one that is removed meanwhile stays until the last reader is gone.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::object::Piece;
use crate::directory::make_private_dir;
use crate::error::{Doing, Error};
use crate::random;

/// Names a file: 32 digits of hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentId(String);

/// All files.
#[derive(Clone)]
pub(super) struct Contents {
    dir: Arc<Path>,
    held: Arc<Mutex<HashMap<ContentId, Held>>>,
}

/// A file that is being read or removed.
#[derive(Default)]
struct Held {
    readers: usize,
    is_doomed: bool,
}

impl Held {
    /// Whether it is being removed: nobody reads it, and nobody may begin to.
    fn is_going(&self) -> bool {
        self.is_doomed && self.readers == 0
    }
}

/// A file that is being written. It is removed when this is dropped. Its methods block.
pub struct Draft {
    file: File,
    written: Written,
}

/// A file that is on disk and nobody's yet. It is removed when this is dropped.
pub struct Written {
    contents: Contents,
    id: ContentId,
    size: u64,
    is_kept: bool,
}

/// Reads what an object is made of, whatever happens to the object meanwhile.
pub struct Reader {
    hold: Hold,
    pieces: VecDeque<(ContentId, u64, u64)>,
    file: Option<File>,
}

/// Files that stay for as long as this does.
struct Hold {
    contents: Contents,
    ids: Vec<ContentId>,
}

impl ContentId {
    fn random() -> Result<Self, Error> {
        let mut random = [0; 16];
        random::fill(&mut random)?;
        Ok(Self(
            random.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it was kept.
    pub(super) fn known(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.id).finish()
    }
}

impl Contents {
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        make_private_dir(dir)?;
        for shelf in 0..=255_u8 {
            make_private_dir(&dir.join(format!("{shelf:02x}")))?;
        }
        Ok(Self {
            dir: dir.into(),
            held: Arc::default(),
        })
    }

    /// Removes every file that the database does not name.
    pub(super) fn collect(&self, from: &Connection) -> Result<(), Error> {
        let mut select = from
            .prepare("SELECT 1 FROM object_content WHERE id = ?1")
            .doing("read contents")?;
        for shelf in 0..=255_u8 {
            let dir = self.dir.join(format!("{shelf:02x}"));
            for entry in fs::read_dir(&dir).map_err(Error::file("read", &dir))? {
                let path = entry.map_err(Error::file("read", &dir))?.path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                if !select.exists([name]).doing("read contents")? {
                    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn draft(&self) -> Result<Draft, Error> {
        let id = ContentId::random()?;
        let path = self.path(&id);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        Ok(Draft {
            file: file.map_err(Error::file("make", &path))?,
            written: Written {
                contents: self.clone(),
                id,
                size: 0,
                is_kept: false,
            },
        })
    }

    /// Reads `size` bytes from `offset` on of what the pieces are together; none when it is gone.
    pub(super) fn read(&self, pieces: &[Piece], offset: u64, size: u64) -> Option<Reader> {
        let (mut at, end) = (0, offset + size);
        let mut wanted = VecDeque::new();
        for piece in pieces {
            let (from, to) = (offset.max(at), end.min(at + piece.size));
            if from < to {
                wanted.push_back((piece.content.clone(), from - at, to - from));
            }
            at += piece.size;
        }
        let ids = wanted.iter().map(|(id, _, _)| id.clone()).collect();
        Some(Reader {
            hold: self.hold(ids)?,
            pieces: wanted,
            file: None,
        })
    }

    fn hold(&self, ids: Vec<ContentId>) -> Option<Hold> {
        let mut held = self.held();
        // The files of an object are doomed together, with the lock held.
        let is_gone = |id: &ContentId| {
            let is_going = held.get(id).is_some_and(Held::is_going);
            is_going || !self.path(id).exists()
        };
        if ids.first().is_some_and(is_gone) {
            return None;
        }
        for id in &ids {
            held.entry(id.clone()).or_default().readers += 1;
        }
        drop(held);
        Some(Hold {
            contents: self.clone(),
            ids,
        })
    }

    /// Removes files, those that are being read once nobody does any more.
    pub(super) fn remove(&self, doomed: &[ContentId]) {
        let mut held = self.held();
        for id in doomed {
            held.entry(id.clone()).or_default().is_doomed = true;
        }
        let is_going = |id: &&ContentId| held[*id].is_going();
        let going: Vec<&ContentId> = doomed.iter().filter(is_going).collect();
        drop(held);
        self.unlink_all(&going);
    }

    /// Removes files that nobody can begin to read. Whoever reads others does not wait for the disk meanwhile.
    fn unlink_all(&self, going: &[&ContentId]) {
        for id in going {
            self.unlink(id);
        }
        let mut held = self.held();
        for id in going {
            held.remove(*id);
        }
    }

    fn unlink(&self, id: &ContentId) {
        let path = self.path(id);
        if let Err(error) = fs::remove_file(&path) {
            // The next start tries again.
            tracing::warn!(path = %path.display(), %error, "could not remove the file of an object");
        }
    }

    fn path(&self, id: &ContentId) -> PathBuf {
        self.dir.join(&id.0[..2]).join(&id.0)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ContentId, Held>> {
        self.held.lock().expect("no holder panics")
    }
}

impl Draft {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes);
        written.map_err(Error::file("write", &self.written.path()))?;
        self.written.size += bytes.len() as u64;
        Ok(())
    }

    /// Has it all, and its name, on disk.
    pub fn finish(self) -> Result<Written, Error> {
        let path = self.written.path();
        self.file.sync_all().map_err(Error::file("sync", &path))?;
        let dir = path.parent().expect("files of objects lie on shelves");
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(Error::file("sync", dir))?;
        Ok(self.written)
    }
}

impl Written {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// It, as a piece of an object.
    pub fn piece(&self) -> Piece {
        Piece {
            content: self.id.clone(),
            size: self.size,
            checksum: None,
        }
    }

    /// It is somebody's now, or a failure left open whether it is: the next start knows.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }

    fn path(&self) -> PathBuf {
        self.contents.path(&self.id)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.is_kept {
            self.contents.unlink(&self.id);
        }
    }
}

impl Reader {
    /// The next bytes, at most so many; none at the end. Blocks.
    pub fn read(&mut self, bytes_max: usize) -> Result<Bytes, Error> {
        let Some((id, offset, left)) = self.pieces.front_mut() else {
            return Ok(Bytes::new());
        };
        let path = self.hold.contents.path(id);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = File::open(&path).map_err(Error::file("open", &path))?;
                file.seek(SeekFrom::Start(*offset))
                    .map_err(Error::file("read", &path))?;
                file
            }
        };
        let size = (*left).min(bytes_max as u64);
        let mut bytes = Vec::with_capacity(size as usize);
        let read = (&mut file).take(size).read_to_end(&mut bytes);
        read.map_err(Error::file("read", &path))?;
        if (bytes.len() as u64) < size {
            return Err(Error::Damaged {
                what: path.display().to_string(),
                why: "the file is shorter than it was".to_owned(),
            });
        }
        *left -= size;
        match *left {
            0 => {
                self.pieces.pop_front();
            }
            _ => self.file = Some(file),
        }
        Ok(bytes.into())
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.pieces.iter().map(|(_, _, left)| left).sum()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.contents.held();
        let mut going = Vec::new();
        for id in &self.ids {
            let Some(file) = held.get_mut(id) else {
                continue;
            };
            file.readers -= 1;
            if file.is_going() {
                going.push(id);
            } else if file.readers == 0 {
                held.remove(id);
            }
        }
        drop(held);
        self.contents.unlink_all(&going);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(contents: &Contents, bytes: &[u8]) -> Written {
        let mut draft = contents.draft().unwrap();
        draft.write(bytes).unwrap();
        draft.finish().unwrap()
    }

    fn all(mut reader: Reader) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = reader.read(3).unwrap();
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(&bytes);
        }
    }

    #[test]
    fn any_range_over_several_files_reads_as_if_they_were_one() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path()).unwrap();
        let files = [&b"abcde"[..], b"", b"f", b"ghij"].map(|bytes| written(&contents, bytes));
        let pieces: Vec<Piece> = files.iter().map(Written::piece).collect();
        let whole = b"abcdefghij";
        for from in 0..=whole.len() {
            for to in from..=whole.len() {
                let reader = contents
                    .read(&pieces, from as u64, (to - from) as u64)
                    .unwrap();
                assert_eq!(reader.left(), (to - from) as u64);
                assert_eq!(all(reader), whole[from..to], "{from}..{to}");
            }
        }
    }

    #[test]
    fn a_file_that_is_being_read_is_removed_when_its_last_reader_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path()).unwrap();
        let file = written(&contents, b"hello");
        let (path, piece) = (file.path(), file.piece());
        file.keep();
        let first = contents.read(std::slice::from_ref(&piece), 0, 5).unwrap();
        let second = contents.read(std::slice::from_ref(&piece), 0, 5).unwrap();
        contents.remove(std::slice::from_ref(&piece.content));
        assert_eq!(all(first), b"hello");
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        assert!(contents.read(&[piece], 0, 5).is_none());
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path()).unwrap();
        let mut draft = contents.draft().unwrap();
        draft.write(b"half").unwrap();
        let path = draft.written.path();
        assert!(path.exists());
        drop(draft);
        assert!(!path.exists());
    }
}
