//! Whether the files of a package are still what was uploaded: read and hashed whole before they are first used after a start,
//! and now and then.
//!
//! ```text
//! opened ──▶ Unknown ──┬─ they agree ─────────────▶ Checked ◀── unpacked just now
//!                      ├─ not, but the zip does ──▶ unpacked anew: Checked, and this one caller is told
//!                      └─ neither does ───────────▶ Damaged, until it is uploaded again
//! ```
//! Checked holds for the directory that was read: one that was put in its place, or one to which names were added or from which they
//! were taken at the top, is read again, which costs a start no more than one look. What is altered below, in place, is found by the
//! next reading of all.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use kiln_types::content::{self, SIGNATURE_PATH, STATEMENT_PATH, sha256_of};
use kiln_types::{Content, Sha256};
use sha2::Digest as _;
use tokio::sync::OwnedMutexGuard;

use super::index::Trust;
use super::{ArtifactError, Artifacts, Shared, blocking, package};
use crate::error::Error;

/// Packages read whole at once: each has a disk and a processor busy.
pub(super) const CHECKS_MAX: usize = 2;
const BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that are read of a signature's files; longer ones are none.
const SIGNATURE_BYTES_MAX: u64 = 8 * 1024;

/// A package whose files are what was uploaded, and what they say of who signed them.
#[derive(Debug)]
pub struct Checked {
    /// The digest of the content that a signature covers.
    pub covered: Sha256,
    /// `META-INF/kiln/statement`, if there is one.
    pub statement: Option<Vec<u8>>,
    /// `META-INF/kiln/signature`, if there is one.
    pub signature: Option<Vec<u8>>,
}

/// What keeps others from a package meanwhile.
pub(super) type Lock = OwnedMutexGuard<()>;

/// Tells a directory from one that takes its place, and from itself with other names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Artifacts {
    /// What is known of a package that was checked; none when that is to be done. Takes a microsecond or so.
    pub fn checked(&self, sha256: &Sha256) -> Option<Arc<Checked>> {
        match self.shared.index.trust(sha256)? {
            Trust::Checked(checked, identity) => {
                let now = Identity::of(&self.dir(sha256)).ok()?;
                (now == identity).then_some(checked)
            }
            _ => None,
        }
    }

    /// Looks whether a package's files are what was uploaded, unless that is known since the store was opened: then it takes as long as
    /// reading them all. What is not is restored, if its zip is good; the caller who finds it is told all the same.
    ///
    /// # Errors
    /// [`ArtifactError::NotIntact`]: they must not be run. [`ArtifactError::NotFound`]: there is no such package.
    pub async fn check(&self, sha256: &Sha256) -> Result<Arc<Checked>, ArtifactError> {
        match self.checked(sha256) {
            Some(checked) => Ok(checked),
            None => self.examine(sha256, false).await,
        }
    }

    /// The same, whatever is known.
    pub async fn recheck(&self, sha256: &Sha256) -> Result<Arc<Checked>, ArtifactError> {
        self.examine(sha256, true).await
    }

    /// All packages there are.
    pub fn all(&self) -> Vec<Sha256> {
        self.shared.index.known()
    }

    async fn examine(&self, sha256: &Sha256, anew: bool) -> Result<Arc<Checked>, ArtifactError> {
        let lock = self.shared.shelf.lock(sha256).await;
        // Somebody else may have been first.
        if let (false, Some(checked)) = (anew, self.checked(sha256)) {
            return Ok(checked);
        }
        let (_lock, examined) = self.examine_locked(lock, sha256).await?;
        examined
    }

    /// The same under the package's lock, which is given back.
    pub(super) async fn examine_locked(
        &self,
        lock: Lock,
        sha256: &Sha256,
    ) -> Result<(Lock, Result<Arc<Checked>, ArtifactError>), ArtifactError> {
        let checks = self.shared.checks.clone().acquire_owned();
        let permit = checks.await.expect("the semaphore is never closed");
        let (shared, sha256) = (self.shared.clone(), sha256.clone());
        blocking("check package", move || {
            let examined = shared.examine(&sha256);
            drop(permit);
            Ok((lock, examined))
        })
        .await
    }
}

impl Shared {
    fn examine(&self, sha256: &Sha256) -> Result<Arc<Checked>, ArtifactError> {
        match self.index.trust(sha256) {
            None => return Err(ArtifactError::NotFound(sha256.clone())),
            Some(Trust::Damaged(what)) => return Err(not_intact(sha256, what)),
            Some(_) => {}
        }
        let compared = self.compare(sha256);
        let what = match difference(compared)? {
            Ok((checked, None)) => return Ok(checked),
            Ok((_, Some(derived))) => return Err(restored(sha256, derived)),
            Err(what) => what,
        };
        self.index.set_trust(sha256, Trust::Unknown);
        match self.restore(sha256) {
            Ok(()) => Err(restored(sha256, what)),
            Err(error) => {
                tracing::error!(%sha256, %error, "a package that was altered could not be unpacked anew");
                self.index.set_trust(sha256, Trust::Damaged(what.clone()));
                Err(not_intact(sha256, what))
            }
        }
    }

    /// Reads a package whole, and trusts it if it is what was uploaded. What was derived of it and altered is gone then, and told.
    fn compare(&self, sha256: &Sha256) -> Result<(Arc<Checked>, Option<String>), ArtifactError> {
        let place = self.shelf.place(sha256);
        let expected = package::expected(&place, sha256, &self.quota, &self.seal)?;
        let files = place.join(package::CODE);
        // What is put in its place while it is read has another.
        let identity = Identity::of(&files)?;
        if let Some(what) = on_disk(&files)?.first_difference(&expected) {
            return Err(not_intact(sha256, what));
        }
        let checked = Arc::new(Checked::of(&files, sha256, &expected)?);
        let derived = self.check_derived(sha256)?;
        let trust = Trust::Checked(Arc::clone(&checked), identity);
        self.index.set_trust(sha256, trust);
        Ok((checked, derived))
    }

    /// Unpacks a package anew from its zip, and looks at what that made.
    fn restore(&self, sha256: &Sha256) -> Result<(), ArtifactError> {
        let (place, draft) = (self.shelf.place(sha256), self.shelf.draft()?);
        let code = package::restore(&place, &draft, sha256, &self.quota, &self.seal)?;
        self.index.set_code(code);
        self.compare(sha256)?;
        Ok(())
    }
}

impl Checked {
    /// What these files, which were found to be that content, say of who signed them.
    pub(super) fn of(
        files: &Path,
        sha256: &Sha256,
        content: &Content,
    ) -> Result<Self, ArtifactError> {
        let read = |path| beginning(files, path, content, sha256);
        Ok(Self {
            covered: content.covered_digest(),
            statement: read(STATEMENT_PATH)?,
            signature: read(SIGNATURE_PATH)?,
        })
    }
}

impl Identity {
    pub(super) fn of(dir: &Path) -> Result<Self, Error> {
        let about = fs::symlink_metadata(dir).map_err(Error::file("look at", dir))?;
        Ok(Self {
            device: about.dev(),
            inode: about.ino(),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// What is wrong with a package, if something is; fails where that cannot be told.
fn difference<T>(compared: Result<T, ArtifactError>) -> Result<Result<T, String>, ArtifactError> {
    match compared {
        Ok(checked) => Ok(Ok(checked)),
        Err(ArtifactError::NotIntact { what, .. }) => Ok(Err(what)),
        Err(ArtifactError::Store(Error::File { path, source, .. }))
            if source.kind() == ErrorKind::NotFound =>
        {
            Ok(Err(format!("{} is missing", path.display())))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn not_intact(sha256: &Sha256, what: impl Into<String>) -> ArtifactError {
    ArtifactError::NotIntact {
        sha256: sha256.clone(),
        what: what.into(),
        is_restored: false,
    }
}

/// It was not, and is now.
fn restored(sha256: &Sha256, what: String) -> ArtifactError {
    ArtifactError::NotIntact {
        sha256: sha256.clone(),
        what,
        is_restored: true,
    }
}

/// All that lies in a directory.
pub(super) fn on_disk(dir: &Path) -> Result<Content, Error> {
    let mut content = Content::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut ahead = vec![(dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = ahead.pop() {
        let entries = fs::read_dir(&dir).map_err(Error::file("list", &dir))?;
        for entry in entries {
            let path = entry.map_err(Error::file("list", &dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let relative = format!("{prefix}{name}");
            let found = look_at(&path, &mut buffer)?;
            if found == content::Entry::Directory {
                ahead.push((path, format!("{relative}/")));
            }
            content.insert(relative, found);
        }
    }
    Ok(content)
}

fn look_at(path: &Path, buffer: &mut [u8]) -> Result<content::Entry, Error> {
    let about = fs::symlink_metadata(path).map_err(Error::file("look at", path))?;
    let (kind, mode) = (about.file_type(), about.mode());
    Ok(if kind.is_dir() {
        content::Entry::Directory
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(Error::file("read", path))?;
        let sha256 = sha256_of(target.as_os_str().as_bytes());
        content::Entry::Link { sha256 }
    } else if kind.is_file() && mode & 0o6000 == 0 {
        content::Entry::File {
            sha256: fs::File::open(path)
                .and_then(|mut file| digest_on(sha2::Sha256::new(), &mut file, buffer))
                .map_err(Error::file("read", path))?,
            is_executable: mode & 0o111 != 0,
        }
    } else {
        content::Entry::Foreign
    })
}

/// The digest of what was read of a file already and of what is still to be read.
fn digest_on(
    mut digest: sha2::Sha256,
    file: &mut fs::File,
    buffer: &mut [u8],
) -> std::io::Result<[u8; 32]> {
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(count) => digest.update(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How a file of a package begins, if its content has it.
fn beginning(
    files: &Path,
    name: &str,
    content: &Content,
    package: &Sha256,
) -> Result<Option<Vec<u8>>, ArtifactError> {
    let Some(content::Entry::File { sha256, .. }) = content.get(name) else {
        return Ok(None);
    };
    let path = files.join(name);
    let read = || {
        let (mut file, mut bytes) = (fs::File::open(&path)?, Vec::new());
        (&mut file)
            .take(SIGNATURE_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        let digest = sha2::Sha256::new_with_prefix(&bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        let found = digest_on(digest, &mut file, &mut buffer)?;
        Ok((bytes, found))
    };
    let (bytes, found) = read().map_err(Error::file("read", &path))?;
    match found == *sha256 {
        true => Ok(Some(bytes)),
        // It may have been another file by then than the one that was compared.
        false => Err(not_intact(package, format!("'{name}' was altered"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use bytes::Bytes;
    use kiln_types::ManualClock;
    use rustix::fs::IFlags;
    use zip::write::SimpleFileOptions;

    use super::super::Quota;
    use super::*;

    fn zip() -> Bytes {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        for (name, mode) in [
            ("index.py", 0o644),
            ("bin/run", 0o755),
            ("lib/deep/x", 0o644),
        ] {
            let options = options.unix_permissions(mode);
            writer.start_file(name, options).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.add_symlink("start", "bin/run", options).unwrap();
        writer.add_directory("empty", options).unwrap();
        writer.finish().unwrap().into_inner().into()
    }

    fn open(dir: &Path) -> Artifacts {
        let clock = Arc::new(ManualClock::default());
        Artifacts::open(dir, Quota::default(), &[7; 32], clock).unwrap()
    }

    /// A store with a package, and its digest, as after a restart.
    async fn reopened(dir: &Path) -> (Artifacts, Sha256) {
        let code = open(dir).put_zip(zip(), 9_999).await.unwrap();
        (open(dir), code.sha256)
    }

    fn what(refused: &ArtifactError) -> (&str, bool) {
        match refused {
            ArtifactError::NotIntact {
                what, is_restored, ..
            } => (what, *is_restored),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn what_was_unpacked_just_now_is_known_and_is_read_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path());
        let code = artifacts.put_zip(zip(), 9_999).await.unwrap();
        let first = artifacts.checked(&code.sha256).unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        assert!(artifacts.checked(&sha256).is_none());
        let second = artifacts.check(&sha256).await.unwrap();
        assert_eq!(first.covered, second.covered);
        assert!(artifacts.checked(&sha256).is_some());
    }

    #[tokio::test]
    async fn whatever_is_altered_is_refused_once_and_restored() {
        type Alter = fn(&Path);
        let table: &[(&str, Alter)] = &[
            ("'index.py' was altered", |dir| {
                fs::write(dir.join("index.py"), "index.pY").unwrap();
            }),
            ("'index.py' was altered", |dir| {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(dir.join("index.py"), mode).unwrap();
            }),
            ("'bin/run' was altered", |dir| {
                let mode = fs::Permissions::from_mode(0o4755);
                fs::set_permissions(dir.join("bin/run"), mode).unwrap();
            }),
            ("'lib/deep/x' is missing", |dir| {
                fs::remove_file(dir.join("lib/deep/x")).unwrap();
            }),
            ("'lib/deep/y' was added", |dir| {
                fs::write(dir.join("lib/deep/y"), "").unwrap();
            }),
            ("'empty' is missing", |dir| {
                fs::remove_dir(dir.join("empty")).unwrap();
            }),
            ("'start' was altered", |dir| {
                fs::remove_file(dir.join("start")).unwrap();
                symlink("lib/run", dir.join("start")).unwrap();
            }),
        ];
        for (told, alter) in table {
            let dir = tempfile::tempdir().unwrap();
            let (artifacts, sha256) = reopened(dir.path()).await;
            alter(&artifacts.dir(&sha256));
            let refused = artifacts.check(&sha256).await.unwrap_err();
            assert_eq!(what(&refused), (*told, true));
            artifacts.check(&sha256).await.unwrap();
            let restored = fs::read(artifacts.dir(&sha256).join("index.py")).unwrap();
            assert_eq!(restored, b"index.py");
            artifacts.recheck(&sha256).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_package_whose_zip_is_altered_too_is_refused_until_it_is_uploaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        let place = artifacts.dir(&sha256);
        fs::write(place.join("index.py"), "other").unwrap();
        fs::write(place.with_file_name(package::ZIP), "other").unwrap();
        for _ in 0..2 {
            let refused = artifacts.check(&sha256).await.unwrap_err();
            assert_eq!(what(&refused), ("'index.py' was altered", false));
            assert!(refused.to_string().ends_with("upload the code again"));
        }
        artifacts.put_zip(zip(), 9_999).await.unwrap();
        artifacts.check(&sha256).await.unwrap();
        assert_eq!(artifacts.total_bytes(), zip().len() as u64);
    }

    #[tokio::test]
    async fn a_package_of_an_earlier_version_is_compared_with_its_zip() {
        for is_altered in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (artifacts, sha256) = reopened(dir.path()).await;
            let place = artifacts.dir(&sha256);
            fs::remove_file(place.with_file_name("content")).unwrap();
            if is_altered {
                fs::write(place.join("index.py"), "other").unwrap();
            }
            let checked = artifacts.check(&sha256).await;
            assert_eq!(checked.is_err(), is_altered);
            assert!(place.with_file_name("content").exists(), "it is recorded");
        }
    }

    #[tokio::test]
    async fn files_and_a_record_that_fits_them_do_not_pass_for_what_was_uploaded() {
        let dir = tempfile::tempdir().unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        let files = artifacts.dir(&sha256);
        let path = files.with_file_name("content");
        let first = fs::read_to_string(&path).unwrap();
        let first = first.lines().next().unwrap();
        for first in ["", &format!("{first}\n"), "sealed x\n"] {
            fs::write(files.join("index.py"), "other").unwrap();
            let content = on_disk(&files).unwrap();
            fs::write(&path, format!("{first}{}", content.to_text())).unwrap();
            // Where earlier versions had the record's digest.
            let manifest = files.with_file_name("manifest.json");
            let text = fs::read(&manifest).unwrap();
            let mut about: serde_json::Value = serde_json::from_slice(&text).unwrap();
            about["content"] = content.digest().to_string().into();
            fs::write(&manifest, about.to_string()).unwrap();
            let artifacts = open(dir.path());
            let refused = artifacts.check(&sha256).await.unwrap_err();
            assert_eq!(what(&refused), ("'index.py' was altered", true));
            artifacts.check(&sha256).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_restore_leaves_the_zip_where_it_is_and_is_done_again_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        let files = artifacts.dir(&sha256);
        let zip = || Identity::of(&files.with_file_name(package::ZIP)).unwrap();
        let before = zip();
        fs::write(files.join("index.py"), "other").unwrap();
        let refused = artifacts.check(&sha256).await.unwrap_err();
        assert_eq!(what(&refused), ("'index.py' was altered", true));
        assert_eq!(zip(), before, "it is not moved, not even for a moment");
        // As a crash leaves it that comes when it hurts most.
        let draft = dir.path().join("artifacts/tmp/9");
        fs::create_dir(&draft).unwrap();
        fs::rename(&files, draft.join("altered")).unwrap();
        let artifacts = open(dir.path());
        assert!(!draft.exists());
        let refused = artifacts.check(&sha256).await.unwrap_err();
        assert!(what(&refused).1, "{refused}");
        artifacts.check(&sha256).await.unwrap();
        assert_eq!(fs::read(files.join("index.py")).unwrap(), b"index.py");
    }

    #[tokio::test]
    async fn a_restore_counts_although_what_was_altered_cannot_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        let files = artifacts.dir(&sha256);
        fs::write(files.join("index.py"), "other").unwrap();
        let kept = fs::File::open(files.join("index.py")).unwrap();
        // Nobody may remove it. Not every file system knows such files, and not everybody may make one.
        let keep = |flags| rustix::fs::ioctl_setflags(&kept, flags);
        let Ok(flags) = rustix::fs::ioctl_getflags(&kept) else {
            return;
        };
        if keep(flags | IFlags::IMMUTABLE).is_err() {
            return;
        }
        let refused = artifacts.check(&sha256).await.unwrap_err();
        let drafts = fs::read_dir(dir.path().join("artifacts/tmp")).unwrap();
        let left = drafts.count();
        open(dir.path()).put_zip(zip(), 9_999).await.unwrap();
        keep(flags).unwrap();
        assert_eq!(what(&refused), ("'index.py' was altered", true));
        assert_eq!(left, 1, "it is removed on the next start");
        artifacts.check(&sha256).await.unwrap();
        open(dir.path());
        let mut drafts = fs::read_dir(dir.path().join("artifacts/tmp")).unwrap();
        assert!(drafts.next().is_none());
    }

    #[tokio::test]
    async fn what_is_added_while_a_package_is_read_is_found_by_the_next_look() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        writer.start_file("large", options).unwrap();
        writer.write_all(&vec![0; 32 << 20]).unwrap();
        let zip: Bytes = writer.finish().unwrap().into_inner().into();
        let code = open(dir.path()).put_zip(zip, u64::MAX).await.unwrap();
        let artifacts = open(dir.path());
        let added = artifacts.dir(&code.sha256).join("added");
        let adds = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::write(added, "").unwrap();
        });
        let first = artifacts.check(&code.sha256).await;
        adds.join().unwrap();
        // The first look may have come too late for it, or too early.
        let refused = match first {
            Err(refused) => refused,
            Ok(_) => artifacts.check(&code.sha256).await.unwrap_err(),
        };
        assert_eq!(what(&refused), ("'added' was added", true));
    }

    #[test]
    fn the_files_of_a_signature_are_those_that_were_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(STATEMENT_PATH);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "as it was").unwrap();
        let content = on_disk(dir.path()).unwrap();
        let sha256 = Sha256::from_bytes([0; 32]);
        let checked = Checked::of(dir.path(), &sha256, &content).unwrap();
        assert_eq!(checked.statement.as_deref(), Some(&b"as it was"[..]));
        fs::write(&path, "as I like").unwrap();
        let refused = Checked::of(dir.path(), &sha256, &content).unwrap_err();
        let altered = format!("'{STATEMENT_PATH}' was altered");
        assert_eq!(what(&refused), (altered.as_str(), false));
    }

    #[tokio::test]
    async fn a_directory_that_takes_the_place_of_one_that_was_checked_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (artifacts, sha256) = reopened(dir.path()).await;
        artifacts.check(&sha256).await.unwrap();
        let code = artifacts.dir(&sha256);
        // Times of files have steps.
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::write(code.join("added"), "").unwrap();
        let refused = artifacts.check(&sha256).await.unwrap_err();
        assert_eq!(what(&refused), ("'added' was added", true));
        fs::remove_dir_all(&code).unwrap();
        let refused = artifacts.check(&sha256).await.unwrap_err();
        assert!(what(&refused).1);
        artifacts.check(&sha256).await.unwrap();
    }

    #[tokio::test]
    async fn the_files_of_a_signature_are_given_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path());
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        writer.start_file(STATEMENT_PATH, options).unwrap();
        writer.write_all(&[b'x'; 9_000]).unwrap();
        let zip: Bytes = writer.finish().unwrap().into_inner().into();
        let code = artifacts.put_zip(zip, 99_999).await.unwrap();
        let checked = artifacts.checked(&code.sha256).unwrap();
        let statement = checked.statement.as_ref().unwrap();
        assert_eq!(statement.len() as u64, SIGNATURE_BYTES_MAX);
        assert_eq!(checked.signature, None);
    }
}
