//! The documents are there, and what they name exists.

use super::{Complaint, File};

/// What every checkout must have, with a text it must contain.
const PRESENT: &[(&str, &str)] = &[
    ("README.md", "# "),
    ("README.zh-CN.md", "# "),
    ("ARCHITECTURE.md", "# "),
    ("CONTRIBUTING.md", "# "),
    ("SECURITY.md", "# "),
    ("CHANGELOG.md", "## [Unreleased]"),
    ("LICENSE", "Apache License"),
];
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const ARCHITECTURE_LINES_MAX: usize = 250;
/// Endings that make a code span a file.
const ENDINGS: [&str; 7] = [".rs", ".py", ".md", ".toml", ".sh", ".txt", "/"];

/// Complains about missing documents, names of files that do not exist, and dead links.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, needle) in PRESENT {
        match files.iter().find(|file| file.path == *path) {
            None => complaints.push(Complaint::new(path, 0, "is missing")),
            Some(file) if !file.text.contains(needle) => {
                complaints.push(Complaint::new(path, 0, format!("has no `{needle}`")));
            }
            Some(_) => {}
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        complaints.extend(dead_links(file, files));
        if file.path == ARCHITECTURE {
            complaints.extend(missing_files(file, files));
            if file.text.lines().count() > ARCHITECTURE_LINES_MAX {
                let what = format!("more than {ARCHITECTURE_LINES_MAX} lines");
                complaints.push(Complaint::new(ARCHITECTURE, 0, what));
            }
        }
    }
    complaints
}

/// Code spans that look like a file of the repository and are none.
fn missing_files(file: &File, files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2) {
            let is_path = span.contains('/')
                && ENDINGS.iter().any(|ending| span.ends_with(ending))
                && !span.starts_with('/')
                && !span.contains([' ', '<', '*', '{', ':', '$']);
            if is_path && !exists(span, files) {
                complaints.push(Complaint::new(
                    &file.path,
                    index + 1,
                    format!("no file `{span}`"),
                ));
            }
        }
    }
    complaints
}

/// A path from the root, or from a crate: `gateway/auth/sigv4.rs` is
/// `crates/gateway/src/auth/sigv4.rs`.
fn exists(path: &str, files: &[File]) -> bool {
    let of_crate = path.split_once('/').map(|(name, rest)| {
        (
            format!("crates/{name}/src/{rest}"),
            format!("crates/{name}/{rest}"),
        )
    });
    let is = |wanted: &str| {
        files.iter().any(|file| match wanted.strip_suffix('/') {
            Some(folder) => {
                file.path.starts_with(folder) && file.path[folder.len()..].starts_with('/')
            }
            None => file.path == wanted,
        })
    };
    is(path) || of_crate.is_some_and(|(source, other)| is(&source) || is(&other))
}

/// Relative links that lead nowhere.
fn dead_links(file: &File, files: &[File]) -> Vec<Complaint> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let path = resolve(folder, link);
            let folder_path = format!("{}/", path.trim_end_matches('/'));
            if !path.is_empty()
                && !exists_exactly(&path, files)
                && !exists_exactly(&folder_path, files)
            {
                complaints.push(Complaint::new(
                    &file.path,
                    index + 1,
                    format!("dead link `{link}`"),
                ));
            }
        }
    }
    complaints
}

fn exists_exactly(path: &str, files: &[File]) -> bool {
    match path.ends_with('/') {
        true => files.iter().any(|file| file.path.starts_with(path)),
        false => files.iter().any(|file| file.path == path),
    }
}

fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<File> {
        vec![
            File::new("crates/gateway/src/auth/sigv4.rs", ""),
            File::new("docs/guide/start.md", ""),
            File::new("script/run", ""),
        ]
    }

    #[test]
    fn architecture_names_only_files_that_exist() {
        let text = "`gateway/auth/sigv4.rs` `crates/gateway/` `docs/guide/` `/var/task/` `POST /x`";
        assert_eq!(missing_files(&File::new(ARCHITECTURE, text), &files()), []);
        let gone = File::new(ARCHITECTURE, "first\n`gateway/auth/sigv5.rs`");
        assert_eq!(missing_files(&gone, &files())[0].line, 2);
    }

    #[test]
    fn links_lead_somewhere() {
        let good = File::new(
            "docs/how-to/a.md",
            "[a](../guide/start.md#x) [b](https://x.y) [c](#z)",
        );
        assert_eq!(dead_links(&good, &files()), []);
        let folder = File::new("README.md", "[a](docs/guide) [b](script/run)");
        assert_eq!(dead_links(&folder, &files()), []);
        assert_eq!(
            dead_links(&File::new("README.md", "[a](docs/gone.md)"), &files()).len(),
            1
        );
    }

    #[test]
    fn a_missing_document_is_a_complaint() {
        let complaints = check(&[File::new("CHANGELOG.md", "# Changelog")]);
        assert!(
            complaints
                .iter()
                .any(|complaint| complaint.what == "has no `## [Unreleased]`")
        );
        assert!(
            complaints
                .iter()
                .any(|complaint| complaint.path == "ARCHITECTURE.md")
        );
    }
}
