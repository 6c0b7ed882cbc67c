//! Records of what a directory has, sealed: only this server can have written them.
//!
//! ```text
//! sealed 6f0c…          HMAC-SHA256 of what it is the record of, a line feed, and the lines below
//! 100644 9f86… lib/a.py
//! ```
//! The key is a secret of the server's in `meta.db`. Who can write where packages lie can alter or remove a record, and cannot make one
//! that fits other files.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use kiln_types::{Content, Sha256};

use crate::error::Error;
use crate::server_secret::Secret;
use crate::shelf::sync;

/// What the first line begins with. Records of earlier versions have no such line, and count for nothing.
const FIRST: &str = "sealed ";

/// Writes records, and tells its own from others.
pub(super) struct Seal(hmac::Key);

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// Nothing: there is none that is sealed.
    Nothing,
    /// Nothing that counts: it is not what this server wrote.
    Altered,
    /// That this is what the directory has.
    Content(Content),
}

impl Seal {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Records what a directory has; `of` what it is, must be said again to read it. It is there whole or not at all.
    pub(super) fn write(&self, path: &Path, of: &str, content: &Content) -> Result<(), Error> {
        let text = content.to_text();
        let tag = hmac::sign(&self.0, &sealed(of, &text));
        let bytes = tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes");
        let record = format!("{FIRST}{}\n{text}", Sha256::from_bytes(bytes));
        replace(path, record.as_bytes())
    }

    pub(super) fn read(&self, path: &Path, of: &str) -> Recorded {
        let Ok(record) = fs::read(path) else {
            return Recorded::Nothing;
        };
        if !record.starts_with(FIRST.as_bytes()) {
            return Recorded::Nothing;
        }
        let content = str::from_utf8(&record)
            .ok()
            .and_then(|record| self.content(record, of));
        content.map_or(Recorded::Altered, Recorded::Content)
    }

    fn content(&self, record: &str, of: &str) -> Option<Content> {
        let (first, text) = record.split_once('\n')?;
        let tag: Sha256 = first.strip_prefix(FIRST)?.parse().ok()?;
        hmac::verify(&self.0, &sealed(of, text), &tag.to_bytes()).ok()?;
        Content::parse(text)
    }
}

fn sealed(of: &str, text: &str) -> Vec<u8> {
    [of, "\n", text].concat().into_bytes()
}

/// Writes a file in the place of another, synced but for its name.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let draft = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&draft, bytes).map_err(Error::file("write", &draft))?;
    sync(&draft)?;
    fs::rename(&draft, path).map_err(Error::file("rename to", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_counts_for_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let seal = Seal::new(&[1; 32]);
        assert_eq!(seal.read(&path, "package 1"), Recorded::Nothing);
        let mut content = Content::default();
        content.insert("lib", kiln_types::content::Entry::Directory);
        fs::write(&path, content.to_text()).unwrap();
        assert_eq!(seal.read(&path, "package 1"), Recorded::Nothing);
        seal.write(&path, "package 1", &content).unwrap();
        assert_eq!(seal.read(&path, "package 1"), Recorded::Content(content));
        assert_eq!(seal.read(&path, "package 2"), Recorded::Altered);
        let other = Seal::new(&[2; 32]);
        assert_eq!(other.read(&path, "package 1"), Recorded::Altered);
        let sound = fs::read(&path).unwrap();
        for altered in [b"100644".as_slice(), b" more\n", b"\xff", b""] {
            let altered = match altered {
                b"" => sound[..20].to_vec(),
                more => [&sound, more].concat(),
            };
            fs::write(&path, altered).unwrap();
            assert_eq!(seal.read(&path, "package 1"), Recorded::Altered);
        }
    }
}
