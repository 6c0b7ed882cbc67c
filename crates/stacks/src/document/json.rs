//! JSON to a document. serde_json knows no places, so the structure is read here; texts and numbers are its to read.

use indexmap::map::Entry;

use super::{Map, Node, Place, Value, not_well_formed};
use crate::error::Error;
use crate::limits::DEPTH_MAX;

pub(super) fn read(text: &str) -> Result<Node, Error> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        line_start: 0,
    };
    let node = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.refused("more after the end"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Error> {
        self.space();
        let place = self.place();
        if depth > DEPTH_MAX {
            let what = format!("more than {DEPTH_MAX} lists and maps inside each other");
            return Err(self.refused(&what));
        }
        let value = match self.peek() {
            Some(b'{') => Value::Map(self.map(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ if self.takes("true") => Value::Bool(true),
            _ if self.takes("false") => Value::Bool(false),
            _ if self.takes("null") => Value::Null,
            _ => return Err(self.refused("a value is missing")),
        };
        Ok(Node { value, place })
    }

    fn map(&mut self, depth: usize) -> Result<Map, Error> {
        let mut map = Map::new();
        self.at += 1;
        self.space();
        if self.takes("}") {
            return Ok(map);
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.refused("a name is missing"));
            }
            let place = self.place();
            let name = self.string()?;
            self.space();
            if !self.takes(":") {
                return Err(self.refused("a colon is missing"));
            }
            let node = self.value(depth + 1)?;
            match map.entry(name) {
                Entry::Occupied(entry) => {
                    let what = format!("\"{}\" is there twice", entry.key());
                    return Err(not_well_formed("JSON", &what, place));
                }
                Entry::Vacant(entry) => entry.insert(node),
            };
            self.space();
            if self.takes("}") {
                return Ok(map);
            }
            if !self.takes(",") {
                return Err(self.refused("a comma or the end of a map is missing"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Error> {
        let mut list = Vec::new();
        self.at += 1;
        self.space();
        if self.takes("]") {
            return Ok(list);
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.space();
            if self.takes("]") {
                return Ok(list);
            }
            if !self.takes(",") {
                return Err(self.refused("a comma or the end of a list is missing"));
            }
        }
    }

    /// A text with its quotes, of which serde_json reads the escapes.
    fn string(&mut self) -> Result<String, Error> {
        let rest = &self.text.as_bytes()[self.at..];
        let mut end = 1;
        loop {
            match rest.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.refused("a text has no end")),
            }
        }
        let quoted = self.text.get(self.at..=self.at + end);
        let read = quoted.and_then(|quoted| serde_json::from_str(quoted).ok());
        let text = read
            .ok_or_else(|| self.refused("a text has an escape or a character that JSON has not"))?;
        self.at += end + 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<String, Error> {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let number = &rest[..end];
        if number.starts_with('+') || !super::scalar::is_number(number) {
            return Err(self.refused("a number that JSON has not"));
        }
        self.at += end;
        Ok(number.to_owned())
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.line_start = self.at;
            }
        }
    }

    fn takes(&mut self, what: &str) -> bool {
        let is_there = self.text.as_bytes()[self.at..].starts_with(what.as_bytes());
        if is_there {
            self.at += what.len();
        }
        is_there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Columns count bytes here: to count characters would cost a walk over the line for each value.
    fn place(&self) -> Place {
        let column = u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX);
        Place {
            line: self.line,
            column,
        }
    }

    fn refused(&self, reason: &str) -> Error {
        not_well_formed("JSON", reason, self.place())
    }
}
