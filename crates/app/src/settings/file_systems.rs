//! Directories that functions may mount.

use std::path::PathBuf;

use kiln_types::FileSystem;

/// Reads `NAME=DIR` and `NAME=DIR:ro`.
pub(super) fn file_system(text: &str) -> Result<(String, FileSystem), String> {
    let (name, dir) = text
        .split_once('=')
        .filter(|(name, dir)| !name.is_empty() && dir.starts_with('/'))
        .ok_or_else(|| format!("'{text}' is not NAME=DIR or NAME=DIR:ro with an absolute path"))?;
    let (dir, is_read_only) = match dir.strip_suffix(":ro") {
        Some(dir) => (dir, true),
        None => (dir, false),
    };
    let dir = PathBuf::from(dir);
    Ok((name.to_owned(), FileSystem { dir, is_read_only }))
}
