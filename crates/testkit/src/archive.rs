//! Deployment packages made from text in the test.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;

/// A zip with these files, readable by everybody.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    pack(files, 0o644)
}

/// A zip with these files, which everybody may execute.
pub fn programs(files: &[(&str, &[u8])]) -> Vec<u8> {
    pack(files, 0o755)
}

fn pack(files: &[(&str, &[u8])], mode: u32) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(mode);
        writer
            .start_file(*name, options)
            .expect("a name of a test is a name in a zip");
        writer.write_all(content).expect("memory takes every byte");
    }
    writer
        .finish()
        .expect("memory takes every byte")
        .into_inner()
}

/// A zip with one Python file, `index.py`.
pub fn python(source: &str) -> Vec<u8> {
    zip(&[("index.py", source.as_bytes())])
}

/// A zip with everything below these folders; what stands in an earlier one wins.
pub fn folders(folders: &[&Path]) -> Vec<u8> {
    let mut files = BTreeMap::new();
    for folder in folders {
        collect(folder, folder, &mut files);
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    zip(&files)
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    let entries = std::fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("read {}: {error}", folder.display())) {
        let path = entry.expect("a folder can be read to its end").path();
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let name = path.strip_prefix(root).expect("it was found there");
        let name = name.to_str().expect("names are UTF-8").to_owned();
        let content = std::fs::read(&path);
        let content = content.unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        files.entry(name).or_insert(content);
    }
}
