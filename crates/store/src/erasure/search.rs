//! Looks for what should be gone: rows in the databases, and the account's id and samples of what it had in every file of the data
//! directory.
//!
//! Where the id is found in what is another account's, as in a policy that names it, that is told and no fault. In the file of a
//! database it is a fault unless a row has it: then something was not overwritten.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kiln_types::AccountId;
use memchr::memmem::Finder;
use rusqlite::Connection;

use super::markers::of_hex;
use super::tables::{self, Of};
use super::{Erased, Kept, Progress, Searched, remove, write};
use crate::database::Database;
use crate::error::Error;
use crate::handle::Store;

/// Read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The database whose file has the note of the erasure, until that is removed.
const META: &str = "meta.db";
/// Directories whose files are others' once the account's own are removed, and whose.
const OF_OTHERS: [(&str, &str); 5] = [
    ("artifacts", "code of other accounts mentions it"),
    ("images", "images of other accounts mention it"),
    ("objects", "objects of other accounts mention it"),
    ("sandboxes", "what runs of other accounts mentions it"),
    ("buckets", "the administrator has put it there"),
];

/// Something that is looked for.
struct Needle {
    finder: Finder<'static>,
    is_id: bool,
}

/// A file in which something was found, or in whose name.
struct Hit {
    path: PathBuf,
    needle: usize,
    is_in_name: bool,
}

fn is_meta(path: &Path) -> bool {
    path.to_string_lossy().starts_with(META)
}

impl Store {
    /// Looks everywhere but where the note of the erasure is.
    pub(super) async fn search(&self, progress: &Progress, to: &mut Erased) -> Result<(), Error> {
        self.look_for_rows(progress, to).await?;
        to.searched.markers = progress.markers.len() as u64;
        let needles = needles(&to.account, progress);
        let (searched, hits) = self.look(needles, |path| !is_meta(path)).await?;
        to.searched.add(&searched);
        self.judge(&hits, progress, to).await
    }

    /// Removes the note, which says where to go on after a crash, and looks into the file that it was in. When something is found
    /// there the note is written again.
    pub(super) async fn finish(&self, progress: &Progress, to: &mut Erased) -> Result<(), Error> {
        let id = to.account.clone();
        let work = move |connection: &Connection| remove(connection, &id);
        self.meta()
            .write::<_, Error>("finish erasure", work)
            .await?;
        self.meta().wipe().await?;
        let needles = needles(&to.account, progress);
        let (searched, hits) = self.look(needles, is_meta).await?;
        to.searched.add(&searched);
        self.judge(&hits, progress, to).await?;
        if !to.left.is_empty() {
            let (id, progress) = (to.account.clone(), progress.clone());
            let work = move |connection: &Connection| write(connection, &id, &progress);
            self.meta()
                .write::<_, Error>("go on with erasure", work)
                .await?;
        }
        Ok(())
    }

    /// Asks every table that says whose its rows are, and whether the files of packages are gone.
    async fn look_for_rows(&self, progress: &Progress, to: &mut Erased) -> Result<(), Error> {
        for (of, database) in self.databases() {
            let id = to.account.clone();
            let read = move |from: &Connection| rows_of(from, of, &id);
            let (tables, left) = database.read("look for rows", read).await?;
            to.searched.tables += tables;
            let left = left.into_iter();
            to.left
                .extend(left.map(|(table, count)| format!("{count} rows of {table}, {of:?}")));
        }
        for sha256 in self.doomed_packages(progress).await? {
            if self.artifacts().dir(&sha256).exists() {
                to.left.push(format!("package {sha256}"));
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        needles: Vec<Needle>,
        is_meant: impl Fn(&Path) -> bool + Send + 'static,
    ) -> Result<(Searched, Vec<Hit>), Error> {
        let dir = self.dir().to_owned();
        let search = move || {
            let mut searched = Searched::default();
            let mut hits = Vec::new();
            let mut walk = vec![PathBuf::new()];
            let device = fs::metadata(&dir).map_err(Error::file("read", &dir))?.dev();
            while let Some(below) = walk.pop() {
                let path = dir.join(&below);
                let entries = match fs::read_dir(&path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    entries => entries.map_err(Error::file("list", &path))?,
                };
                for entry in entries {
                    let entry = entry.map_err(Error::file("list", &path))?;
                    let below = below.join(entry.file_name());
                    if !is_meant(&below) {
                        continue;
                    }
                    // What is mounted here is not in here.
                    let Ok(metadata) = entry.metadata() else {
                        continue;
                    };
                    if metadata.dev() != device {
                        continue;
                    }
                    if metadata.is_dir() {
                        walk.push(below);
                    } else {
                        search_file(&dir, &below, &needles, &mut searched, &mut hits)?;
                    }
                }
            }
            Ok((searched, hits))
        };
        tokio::task::spawn_blocking(search)
            .await
            .map_err(|_| Error::Panicked("search the data directory"))?
    }

    /// Says of each hit whether it may be.
    async fn judge(&self, hits: &[Hit], progress: &Progress, to: &mut Erased) -> Result<(), Error> {
        let mut kept = BTreeSet::new();
        for hit in hits {
            match self.excuse(hit, progress, &to.account).await? {
                Some(excuse) => drop(kept.insert(excuse)),
                None => to.left.push(format!(
                    "{} in {}",
                    if hit.needle == 0 {
                        "the id"
                    } else {
                        "a sample"
                    },
                    hit.path.display()
                )),
            }
        }
        to.kept.extend(kept);
        Ok(())
    }

    /// Why something may be found where it was.
    async fn excuse(
        &self,
        hit: &Hit,
        progress: &Progress,
        account: &AccountId,
    ) -> Result<Option<Kept>, Error> {
        let path = hit.path.to_string_lossy();
        let kept = |why: &str| {
            let what = path.split('/').next().unwrap_or_default().to_owned();
            let why = why.to_owned();
            Some(Kept { what, why })
        };
        if path.starts_with("audit.db") {
            return Ok(kept(
                "the records of the audit log are the evidence: they name things and say nothing of what those held",
            ));
        }
        let in_dir = |(dir, _): &&(&str, &str)| path.split('/').next() == Some(*dir);
        if let Some((dir, why)) = OF_OTHERS.iter().find(in_dir) {
            let is_excused = !hit.is_in_name || *dir == "buckets" || hit.needle > 0;
            return Ok(if is_excused { kept(why) } else { None });
        }
        let by = match hit.needle {
            0 => account.as_str().as_bytes().to_vec(),
            needle => of_hex(
                progress
                    .markers
                    .iter()
                    .nth(needle - 1)
                    .map_or("", String::as_str),
            ),
        };
        for (of, database) in self.databases() {
            if path.starts_with(of.file()) && !hit.is_in_name {
                let count = has_live(database, by.clone()).await?;
                return Ok(match count {
                    0 => None,
                    _ => kept("rows of other accounts mention it"),
                });
            }
        }
        Ok(None)
    }
}

impl Of {
    fn file(self) -> &'static str {
        match self {
            Of::Meta => META,
            Of::Queue => "queue.db",
            Of::Logs => "logs.db",
            Of::Usage => "usage.db",
            Of::Audit => "audit.db",
        }
    }
}

impl Searched {
    fn add(&mut self, other: &Searched) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// The account's id is the first.
fn needles(account: &AccountId, progress: &Progress) -> Vec<Needle> {
    let id = Needle {
        finder: Finder::new(account.as_str().as_bytes()).into_owned(),
        is_id: true,
    };
    let samples = progress.markers.iter().map(|marker| Needle {
        finder: Finder::new(&of_hex(marker)).into_owned(),
        is_id: false,
    });
    std::iter::once(id).chain(samples).collect()
}

impl Needle {
    /// An id is none within a longer number. What is around some bytes of a file may be unknown: then one at their border is left
    /// to the bytes before or after them.
    fn is_in(&self, bytes: &[u8], (goes_before, goes_on): (bool, bool)) -> bool {
        let length = self.finder.needle().len();
        self.finder.find_iter(bytes).any(|at| {
            let end = at + length;
            let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
            let is_cut = goes_before && at == 0 || goes_on && end == bytes.len();
            let is_longer = is_cut || is_digit(end) || at > 0 && is_digit(at - 1);
            !self.is_id || !is_longer
        })
    }
}

fn search_file(
    dir: &Path,
    below: &Path,
    needles: &[Needle],
    searched: &mut Searched,
    hits: &mut Vec<Hit>,
) -> Result<(), Error> {
    let hit = |needle, is_in_name| Hit {
        path: below.to_owned(),
        needle,
        is_in_name,
    };
    let name = below.to_string_lossy();
    for (number, needle) in needles.iter().enumerate() {
        if needle.is_in(name.as_bytes(), (false, false)) {
            hits.push(hit(number, true));
        }
    }
    let path = dir.join(below);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Ok(());
    }
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file.map_err(Error::file("open", &path))?,
    };
    let (bytes, found) = search(file, needles).map_err(Error::file("read", &path))?;
    searched.files += 1;
    searched.bytes += bytes;
    hits.extend(found.into_iter().map(|number| hit(number, false)));
    Ok(())
}

/// How much was read, and the numbers of what was found in it.
fn search(mut from: impl Read, needles: &[Needle]) -> io::Result<(u64, BTreeSet<usize>)> {
    let length = |needle: &Needle| needle.finder.needle().len();
    // One byte more on both sides, by which an id is told from a longer number.
    let overlap = needles.iter().map(length).max().unwrap_or(0) + 2;
    let (mut total, mut found) = (0, BTreeSet::new());
    let mut buffer = vec![0; CHUNK_BYTES + overlap];
    let (mut kept, mut is_first) = (0, true);
    loop {
        let read = from.read(&mut buffer[kept..])?;
        total += read as u64;
        let bytes = &buffer[..kept + read];
        for (number, needle) in needles.iter().enumerate() {
            let around = (!is_first, read > 0);
            if !found.contains(&number) && needle.is_in(bytes, around) {
                found.insert(number);
            }
        }
        if read == 0 {
            return Ok((total, found));
        }
        let end = kept + read;
        kept = end.min(overlap);
        is_first &= kept == end;
        buffer.copy_within(end - kept..end, 0);
    }
}

/// How many tables there are, and which have rows of an account.
fn rows_of(
    from: &Connection,
    of: Of,
    account: &AccountId,
) -> rusqlite::Result<(u64, Vec<(String, u64)>)> {
    let mut left = tables::count(from, of, account)?;
    for table in tables::of_accounts(from)? {
        let select = format!("SELECT count(*) FROM {table} WHERE account = ?1");
        let count: i64 = from.query_row(&select, [account.as_str()], |row| row.get(0))?;
        if count > 0 {
            left.insert(table, count.unsigned_abs());
        }
    }
    Ok((tables::all(from)?.len() as u64, left.into_iter().collect()))
}

/// How many rows of a database have something in any of their columns.
async fn has_live(database: &Database, wanted: Vec<u8>) -> Result<u64, Error> {
    let read = move |from: &Connection| {
        let mut count = 0;
        for table in tables::all(from)?
            .iter()
            .filter(|table| *table != "erasure")
        {
            let mut columns =
                from.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
            let columns = columns.query_map([], |row| row.get::<_, String>(0))?;
            let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
            let has = |column: &String| format!("instr(CAST({column} AS BLOB), ?1) > 0");
            let any: Vec<String> = columns.iter().map(has).collect();
            let select = format!("SELECT count(*) FROM {table} WHERE {}", any.join(" OR "));
            count += from.query_row(&select, [&wanted], |row| row.get::<_, i64>(0))?;
        }
        Ok(count.unsigned_abs())
    };
    database
        .read("look for rows that mention an account", read)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> bool {
        let account = "123456789012".parse().unwrap();
        let needles = needles(&account, &Progress::default());
        !search(bytes, &needles).unwrap().1.is_empty()
    }

    #[test]
    fn an_id_is_found_wherever_it_stands_but_not_in_a_longer_number() {
        assert!(found(b"123456789012"));
        assert!(found(b"arn:aws:lambda:us-east-1:123456789012:function:f"));
        assert!(!found(b"1234567890123"));
        assert!(!found(b"9123456789012 "));
        assert!(found(b"1234567890123 and x123456789012x"));
    }

    #[test]
    fn what_lies_across_two_chunks_is_found() {
        for before in CHUNK_BYTES - 16..CHUNK_BYTES + 16 {
            let mut bytes = vec![b'.'; before];
            bytes.extend(b"123456789012");
            bytes.extend(vec![b'.'; CHUNK_BYTES]);
            assert!(found(&bytes), "{before}");
        }
    }

    #[test]
    fn samples_are_looked_for_too() {
        let account = "123456789012".parse().unwrap();
        let progress = Progress {
            markers: ["6f6e65".to_owned(), "74776f".to_owned()].into(),
            ..Default::default()
        };
        let needles = needles(&account, &progress);
        let (bytes, found) = search(&b"two"[..], &needles).unwrap();
        assert_eq!((bytes, found), (3, BTreeSet::from([2])));
    }
}
