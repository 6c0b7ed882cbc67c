//! Deployment packages made from text in the test.

use std::io::{Cursor, Write as _};

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
