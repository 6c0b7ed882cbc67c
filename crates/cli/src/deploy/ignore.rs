//! Which files of a directory stay out of its package.
//!
//! `.kilnignore` holds one pattern a line, a subset of git's: `*` and `?` match within a name, a
//! pattern with a `/` before its end is anchored at the top, a `/` at the end means directories
//! only, `#` starts a comment. There is no `!` and no `**`.

use std::path::Path;

use anyhow::{Context, Result, bail};

const FILE_NAME: &str = ".kilnignore";
/// Never code. `node_modules` is not here: it is what a Node function needs to run.
const ALWAYS: &[&str] = &[
    ".git/",
    "__pycache__/",
    "*.pyc",
    ".venv/",
    ".DS_Store",
    FILE_NAME,
    ".pytest_cache/",
];

/// The patterns of one directory.
#[derive(Debug)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    anchored: bool,
    directories_only: bool,
}

impl Ignore {
    /// The patterns that always hold and those in the directory's `.kilnignore`.
    pub(super) fn of_directory(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).with_context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(""),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut patterns: Vec<Pattern> = ALWAYS.iter().map(|text| Pattern::new(text)).collect();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('!') || line.contains("**") {
                bail!("'{line}': patterns with ! or ** are not supported");
            }
            patterns.push(Pattern::new(line));
        }
        Ok(Self { patterns })
    }

    /// Whether the file or directory at this path inside the package stays out.
    pub(super) fn leaves_out(&self, path: &str, is_dir: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.patterns.iter().any(|pattern| {
            let subject = if pattern.anchored { path } else { name };
            (is_dir || !pattern.directories_only)
                && matches(pattern.text.as_bytes(), subject.as_bytes())
        })
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let body = text.trim_end_matches('/');
        Self {
            text: body.trim_start_matches('/').to_owned(),
            anchored: body.contains('/'),
            directories_only: text.ends_with('/'),
        }
    }
}

/// Goes back to the last `*` when a byte does not fit: linear in practice, quadratic at worst.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') if text[t] != b'/' => (p, t) = (p + 1, t + 1),
            Some(byte) if *byte == text[t] && *byte != b'?' => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((star_p, star_t)) if text[star_t] != b'/' => {
                    star = Some((star_p, star_t + 1));
                    (p, t) = (star_p + 1, star_t + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_anywhere_and_paths_from_the_top() {
        let ignore =
            Ignore::parse("# comment\n*.md\nbuild/\n/data.json\ndocs/*.txt\nlog?\n").unwrap();
        for (path, is_dir) in [
            ("README.md", false),
            ("lib/notes.md", false),
            ("build", true),
            ("lib/build", true),
            ("data.json", false),
            ("docs/a.txt", false),
            ("log1", false),
            ("__pycache__", true),
            ("a/b/.venv", true),
            (".git", true),
        ] {
            assert!(ignore.leaves_out(path, is_dir), "{path} stays in");
        }
        for (path, is_dir) in [
            ("README.mdx", false),
            ("build", false),
            ("lib/data.json", false),
            ("docs/deep/a.txt", false),
            ("log", false),
            ("log12", false),
            ("node_modules", true),
            ("app.py", false),
        ] {
            assert!(!ignore.leaves_out(path, is_dir), "{path} stays out");
        }
    }

    #[test]
    fn star_backtracks() {
        assert!(matches(b"*a*b", b"xaxbxb"));
        assert!(!matches(b"*a*b", b"xaxbx"));
        assert!(matches(b"*", b""));
        assert!(!matches(b"a", b""));
    }

    #[test]
    fn pattern_that_would_be_misread_is_refused() {
        assert!(Ignore::parse("!keep.py").is_err());
        assert!(Ignore::parse("a/**/b").is_err());
    }
}
