//! What a verb is given to keep: from a file or from stdin, and not from the command line, which every process can read.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Bytes that are read at most; the server takes fewer.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a file, or stdin where none is named. The line break at the end of a text is no part of it, unless told so.
pub(crate) fn read(file: Option<&Path>, is_exact: bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let opened = std::fs::File::open(file);
            let read = opened.and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
            read.with_context(|| format!("read {}", file.display()))?;
        }
        None => {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                eprintln!("Type the value, then Ctrl-D:");
            }
            let read = stdin.lock().take(BYTES_MAX + 1).read_to_end(&mut bytes);
            read.context("read the value from stdin")?;
        }
    }
    ensure!(
        bytes.len() as u64 <= BYTES_MAX,
        "the value is larger than {BYTES_MAX} bytes"
    );
    if !is_exact {
        strip_line_break(&mut bytes);
    }
    Ok(bytes)
}

fn strip_line_break(bytes: &mut Vec<u8>) {
    if std::str::from_utf8(bytes).is_ok() && bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_at_the_end_of_a_text_is_no_part_of_it() {
        for (bytes, expected) in [
            (&b"hunter2\n"[..], &b"hunter2"[..]),
            (b"hunter2\r\n", b"hunter2"),
            (b"two\nlines\n\n", b"two\nlines\n"),
            (b"hunter2", b"hunter2"),
            (b"\xff\n", b"\xff\n"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("value");
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read(Some(&file), false).unwrap(), expected);
            assert_eq!(read(Some(&file), true).unwrap(), bytes);
        }
    }
}
