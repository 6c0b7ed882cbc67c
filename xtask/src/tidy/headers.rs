//! Every crate and every module opens with `//!`: what it is, and where to start reading.

use super::{Complaint, File};

/// Complains about every Rust file that does not say what it is.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .filter(|file| !opens_with_docs(&file.text))
        .map(|file| Complaint::new(&file.path, 1, "opens without `//!`"))
        .collect()
}

/// The first line that is not an inner attribute, an ordinary comment or empty is `//!`.
fn opens_with_docs(text: &str) -> bool {
    text.lines()
        .find(|line| {
            let is_comment = line.starts_with("//") && !line.starts_with("//!");
            !(line.is_empty() || line.starts_with("#!") || is_comment)
        })
        .is_some_and(|line| line.starts_with("//! "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_come_first() {
        assert!(opens_with_docs("//! A thing.\nuse x;\n"));
        assert!(opens_with_docs(
            "// @generated\n#![allow(x)]\n\n//! A thing.\n"
        ));
        assert!(!opens_with_docs("use x;\n//! Late.\n"));
        assert!(!opens_with_docs("/// Of the next item.\nstruct A;\n"));
        assert!(!opens_with_docs(""));
    }

    #[test]
    fn only_rust_is_looked_at() {
        assert_eq!(
            check(&[File::new("a.py", "import x"), File::new("a.rs", "use x;")]).len(),
            1
        );
    }
}
