//! The zip that is uploaded, and the source texts at its top that inference reads.
//!
//! The same files always give the same bytes (sorted names, one time stamp, two modes), so that
//! the digest tells whether code changed, on whichever machine it was packaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiln_types::limits;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::ignore::Ignore;

/// Source files longer than this are not searched for a handler.
const SOURCE_BYTES_MAX: u64 = 1 << 20;

/// Code, ready to be uploaded.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) zip: Vec<u8>,
    /// Every file's path inside the package, sorted.
    pub(crate) files: Vec<String>,
    /// Those of them that can be executed.
    pub(super) executables: BTreeSet<String>,
    /// The text of source files at the top level, by name.
    pub(super) sources: BTreeMap<String, String>,
}

/// One thing to put into the zip.
enum Entry {
    File(PathBuf),
    /// Points at this path, relative to its own place.
    Link(String),
}

impl Package {
    /// Packages a directory, a zip as it is, or a single file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path)
            .with_context(|| format!("there is nothing to deploy at {}", path.display()))?;
        let package = if metadata.is_dir() {
            let mut entries = BTreeMap::new();
            let ignore = Ignore::of_directory(path)?;
            collect(path, "", &ignore, &mut entries)?;
            Self::pack(&entries)
        } else if path.extension().is_some_and(|extension| extension == "zip") {
            Self::open(fs::read(path)?)
        } else {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.context("the file's name is not UTF-8")?.to_owned();
            Self::pack(&BTreeMap::from([(name, Entry::File(path.to_owned()))]))
        };
        let package = package.with_context(|| format!("package {}", path.display()))?;
        package.check_size()?;
        Ok(package)
    }

    /// What the server calls `CodeSha256`.
    pub(super) fn digest(&self) -> String {
        BASE64.encode(Sha256::digest(&self.zip))
    }

    fn pack(entries: &BTreeMap<String, Entry>) -> Result<Self> {
        if entries.is_empty() {
            bail!("there are no files to deploy");
        }
        let mut package = Self::default();
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let mut unzipped = 0;
        for (name, entry) in entries {
            package.files.push(name.clone());
            match entry {
                Entry::Link(target) => writer.add_symlink(name, target, options(0o777))?,
                Entry::File(path) => {
                    let bytes =
                        fs::read(path).with_context(|| format!("read {}", path.display()))?;
                    unzipped += bytes.len() as u64;
                    if unzipped > limits::UNZIPPED_BYTES_MAX {
                        bail!(too_large("unpacked", limits::UNZIPPED_BYTES_MAX));
                    }
                    let executable = fs::metadata(path)?.permissions().mode() & 0o111 != 0;
                    if executable {
                        package.executables.insert(name.clone());
                    }
                    writer.start_file(name, options(if executable { 0o755 } else { 0o644 }))?;
                    writer.write_all(&bytes)?;
                    package.remember_source(name, bytes);
                }
            }
        }
        package.zip = writer.finish()?.into_inner();
        Ok(package)
    }

    fn open(zip: Vec<u8>) -> Result<Self> {
        let mut package = Self::default();
        let mut archive = ZipArchive::new(Cursor::new(&zip)).context("it is not a zip")?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index)?;
            let name = entry.name()?.into_owned();
            if entry.is_dir() {
                continue;
            }
            if is_source(&name) && entry.size() <= SOURCE_BYTES_MAX {
                let mut bytes = Vec::new();
                // The size above is only what the zip claims.
                entry
                    .by_ref()
                    .take(SOURCE_BYTES_MAX)
                    .read_to_end(&mut bytes)?;
                package.remember_source(&name, bytes);
            }
            if entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0) {
                package.executables.insert(name.clone());
            }
            package.files.push(name);
        }
        package.files.sort();
        package.zip = zip;
        Ok(package)
    }

    fn remember_source(&mut self, name: &str, bytes: Vec<u8>) {
        if is_source(name) && bytes.len() as u64 <= SOURCE_BYTES_MAX {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.sources.insert(name.to_owned(), text);
        }
    }

    fn check_size(&self) -> Result<()> {
        if self.zip.len() as u64 > limits::ZIPPED_BYTES_MAX {
            bail!(too_large("zipped", limits::ZIPPED_BYTES_MAX));
        }
        Ok(())
    }
}

fn too_large(state: &str, bytes_max: u64) -> String {
    let mib = bytes_max >> 20;
    format!(
        "the package is larger than {mib} MiB {state}, the most that can be uploaded\n  \
         next: leave files out with a .kilnignore (boto3 is in the runtime already)"
    )
}

fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(mode)
}

fn is_source(name: &str) -> bool {
    let extensions = [".py", ".js", ".mjs", ".cjs"];
    !name.contains('/')
        && (name == "package.json" || extensions.iter().any(|extension| name.ends_with(extension)))
}

/// Adds what is below `dir`, whose path inside the package is `prefix` (empty, or ending in `/`).
fn collect(
    dir: &Path,
    prefix: &str,
    ignore: &Ignore,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name
            .to_str()
            .with_context(|| format!("{} is not UTF-8", path.display()))?;
        let inside = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if ignore.leaves_out(&inside, kind.is_dir()) {
            continue;
        }
        if kind.is_symlink() {
            entries.insert(inside.clone(), Entry::Link(link_target(&path, &inside)?));
        } else if kind.is_dir() {
            collect(&path, &format!("{inside}/"), ignore, entries)?;
        } else if kind.is_file() {
            entries.insert(inside, Entry::File(path));
        } else {
            bail!(
                "{} is no file, directory or link; add it to .kilnignore",
                path.display()
            );
        }
    }
    Ok(())
}

/// The target of a link that stays inside the package: the server refuses any other.
fn link_target(path: &Path, inside: &str) -> Result<String> {
    let target = fs::read_link(path)?;
    let mut depth = inside.matches('/').count();
    let stays = target.components().all(|component| match component {
        Component::ParentDir => {
            let above = depth.checked_sub(1);
            depth = above.unwrap_or(0);
            above.is_some()
        }
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::RootDir | Component::Prefix(_) => false,
    });
    match target.to_str() {
        Some(target) if stays => Ok(target.to_owned()),
        _ => bail!(
            "{} points outside the package, to {}; copy the file, or add it to .kilnignore",
            path.display(),
            target.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn same_files_give_the_same_bytes_whatever_their_order_and_age() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(
            one.path(),
            &[("a.py", "a"), ("lib/b.py", "b"), ("c.txt", "c")],
        );
        write(
            two.path(),
            &[("c.txt", "c"), ("lib/b.py", "b"), ("a.py", "a")],
        );
        let old = fs::File::open(two.path().join("a.py")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        let (one, two) = (
            Package::read(one.path()).unwrap(),
            Package::read(two.path()).unwrap(),
        );
        assert_eq!(one.zip, two.zip);
        assert_eq!(one.digest(), two.digest());
        assert_eq!(one.files, ["a.py", "c.txt", "lib/b.py"]);
    }

    #[test]
    fn changed_text_or_mode_changes_the_digest() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("bootstrap", "#!/bin/sh")]);
        let before = Package::read(dir.path()).unwrap().digest();
        let path = dir.path().join("bootstrap");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let executable = Package::read(dir.path()).unwrap().digest();
        assert_ne!(before, executable);
        fs::write(path, "#!/bin/bash").unwrap();
        assert_ne!(executable, Package::read(dir.path()).unwrap().digest());
    }

    #[test]
    fn what_is_never_code_stays_out() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("app.py", ""),
                (".git/config", ""),
                ("lib/__pycache__/b.pyc", ""),
                (".venv/bin/python", ""),
                ("node_modules/a/index.js", ""),
                (".kilnignore", "*.md\n"),
                ("README.md", ""),
            ],
        );
        let package = Package::read(dir.path()).unwrap();
        assert_eq!(package.files, ["app.py", "node_modules/a/index.js"]);
    }

    #[test]
    fn single_file_is_a_package_under_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[("resize.py", "def handler(e, c): pass"), ("other.py", "")],
        );
        let package = Package::read(&dir.path().join("resize.py")).unwrap();
        assert_eq!(package.files, ["resize.py"]);
        assert_eq!(package.sources["resize.py"], "def handler(e, c): pass");
    }

    #[test]
    fn zip_is_uploaded_as_it_is_and_read_for_inference() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[("code/app.py", "text"), ("code/lib/b.py", "deep")],
        );
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.path().join("code/lib/b.py"), executable).unwrap();
        let built = Package::read(&dir.path().join("code")).unwrap();
        fs::write(dir.path().join("app.zip"), &built.zip).unwrap();
        let read = Package::read(&dir.path().join("app.zip")).unwrap();
        assert_eq!(
            (read.zip, read.files, read.sources, read.executables),
            (built.zip, built.files, built.sources, built.executables)
        );
        fs::write(dir.path().join("app.zip"), "no zip").unwrap();
        let error = format!(
            "{:#}",
            Package::read(&dir.path().join("app.zip")).unwrap_err()
        );
        assert!(error.contains("not a zip"), "{error}");
    }

    #[test]
    fn link_is_kept_inside_and_refused_when_it_leaves() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("lib/real.py", "x")]);
        symlink("../lib/real.py", dir.path().join("lib/alias.py")).unwrap();
        assert_eq!(
            Package::read(dir.path()).unwrap().files,
            ["lib/alias.py", "lib/real.py"]
        );
        for outside in ["../../etc/passwd", "/etc/passwd", "x/../../../etc/passwd"] {
            let link = dir.path().join("lib/out");
            let _ = fs::remove_file(&link);
            symlink(outside, &link).unwrap();
            let error = format!("{:#}", Package::read(dir.path()).unwrap_err());
            assert!(error.contains("outside"), "{error}");
        }
    }

    #[test]
    fn empty_directory_is_nothing_to_deploy() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Package::read(dir.path()).is_err());
    }
}
