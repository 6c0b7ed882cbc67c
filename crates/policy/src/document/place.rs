//! Where statements stand in the text of their document.

/// A place in a text: line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where the statement with this index begins, and where it ends: behind its last character. The text is that of a policy.
pub(super) fn statement(text: &str, index: usize) -> Option<(Place, Place)> {
    let bytes = text.as_bytes();
    let value = member(bytes, b"\"Statement\"")?;
    let (start, end) = match bytes.get(value)? {
        b'{' if index == 0 => (value, end(bytes, value)?),
        b'[' => element(bytes, value + 1, index)?,
        _ => return None,
    };
    Some((place(text, start), place(text, end)))
}

/// Where the value of a member of the outermost object begins.
fn member(bytes: &[u8], name: &[u8]) -> Option<usize> {
    let mut at = bytes.iter().position(|byte| *byte == b'{')? + 1;
    loop {
        at = skip(bytes, at, b" \t\r\n,");
        let after = end(bytes, at)?;
        let value = skip(bytes, after, b" \t\r\n:");
        if &bytes[at..after] == name {
            return Some(value);
        }
        at = end(bytes, value)?;
    }
}

/// The element of a list whose first may begin here.
fn element(bytes: &[u8], from: usize, index: usize) -> Option<(usize, usize)> {
    let mut at = skip(bytes, from, b" \t\r\n,");
    for _ in 0..index {
        at = skip(bytes, end(bytes, at)?, b" \t\r\n,");
    }
    Some((at, end(bytes, at)?))
}

fn skip(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.iter().skip(from);
    from + rest.take_while(|byte| what.contains(byte)).count()
}

/// Behind the value that begins here.
fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(at),
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn end_of_text(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn place(text: &str, offset: usize) -> Place {
    let before = &text[..offset];
    let line = before.rsplit('\n').next().unwrap_or_default();
    Place {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, index: usize) -> Option<[usize; 4]> {
        let (start, end) = statement(text, index)?;
        Some([start.line, start.column, end.line, end.column])
    }

    #[test]
    fn statements_are_found_by_their_index() {
        let text = "{\n \"Id\": \"\\\"Statement\\\": [{\",\n \"Statement\": [\n  {\"Sid\": \"a\", \"x\": [1, {}]},\n  \
                    {\"Sid\": \"\u{e9}]}\"}  ]\n}";
        assert_eq!(places(text, 0), Some([4, 3, 4, 29]));
        assert_eq!(places(text, 1), Some([5, 3, 5, 17]));
        assert_eq!(places(text, 2), None);
    }

    #[test]
    fn one_alone_needs_no_list() {
        let text = r#"{"Statement": {"Effect": "Allow"}, "Version": "2012-10-17"}"#;
        assert_eq!(places(text, 0), Some([1, 15, 1, 34]));
        assert_eq!(places(text, 1), None);
        let last = r#"{"Version":"2012-10-17","Statement":[{}]}"#;
        assert_eq!(places(last, 0), Some([1, 38, 1, 40]));
    }

    #[test]
    fn what_is_no_policy_has_no_statements() {
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "{\"Statement\"",
            "{\"Statement\": [",
            "\"",
            "{\"a\": \"\\",
        ] {
            assert_eq!(places(text, 0), None, "{text}");
        }
    }
}
