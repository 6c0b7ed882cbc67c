//! Shapes as data: what the service models say of every member of a request.
//!
//! `generated.rs` holds the tables, this module says what they are made of, and
//! [`validate`](super::validate) walks a request beside its table. Lengths are in characters for
//! text, in bytes for blobs and in elements for lists.

use std::sync::OnceLock;

/// A structure and its members, in the model's order.
#[derive(Debug)]
pub(crate) struct Structure {
    /// The members.
    pub(crate) members: &'static [Member],
}

/// One member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name in JSON and in our types.
    pub(crate) name: &'static str,
    /// Where a request carries it.
    pub(crate) at: At,
    /// Whether a request without it is refused.
    pub(crate) required: bool,
    /// What it may hold.
    pub(crate) shape: &'static Shape,
}

/// Where a request carries a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// In the JSON body, or in the form of the query protocol.
    Body,
    /// In the path, under this label.
    Path(&'static str),
    /// In the query string, under this name.
    Query(&'static str),
    /// In this header, in lower case.
    Header(&'static str),
    /// It is the body, as it came.
    Payload,
}

/// What a member may hold.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text, enumerations included.
    Text(Text),
    /// A whole number.
    Integer(Range<i64>),
    /// A number.
    Float(Range<f64>),
    /// A truth value.
    Boolean,
    /// Bytes, as base64 in JSON.
    Blob(Length),
    /// A list.
    List(List),
    /// Keys and values.
    Map(Map),
    /// A structure.
    Structure(&'static Structure),
}

/// Rules for text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) length: Length,
    pub(crate) pattern: Option<&'static Pattern>,
    /// The values of an enumeration; empty when any text will do.
    pub(crate) values: &'static [&'static str],
    /// Whether messages leave the value out.
    pub(crate) sensitive: bool,
}

/// Rules for lists.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) length: Length,
    pub(crate) member: &'static Shape,
    /// Whether AWS's message for a wrong element ends with `Member must not be null`. It does for
    /// most lists; the recordings name the exceptions.
    pub(crate) says_not_null: bool,
}

/// Rules for maps.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) length: Length,
    pub(crate) key: &'static Shape,
    pub(crate) value: &'static Shape,
    /// Whether messages leave the value out.
    pub(crate) sensitive: bool,
}

/// Least and greatest length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    pub(crate) min: Option<u64>,
    pub(crate) max: Option<u64>,
}

/// Least and greatest value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<N> {
    pub(crate) min: Option<N>,
    pub(crate) max: Option<N>,
}

/// A regular expression as AWS writes it, compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: &'static str,
    compiled: OnceLock<fancy_regex::Regex>,
}

/// Text without rules.
pub(crate) static TEXT: Shape = Shape::Text(Text::ANY);
/// A truth value.
pub(crate) static BOOLEAN: Shape = Shape::Boolean;
/// A whole number without bounds.
pub(crate) static INTEGER: Shape = Shape::Integer(Range::ANY);
/// Bytes without rules.
pub(crate) static BLOB: Shape = Shape::Blob(Length::ANY);

impl Length {
    /// Any length.
    pub(crate) const ANY: Self = Self::new(None, None);

    /// Between these two, both included.
    pub(crate) const fn new(min: Option<u64>, max: Option<u64>) -> Self {
        Self { min, max }
    }
}

impl<N: Copy> Range<N> {
    /// Any value.
    pub(crate) const ANY: Self = Self::new(None, None);

    /// Between these two, both included.
    pub(crate) const fn new(min: Option<N>, max: Option<N>) -> Self {
        Self { min, max }
    }
}

impl Text {
    /// Any text.
    pub(crate) const ANY: Self = Self {
        length: Length::ANY,
        pattern: None,
        values: &[],
        sensitive: false,
    };
}

impl Member {
    /// A member that may be left out.
    pub(crate) const fn new(name: &'static str, at: At, shape: &'static Shape) -> Self {
        Self {
            name,
            at,
            required: false,
            shape,
        }
    }

    /// The same, but it must be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The name as AWS writes it in messages: its first letter in lower case.
    pub(crate) fn spoken(&self) -> String {
        let mut letters = self.name.chars();
        match letters.next() {
            Some(first) => first.to_ascii_lowercase().to_string() + letters.as_str(),
            None => String::new(),
        }
    }
}

impl Pattern {
    /// A pattern that is not yet compiled.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            compiled: OnceLock::new(),
        }
    }

    /// As AWS writes it.
    pub(crate) fn as_str(&self) -> &'static str {
        self.text
    }

    /// Whether the whole text matches. A text that makes the engine give up does not: the engine
    /// backtracks for look-arounds and stops after a million steps.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex().is_match(text).unwrap_or(false)
    }

    fn regex(&self) -> &fancy_regex::Regex {
        self.compiled.get_or_init(|| {
            // AWS's services are Java: there \d and \w are ASCII, and a match is of the whole text.
            let ascii = self
                .text
                .replace(r"\d", "[0-9]")
                .replace(r"\w", "[0-9A-Za-z_]");
            fancy_regex::Regex::new(&format!(r"\A(?:{ascii})\z"))
                .expect("a test compiles every pattern of the tables")
        })
    }
}

impl Shape {
    /// Every pattern below this shape, for the test that compiles them.
    #[cfg(test)]
    pub(crate) fn patterns(&self) -> Vec<&'static Pattern> {
        match self {
            Shape::Text(text) => text.pattern.into_iter().collect(),
            Shape::List(list) => list.member.patterns(),
            Shape::Map(map) => [map.key.patterns(), map.value.patterns()].concat(),
            Shape::Structure(structure) => structure.patterns(),
            Shape::Integer(_) | Shape::Float(_) | Shape::Boolean | Shape::Blob(_) => Vec::new(),
        }
    }
}

impl Structure {
    /// Every pattern below this structure, for the test that compiles them.
    #[cfg(test)]
    pub(crate) fn patterns(&self) -> Vec<&'static Pattern> {
        self.members
            .iter()
            .flat_map(|member| member.shape.patterns())
            .collect()
    }
}
