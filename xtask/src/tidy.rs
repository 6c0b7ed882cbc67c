//! `cargo xtask tidy`: keeps true what no compiler sees.
//!
//! Each rule is a function from the files to its complaints; a rule never repairs anything.

mod documents;
mod edges;
mod headers;
mod lengths;
mod words;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::step::{self, root};

/// One file of the repository, as text.
#[derive(Debug)]
pub(crate) struct File {
    /// From the repository's root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Something a rule found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    path: String,
    /// From 1; 0 is the file as a whole.
    line: usize,
    what: String,
}

impl Complaint {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl File {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Written by `cargo xtask generate`, so the rules for writers do not hold.
    fn is_generated(&self) -> bool {
        self.path.ends_with("/generated.rs") || self.path == "Cargo.lock"
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Runs every rule and prints every complaint before it fails.
pub(crate) fn run() -> anyhow::Result<()> {
    step::timed("tidy", || {
        let files = files()?;
        let exceptions = std::fs::read_to_string(root().join(lengths::EXCEPTIONS))
            .with_context(|| format!("read {}", lengths::EXCEPTIONS))?;
        let mut complaints = edges::check(&step::metadata()?)?;
        complaints.extend(lengths::check(&files, &exceptions));
        complaints.extend(headers::check(&files));
        complaints.extend(words::check(&files));
        complaints.extend(documents::check(&files));
        for Complaint { path, line, what } in &complaints {
            match line {
                0 => eprintln!("{path}: {what}"),
                _ => eprintln!("{path}:{line}: {what}"),
            }
        }
        if !complaints.is_empty() {
            bail!("{} complaints", complaints.len());
        }
        eprintln!("{} files", files.len());
        Ok(())
    })
}

/// Every text file that git knows or would take.
fn files() -> anyhow::Result<Vec<File>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(root())
        .output()
        .context("run git ls-files")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let list = String::from_utf8(output.stdout).context("file names are UTF-8")?;
    Ok(list
        .split_terminator('\0')
        .filter_map(|path| read(root(), path))
        .collect())
}

/// `None` for what is gone, is a link, or is not text.
fn read(root: &Path, path: &str) -> Option<File> {
    let full = root.join(path);
    if !full.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(full).ok()?;
    Some(File {
        path: path.to_owned(),
        text,
    })
}
