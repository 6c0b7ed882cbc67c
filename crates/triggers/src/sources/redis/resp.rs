//! Redis' protocol (RESP2, "Redis serialization protocol specification"): commands to the server and its answers.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::source::Trouble;

/// How deep answers stand in answers; those asked for here are four deep.
const DEPTH_MAX: u32 = 8;
/// What one answer may take. It is in memory as a whole.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest line of a header or a simple text.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Number(i64),
    /// `+OK`, or bytes.
    Bytes(Bytes),
    Error(String),
    List(Vec<Value>),
}

/// Why no answer can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not there as a whole.
    More,
    /// It is larger than any may be.
    TooLarge,
    Broken,
}

/// A command as the server reads it.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        text.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        text.extend_from_slice(word);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// Takes an answer from the front, if it is there as a whole.
pub(super) fn take(inbox: &mut BytesMut) -> Result<Value, Unread> {
    // Finding where it ends costs a look at each header; nothing is copied before.
    let mut end = 0;
    skip(inbox, &mut end, 0)?;
    let mut answer = inbox.split_to(end).freeze();
    read(&mut answer)
}

fn skip(from: &[u8], at: &mut usize, depth: u32) -> Result<(), Unread> {
    if depth > DEPTH_MAX {
        return Err(Unread::Broken);
    }
    if *at > ANSWER_BYTES_MAX {
        return Err(Unread::TooLarge);
    }
    let line = line(from.get(*at..).unwrap_or_default())?;
    *at += line.len() + 2;
    match line.first() {
        Some(b'+' | b'-' | b':') => Ok(()),
        Some(b'$') => {
            if let Some(length) = length(line)? {
                *at = at.saturating_add(length).saturating_add(2);
            }
            match *at {
                end if end > ANSWER_BYTES_MAX => Err(Unread::TooLarge),
                end if end > from.len() => Err(Unread::More),
                _ => Ok(()),
            }
        }
        Some(b'*') => {
            for _ in 0..length(line)?.unwrap_or(0) {
                skip(from, at, depth + 1)?;
            }
            Ok(())
        }
        _ => Err(Unread::Broken),
    }
}

fn read(answer: &mut Bytes) -> Result<Value, Unread> {
    let header = line(answer)?.len();
    let line = answer.split_to(header);
    answer.advance(2);
    let text = || String::from_utf8_lossy(&line[1..]).into_owned();
    Ok(match line.first() {
        Some(b'+') => Value::Bytes(line.slice(1..)),
        Some(b'-') => Value::Error(text()),
        Some(b':') => Value::Number(text().parse().map_err(|_| Unread::Broken)?),
        Some(b'$') => match length(&line)? {
            Some(length) => {
                let bytes = answer.split_to(length);
                answer.advance(2);
                Value::Bytes(bytes)
            }
            None => Value::Null,
        },
        _ => match length(&line)? {
            Some(count) => {
                // What it says is no reason to make room for so many.
                let values = (0..count).map(|_| read(answer));
                Value::List(values.collect::<Result<_, _>>()?)
            }
            None => Value::Null,
        },
    })
}

fn line(from: &[u8]) -> Result<&[u8], Unread> {
    match from
        .windows(2)
        .take(LINE_BYTES_MAX)
        .position(|pair| pair == b"\r\n")
    {
        Some(end) => Ok(&from[..end]),
        None if from.len() > LINE_BYTES_MAX => Err(Unread::Broken),
        None => Err(Unread::More),
    }
}

/// What a header says: how long, or that there is nothing.
fn length(line: &[u8]) -> Result<Option<usize>, Unread> {
    let text = std::str::from_utf8(&line[1..]).map_err(|_| Unread::Broken)?;
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(length) => usize::try_from(length)
            .map(Some)
            .map_err(|_| Unread::Broken),
        Err(_) => Err(Unread::Broken),
    }
}

impl Value {
    /// Its bytes, if it has any.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Its text.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Its parts; none of what is no list.
    pub(super) fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            _ => &[],
        }
    }

    /// What stands behind this name in a list of names and values.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        let (pairs, _) = self.list().as_chunks::<2>();
        let found = pairs.iter().find(|[key, _]| key.text() == Some(name));
        found.map(|[_, value]| value)
    }
}

impl From<Unread> for Trouble {
    fn from(unread: Unread) -> Self {
        Trouble::new(match unread {
            Unread::More => "Connection error. the server closed the connection".to_owned(),
            Unread::Broken => {
                "Connection error. what answers is no Redis or Valkey server".to_owned()
            }
            Unread::TooLarge => format!(
                "an entry is too large to be heard of: {ANSWER_BYTES_MAX} bytes are read at most"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(text: &[u8]) -> Result<Value, Unread> {
        take(&mut BytesMut::from(text))
    }

    #[test]
    fn answers_are_read_as_a_whole_or_waited_for() {
        let whole = b"*3\r\n$2\r\nab\r\n*-1\r\n*2\r\n:-7\r\n+OK\r\n-ERR no\r\n";
        let mut inbox = BytesMut::from(&whole[..]);
        let bytes = |text: &'static [u8]| Value::Bytes(Bytes::from_static(text));
        let inner = Value::List(vec![Value::Number(-7), bytes(b"OK")]);
        let expected = Value::List(vec![bytes(b"ab"), Value::Null, inner]);
        assert_eq!(take(&mut inbox), Ok(expected));
        assert_eq!(take(&mut inbox), Ok(Value::Error("ERR no".to_owned())));
        assert_eq!(take(&mut inbox), Err(Unread::More));
        for end in 0..whole.len() - 9 {
            assert_eq!(taken(&whole[..end]), Err(Unread::More), "{end}");
        }
        assert_eq!(taken(b"$99999999999\r\n"), Err(Unread::TooLarge));
        assert_eq!(taken(b"HTTP/1.1 400\r\n"), Err(Unread::Broken));
        assert_eq!(
            command(&[b"GET", b"a\r\n"]),
            b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "[*$:+\\-\r\n0-9a]{0,60}") {
            let mut inbox = BytesMut::from(text.as_bytes());
            while take(&mut inbox).is_ok() {}
        }
    }
}
