//! The part of a logical id that changes when what it names does.

use std::fmt::Write as _;

use serde_json::Value as Json;
use sha1::{Digest as _, Sha1};

/// Ten digits of the SHA-1 of a value, written as SAM's translator writes it: compact, names sorted, in ASCII.
pub(super) fn of(value: &Json) -> String {
    let mut text = String::new();
    write(value, &mut text);
    let digest = Sha1::digest(text.as_bytes());
    let mut digits = String::new();
    for byte in digest.iter().take(5) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn write(value: &Json, to: &mut String) {
    match value {
        Json::Array(list) => {
            to.push('[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write(value, to);
            }
            to.push(']');
        }
        Json::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort_unstable();
            to.push('{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write_text(name, to);
                to.push(':');
                write(&map[name], to);
            }
            to.push('}');
        }
        Json::String(text) => write_text(text, to),
        other => to.push_str(&other.to_string()),
    }
}

fn write_text(text: &str, to: &mut String) {
    for c in Json::from(text).to_string().chars() {
        if c.is_ascii() {
            to.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(to, "\\u{unit:04x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_hashed_as_sams_translator_does() {
        let code = json!({"S3Key": "k.zip", "S3Bucket": "b", "Variables": {"B": "y", "A": "x"}, "MemorySize": 256});
        assert_eq!(of(&code), "775a3e0131");
        let mut text = String::new();
        write(&json!({"é": [1, "😀", true]}), &mut text);
        assert_eq!(text, r#"{"\u00e9":[1,"\ud83d\ude00",true]}"#);
    }
}
