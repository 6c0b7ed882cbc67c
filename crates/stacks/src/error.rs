//! What was wrong with a template, in CloudFormation's words where they are known.

use std::fmt;

use crate::document::Place;

/// Why a template cannot be read, transformed, evaluated or planned. It displays as the message that
/// CloudFormation's `ValidationError` has; a repetition fails in the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    at: Option<Place>,
}

/// What an [`Error`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text is no JSON or YAML, or costs too much to read.
    Text,
    /// The document is no template.
    Format,
    /// A function cannot be evaluated.
    Evaluation,
    /// A parameter's value is missing or not allowed.
    Parameter,
    /// An assertion of a rule does not hold.
    Rule,
    /// The SAM transform cannot make CloudFormation of it.
    Transform,
    /// CloudFormation has it, Kiln does not.
    Unsupported,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Error {
        let message = message.into();
        Error {
            kind,
            message,
            at: None,
        }
    }

    /// "Template format error: …".
    pub(crate) fn format(what: impl fmt::Display) -> Error {
        Error::new(Kind::Format, format!("Template format error: {what}"))
    }

    /// "Template error: …".
    pub(crate) fn evaluation(what: impl fmt::Display) -> Error {
        Error::new(Kind::Evaluation, format!("Template error: {what}"))
    }

    /// The same error with the place it is about, unless it has one.
    pub(crate) fn at(mut self, place: Place) -> Error {
        if self.at.is_none() && place != Place::default() {
            self.at = Some(place);
        }
        self
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where in the template's text, if that is known.
    pub fn place(&self) -> Option<Place> {
        self.at
    }
}

/// Names as CloudFormation lists them: `[A, B]`.
pub(crate) fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("[");
    for (at, name) in names.into_iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(name.as_ref());
    }
    text.push(']');
    text
}
