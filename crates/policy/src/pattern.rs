//! Texts with `*`, `?` and variables in them: what actions, resources and values of conditions are matched by.

use crate::context::Context;
use crate::variables::{self, Placeholder, Variable};

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Letter by letter; a variable counts.
    Exact,
    /// `*` is any text, `?` any character.
    Wildcards,
    /// An ARN of the `Resource` element: before the fifth colon `?` and a `*` inside a segment stay in their segment, and a `*`
    /// that ends a segment goes on over colons; what follows is free.
    ///
    /// "If the * wildcard is the last character of a resource ARN segment, it can expand to match beyond the colon
    /// boundaries" (IAM user guide, "Resource").
    Resource,
    /// An ARN of a condition: each of the six parts is compared on its own (IAM user guide, "ARN condition operators").
    Arn,
}

/// What came of comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Yes,
    No,
    /// A variable has no value, so that the whole statement does not apply.
    Unresolved,
}

/// A text to match by, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Box<[Part]>,
    has_variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Variable(Variable),
    /// Any text.
    Any,
    /// Any text without a colon.
    AnyWithin,
    /// Any character.
    One,
    /// Any character but a colon.
    OneWithin,
}

/// The colons before the last part of an ARN.
const COLONS_OF_ARN: usize = 5;

/// Whether a whole text fits a pattern, in which `*` is any text, `?` any character and nothing a variable.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let pattern = Pattern::read(pattern, Syntax::Wildcards, false);
    pattern.matches(text, &Context::new()) == Outcome::Yes
}

impl Pattern {
    /// Whether it has variables.
    pub(crate) fn has_variables(&self) -> bool {
        self.has_variables
    }

    /// Reads a text. In a resource's ARN variables stand after the fifth colon only, as on AWS; before, they are text.
    pub(crate) fn read(text: &str, syntax: Syntax, has_variables: bool) -> Self {
        let mut reader = Reader::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let is_in_segment =
                matches!(syntax, Syntax::Resource | Syntax::Arn) && reader.colons < COLONS_OF_ARN;
            let may_be_variable = has_variables && !(is_in_segment && syntax == Syntax::Resource);
            if may_be_variable && let Some((placeholder, length)) = variables::read(rest) {
                reader.placeholder(placeholder);
                rest = &rest[length..];
                continue;
            }
            let wild = syntax != Syntax::Exact;
            match c {
                '*' if wild => {
                    let after = rest.trim_start_matches('*');
                    let ends_segment = after.is_empty() || after.starts_with(':');
                    let goes_on = syntax == Syntax::Resource && ends_segment;
                    reader.part(if is_in_segment && !goes_on {
                        Part::AnyWithin
                    } else {
                        Part::Any
                    });
                    rest = after;
                    continue;
                }
                '?' if wild && is_in_segment => reader.part(Part::OneWithin),
                '?' if wild => reader.part(Part::One),
                c => reader.character(c),
            }
            rest = &rest[c.len_utf8()..];
        }
        reader.finish()
    }

    /// Whether there is nothing in it but one `*`.
    pub(crate) fn is_anything(&self) -> bool {
        matches!(*self.parts, [Part::Any])
    }

    /// Whether a whole text matches. The work is the product of both lengths at most: a literal after a `*` is searched for, and
    /// only the last `*` is ever widened, which is enough, since the earliest place for what follows it leaves the most.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> Outcome {
        if self.is_unresolved(context) {
            return Outcome::Unresolved;
        }
        if self.may_begin(text) && Walk::new(&self.parts, text, context).run() {
            Outcome::Yes
        } else {
            Outcome::No
        }
    }

    /// Whether a text is this one in any case; for patterns without wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context) -> Outcome {
        if self.is_unresolved(context) {
            return Outcome::Unresolved;
        }
        let own = self.parts.iter().filter_map(|part| part.text(context));
        let own = own.flat_map(str::chars).flat_map(char::to_lowercase);
        if own.eq(text.chars().flat_map(char::to_lowercase)) {
            Outcome::Yes
        } else {
            Outcome::No
        }
    }

    /// Whether two bytes of the text are those that it must begin with. Most patterns that are asked are of another
    /// service or resource, which this tells without a call.
    #[inline]
    fn may_begin(&self, text: &str) -> bool {
        let Some(Part::Text(first)) = self.parts.first() else {
            return true;
        };
        let (first, text) = (first.as_bytes(), text.as_bytes());
        let last = first.len() - 1;
        text.len() > last && text[0] == first[0] && text[last] == first[last]
    }

    #[inline]
    fn is_unresolved(&self, context: &Context) -> bool {
        let is_open = |part: &Part| match part {
            Part::Variable(variable) => variable.resolve(context).is_none(),
            _ => false,
        };
        self.has_variables && self.parts.iter().any(is_open)
    }
}

impl Part {
    /// The text that it stands for, unless it is a wildcard.
    fn text<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Variable(variable) => variable.resolve(context),
            Self::Any | Self::AnyWithin | Self::One | Self::OneWithin => None,
        }
    }
}

/// Collects parts, neighbouring characters as one text.
#[derive(Default)]
struct Reader {
    parts: Vec<Part>,
    text: String,
    colons: usize,
    has_variables: bool,
}

impl Reader {
    fn character(&mut self, c: char) {
        self.colons += usize::from(c == ':');
        self.text.push(c);
    }

    fn placeholder(&mut self, placeholder: Placeholder) {
        match placeholder {
            Placeholder::Character(c) => self.character(c),
            Placeholder::Variable(variable) => {
                self.has_variables = true;
                self.part(Part::Variable(variable));
            }
        }
    }

    fn part(&mut self, part: Part) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.parts.push(Part::Text(text.into()));
        }
        self.parts.push(part);
    }

    fn finish(mut self) -> Pattern {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(self.text.into()));
        }
        Pattern {
            parts: self.parts.into(),
            has_variables: self.has_variables,
        }
    }
}

/// One comparison under way: the next part, what is left of the text, and the wildcards that can still take more.
struct Walk<'a> {
    parts: &'a [Part],
    context: &'a Context,
    part: usize,
    rest: &'a str,
    /// The part after the last [`Part::Any`], and where it was tried.
    any: Option<(usize, &'a str)>,
    /// The same of the last [`Part::AnyWithin`] since then.
    within: Option<(usize, &'a str)>,
}

impl<'a> Walk<'a> {
    fn new(parts: &'a [Part], text: &'a str, context: &'a Context) -> Self {
        Self {
            parts,
            context,
            part: 0,
            rest: text,
            any: None,
            within: None,
        }
    }

    fn run(mut self) -> bool {
        loop {
            let after = match self.parts.get(self.part) {
                None if self.rest.is_empty() => return true,
                None => None,
                Some(Part::Any) => match &self.parts[self.part + 1..] {
                    [] => return true,
                    [Part::Text(last)] => return self.rest.ends_with(&**last),
                    _ => {
                        self.within = None;
                        if !self.try_any(self.part + 1, self.rest) {
                            return false;
                        }
                        continue;
                    }
                },
                Some(Part::AnyWithin) => {
                    self.part += 1;
                    self.within = Some((self.part, self.rest));
                    continue;
                }
                Some(Part::One) => without_first(self.rest, |_| true),
                Some(Part::OneWithin) => without_first(self.rest, |c| c != ':'),
                Some(part) => part
                    .text(self.context)
                    .and_then(|text| self.rest.strip_prefix(text)),
            };
            match after {
                Some(after) => {
                    self.rest = after;
                    self.part += 1;
                }
                None if self.widen() => {}
                None => return false,
            }
        }
    }

    /// Goes on with `part` at the first place in `from` where it can be.
    fn try_any(&mut self, part: usize, from: &'a str) -> bool {
        let place = match self.parts.get(part) {
            Some(Part::Text(text)) => find(from, text),
            _ => Some(0),
        };
        let Some(place) = place else {
            return false;
        };
        self.part = part;
        self.rest = &from[place..];
        self.any = Some((part, self.rest));
        true
    }

    /// Lets a wildcard take one character more.
    fn widen(&mut self) -> bool {
        if let Some((part, from)) = self.within {
            if let Some(rest) = without_first(from, |c| c != ':') {
                self.within = Some((part, rest));
                (self.part, self.rest) = (part, rest);
                return true;
            }
            self.within = None;
        }
        let wider = self
            .any
            .and_then(|(part, from)| Some((part, without_first(from, |_| true)?)));
        wider.is_some_and(|(part, from)| self.try_any(part, from))
    }
}

/// The longest text that is gone through byte by byte.
const SHORT_TEXT: usize = 256;

/// Where a text that is not empty stands first. The standard search takes longer to prepare itself than it takes to go through an
/// ARN, and is faster only in long texts.
fn find(from: &str, text: &str) -> Option<usize> {
    if from.len() > SHORT_TEXT {
        return from.find(text);
    }
    let (from, text) = (from.as_bytes(), text.as_bytes());
    let mut places = from.windows(text.len());
    places.position(|place| place[0] == text[0] && place == text)
}

fn without_first(text: &str, may_go: impl Fn(char) -> bool) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().filter(|c| may_go(*c)).map(|_| chars.as_str())
}

#[cfg(test)]
mod tests;
