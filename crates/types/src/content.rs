//! What a package consists of: every file, link and directory of it with a digest, as one text that can be recorded, signed and
//! compared.
//!
//! A line each, sorted by the bytes of the path: the mode as Git has it, the SHA-256 of a file's bytes or of a link's target (`-`
//! for a directory), the path with `\` and line ends written `\\` and `\n`:
//!
//! ```text
//! 040000 - lib
//! 100644 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 lib/a.py
//! 100755 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae run
//! 120000 fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 start
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::Digest as _;

use crate::digest::Sha256;

/// Where a package says who signed it.
pub const STATEMENT_PATH: &str = "META-INF/kiln/statement";
/// Where it has the signature of that.
pub const SIGNATURE_PATH: &str = "META-INF/kiln/signature";
/// What a signature does not cover: itself, and the directories that it lies in.
const UNCOVERED: [&str; 4] = ["META-INF", "META-INF/kiln", STATEMENT_PATH, SIGNATURE_PATH];

/// All of a package, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    entries: BTreeMap<String, Entry>,
}

/// One thing in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file, with the digest of its bytes.
    File {
        /// Its digest.
        sha256: [u8; 32],
        /// Whether it may be executed.
        is_executable: bool,
    },
    /// A symbolic link, with the digest of its target.
    Link {
        /// The digest.
        sha256: [u8; 32],
    },
    /// What no package has: a device, a socket, a file that changes its user.
    Foreign,
}

impl Content {
    /// Adds what lies at a path.
    pub fn insert(&mut self, path: impl Into<String>, entry: Entry) {
        self.entries.insert(path.into(), entry);
    }

    /// Adds a file or a link, and the directories on the way to it that are not there yet.
    pub fn insert_with_parents(&mut self, path: &str, entry: Entry) {
        for (end, _) in path.match_indices('/') {
            let parent = self.entries.entry(path[..end].to_owned());
            parent.or_insert(Entry::Directory);
        }
        self.insert(path, entry);
    }

    /// What lies at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The whole text.
    pub fn to_text(&self) -> String {
        self.text_of(|_| true)
    }

    /// The digest of the whole text.
    pub fn digest(&self) -> Sha256 {
        digest(self.to_text())
    }

    /// The digest of the text that a signature covers: without the signature.
    pub fn covered_digest(&self) -> Sha256 {
        digest(self.text_of(|path| !UNCOVERED.contains(&path)))
    }

    /// Reads the whole text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut content = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ' ');
            let (mode, sha256, path) = (parts.next()?, parts.next()?, parts.next()?);
            let sha256 = || sha256.parse::<Sha256>().ok().map(|read| read.to_bytes());
            let file = |is_executable| {
                Some(Entry::File {
                    sha256: sha256()?,
                    is_executable,
                })
            };
            let entry = match mode {
                "040000" => Entry::Directory,
                "100644" => file(false)?,
                "100755" => file(true)?,
                "120000" => Entry::Link { sha256: sha256()? },
                _ => return None,
            };
            content.insert(unescape(path), entry);
        }
        Some(content)
    }

    /// The first thing in which this differs from what it should be.
    pub fn first_difference(&self, expected: &Self) -> Option<String> {
        for (path, entry) in &expected.entries {
            match self.entries.get(path) {
                None => return Some(format!("'{path}' is missing")),
                Some(found) if found != entry => return Some(format!("'{path}' was altered")),
                Some(_) => {}
            }
        }
        let mut added = self.entries.keys();
        let added = added.find(|path| !expected.entries.contains_key(*path))?;
        Some(format!("'{added}' was added"))
    }

    fn text_of(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        let mut text = String::with_capacity(self.entries.len() * 110);
        for (path, entry) in self.entries.iter().filter(|(path, _)| is_wanted(path)) {
            let (mode, sha256) = match entry {
                Entry::Directory => ("040000", None),
                Entry::File {
                    sha256,
                    is_executable: false,
                } => ("100644", Some(sha256)),
                Entry::File { sha256, .. } => ("100755", Some(sha256)),
                Entry::Link { sha256 } => ("120000", Some(sha256)),
                Entry::Foreign => ("000000", None),
            };
            let sha256 = sha256.map(|bytes| Sha256::from_bytes(*bytes).to_string());
            let sha256 = sha256.as_deref().unwrap_or("-");
            let path = escape(path);
            writeln!(text, "{mode} {sha256} {path}").expect("text can be written to");
        }
        text
    }
}

/// The digest of bytes, as entries have it.
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

fn digest(text: String) -> Sha256 {
    Sha256::from_bytes(sha256_of(text.as_bytes()))
}

fn escape(path: &str) -> String {
    match path.contains(['\\', '\n', '\r']) {
        true => path
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r"),
        false => path.to_owned(),
    }
}

fn unescape(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            letter => letter,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(bytes: &[u8], is_executable: bool) -> Entry {
        let sha256 = sha256_of(bytes);
        Entry::File {
            sha256,
            is_executable,
        }
    }

    fn sample() -> Content {
        let mut content = Content::default();
        content.insert_with_parents("lib/a.py", file(b"test", false));
        content.insert_with_parents("run", file(b"foo", true));
        let sha256 = sha256_of(b"bar");
        content.insert("start", Entry::Link { sha256 });
        content
    }

    #[test]
    fn the_text_is_what_other_tools_can_make() {
        let expected = "\
            040000 - lib\n\
            100644 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 lib/a.py\n\
            100755 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae run\n\
            120000 fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 start\n";
        assert_eq!(sample().to_text(), expected);
    }

    #[test]
    fn a_signature_covers_all_but_itself() {
        let plain = sample();
        let mut signed = plain.clone();
        signed.insert_with_parents(STATEMENT_PATH, file(b"who", false));
        signed.insert_with_parents(SIGNATURE_PATH, file(b"proof", false));
        assert_eq!(signed.covered_digest(), plain.covered_digest());
        assert_ne!(signed.digest(), plain.digest());
        signed.insert("META-INF/kiln/other", file(b"x", false));
        assert_ne!(signed.covered_digest(), plain.covered_digest());
    }

    #[test]
    fn differences_are_named() {
        let expected = sample();
        assert_eq!(expected.first_difference(&expected), None);
        for (path, entry, told) in [
            ("run", file(b"foo", false), "'run' was altered"),
            ("lib", file(b"", false), "'lib' was altered"),
            ("new", Entry::Directory, "'new' was added"),
            ("start", Entry::Foreign, "'start' was altered"),
        ] {
            let mut found = sample();
            found.insert(path, entry);
            assert_eq!(found.first_difference(&expected).as_deref(), Some(told));
        }
        let nothing = Content::default();
        let told = nothing.first_difference(&expected);
        assert_eq!(told.as_deref(), Some("'lib' is missing"));
    }

    #[test]
    fn what_is_no_content_is_not_read() {
        for text in [
            "x",
            "100644 - a",
            "100644 abc a",
            "000000 - a",
            "777 - a",
            "040000 -",
        ] {
            assert_eq!(Content::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_reads_back_whatever_paths_are(paths in prop::collection::vec("\\PC{1,9}|[a\\\\\n\r /]{1,6}", 0..9)) {
            let mut content = Content::default();
            for path in paths {
                content.insert(path, file(b"x", true));
            }
            prop_assert_eq!(Content::parse(&content.to_text()), Some(content));
        }
    }
}
