//! A reader of JSON, token by token, that knows where it is.
//!
//! AWS's answers name the line and column at which its reader stood. Clients show them and people compare them, so
//! this one stands where that one does: behind the token, but only behind the opening quote of a string nobody
//! has asked for; and behind the start of the value once the name of a field is read.

use super::Error;

/// How much of a source an error shows.
const SHOWN_MAX: usize = 500;
/// Deeper is refused: whoever reads the tokens recurses, and serde_json goes little deeper.
const DEPTH_MAX: usize = 100;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Name(String),
    String(String),
    /// As written.
    Number(String),
    True,
    False,
    Null,
}

/// Reads the tokens of one text.
pub(super) struct Reader<'a> {
    source: &'a str,
    chars: Vec<char>,
    /// The next character to read.
    next: usize,
    /// Where AWS's reader would say it is.
    shown: usize,
    /// Open objects (true) and arrays.
    open: Vec<bool>,
    /// A value that was read together with the name before it.
    pending: Option<(Token, usize)>,
    is_first: bool,
}

impl Token {
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// As AWS shows it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::ObjectStart => "{",
            Self::ObjectEnd => "}",
            Self::ArrayStart => "[",
            Self::ArrayEnd => "]",
            Self::Name(text) | Self::String(text) | Self::Number(text) => text,
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            chars: source.chars().collect(),
            next: 0,
            shown: 0,
            open: vec![],
            pending: None,
            is_first: true,
        }
    }

    /// The next token.
    pub(super) fn token(&mut self) -> Result<Token, Error> {
        if let Some((token, shown)) = self.pending.take() {
            self.shown = shown;
            return Ok(token);
        }
        let must_be_more = self.separator()?;
        let in_object = self.open.last() == Some(&true);
        if in_object && (must_be_more || self.peek() != Some('}')) {
            return self.name();
        }
        let may_end = !self.open.is_empty() && !must_be_more;
        let (token, shown) = self.value(may_end)?;
        self.shown = shown;
        Ok(token)
    }

    /// Makes sure that nothing follows. AWS differs: it does not look.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.skip_space();
        match self.peek() {
            Some(_) => Err(self.unexpected("was expecting the end")),
            None => Ok(()),
        }
    }

    /// Says that the text of the string just read was looked at.
    pub(super) fn looked(&mut self) {
        if self.pending.is_none() {
            self.shown = self.next;
        }
    }

    /// An error at this place.
    pub(super) fn error(&self, reason: impl AsRef<str>) -> Error {
        self.error_at(reason.as_ref(), self.shown)
    }

    fn error_at(&self, reason: &str, place: usize) -> Error {
        let before = &self.chars[..place.min(self.chars.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        let mut shown: String = self.source.chars().take(SHOWN_MAX).collect();
        shown.push('"');
        let rest = self.chars.len().saturating_sub(SHOWN_MAX);
        if rest > 0 {
            shown.push_str(&format!("[truncated {rest} chars]"));
        }
        Error(format!(
            "{reason}\n at [Source: (String)\"{shown}; line: {line}, column: {column}]"
        ))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next += 1;
        }
    }

    /// Skips space, and the comma where one must be. Whether something must follow it.
    fn separator(&mut self) -> Result<bool, Error> {
        self.skip_space();
        let is_first = std::mem::replace(&mut self.is_first, false);
        let Some(is_object) = self.open.last().copied() else {
            return Ok(false);
        };
        let close = if is_object { '}' } else { ']' };
        match self.peek() {
            Some(c) if c == close || is_first => Ok(false),
            Some(',') => {
                self.next += 1;
                self.skip_space();
                Ok(true)
            }
            Some(_) => {
                let kind = if is_object { "Object" } else { "Array" };
                Err(self.unexpected(&format!("was expecting comma to separate {kind} entries")))
            }
            None => Err(self.ended()),
        }
    }

    fn name(&mut self) -> Result<Token, Error> {
        match self.peek() {
            Some('"') => {}
            Some(_) => {
                return Err(self.unexpected("was expecting double-quote to start field name"));
            }
            None => return Err(self.ended()),
        }
        let name = self.string()?;
        self.skip_space();
        match self.peek() {
            Some(':') => self.next += 1,
            Some(_) => {
                let what = "was expecting a colon to separate field name and value";
                return Err(self.unexpected(what));
            }
            None => return Err(self.ended()),
        }
        self.skip_space();
        let (value, shown) = self.value(false)?;
        self.shown = shown;
        self.pending = Some((value, shown));
        Ok(Token::Name(name))
    }

    /// A value or an end, and where AWS's reader would be after it.
    fn value(&mut self, may_end: bool) -> Result<(Token, usize), Error> {
        let token = match self.peek() {
            None => return Err(self.ended()),
            Some('"') => {
                let shown = self.next + 1;
                return Ok((Token::String(self.string()?), shown));
            }
            Some('{') => self.opened(true)?,
            Some('[') => self.opened(false)?,
            Some('}') if may_end => self.closed(true)?,
            Some(']') if may_end => self.closed(false)?,
            Some('-' | '0'..='9') => self.number()?,
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => self.word()?,
            Some(_) => {
                let what = "expected a valid value (JSON String, Number, Array, Object or token \
                            'null', 'true' or 'false')";
                return Err(self.unexpected(what));
            }
        };
        Ok((token, self.next))
    }

    fn opened(&mut self, is_object: bool) -> Result<Token, Error> {
        self.next += 1;
        if self.open.len() == DEPTH_MAX {
            let what = format!("Depth exceeds the maximum allowed ({DEPTH_MAX})");
            return Err(self.error_at(&what, self.next));
        }
        self.open.push(is_object);
        self.is_first = true;
        Ok(if is_object {
            Token::ObjectStart
        } else {
            Token::ArrayStart
        })
    }

    fn closed(&mut self, is_object: bool) -> Result<Token, Error> {
        if self.open.last() != Some(&is_object) {
            let (found, wanted) = if is_object { ('}', ']') } else { (']', '}') };
            let kind = if is_object { "Array" } else { "Object" };
            let what =
                format!("Unexpected close marker '{found}': expected '{wanted}' (for {kind})");
            return Err(self.error_at(&what, self.next));
        }
        self.open.pop();
        self.next += 1;
        self.is_first = false;
        Ok(if is_object {
            Token::ObjectEnd
        } else {
            Token::ArrayEnd
        })
    }

    fn number(&mut self) -> Result<Token, Error> {
        let start = self.next;
        while matches!(self.peek(), Some('0'..='9' | '+' | '-' | '.' | 'e' | 'E')) {
            self.next += 1;
        }
        let text: String = self.chars[start..self.next].iter().collect();
        match serde_json::from_str::<serde_json::Number>(&text) {
            Ok(_) => Ok(Token::Number(text)),
            Err(_) => Err(self.error_at("Invalid numeric value", self.next)),
        }
    }

    fn word(&mut self) -> Result<Token, Error> {
        let start = self.next;
        while self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
        {
            self.next += 1;
        }
        let word: String = self.chars[start..self.next].iter().collect();
        match word.as_str() {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.error_at(
                &format!(
                    "Unrecognized token '{word}': was expecting (JSON String, Number, Array, \
                     Object or token 'null', 'true' or 'false')"
                ),
                self.next,
            )),
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let start = self.next;
        self.next += 1;
        loop {
            match self.peek() {
                None => {
                    let what =
                        "Unexpected end-of-input: was expecting closing quote for a string value";
                    return Err(self.error_at(what, self.next));
                }
                Some('"') => break,
                Some('\\') => self.next += 2,
                Some(c) if c < ' ' => {
                    let what = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {})): has to be escaped \
                         using backslash to be included in string value",
                        c as u32
                    );
                    return Err(self.error_at(&what, self.next + 1));
                }
                Some(_) => self.next += 1,
            }
        }
        self.next += 1;
        let text: String = self.chars[start..self.next].iter().collect();
        serde_json::from_str(&text)
            .map_err(|_| self.error_at("Unrecognized character escape", self.next))
    }

    /// AWS's reader has not moved past a character that it did not expect where a name or an end must be, and
    /// has past any other.
    fn unexpected(&self, what: &str) -> Error {
        let c = self.peek().unwrap_or(' ');
        let reason = format!("Unexpected character ('{c}' (code {})): {what}", c as u32);
        self.error_at(&reason, self.next)
    }

    fn ended(&self) -> Error {
        let within = match self.open.last() {
            Some(true) => "expected close marker for Object",
            Some(false) => "expected close marker for Array",
            None => "no content to map",
        };
        self.error_at(&format!("Unexpected end-of-input: {within}"), self.next)
    }
}
