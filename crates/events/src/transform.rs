//! What a target of a rule is sent: the event, a part of it, a constant, or a template with parts of it.
//!
//! [`Input::parse`] checks a target as `PutTargets` does; [`Input::render`] makes the text, which is always JSON.
//! `path` finds parts of events, `template` puts them into text.

mod path;
mod template;

use kiln_types::Timestamp;
use serde_json::Value;

use path::Path;
use template::Template;

/// Characters of a constant `Input`, at most.
pub const INPUT_MAX: usize = 8192;
/// Characters of an `InputTemplate`, at most.
pub const TEMPLATE_MAX: usize = 8192;
/// Characters of an `InputPath`, and of a path in an `InputPathsMap`, at most.
pub const PATH_MAX: usize = 256;
/// Variables of an `InputPathsMap`, at most.
pub const PATHS_MAX: usize = 100;

/// How a target says what it wants to be sent. At most one of the three may be there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// `Input`.
    pub input: Option<&'a str>,
    /// `InputPath`.
    pub input_path: Option<&'a str>,
    /// `InputTransformer`.
    pub transformer: Option<Transformer<'a>>,
}

/// An `InputTransformer`.
#[derive(Debug, Clone, Copy)]
pub struct Transformer<'a> {
    /// `InputPathsMap`: names and paths.
    pub paths: &'a [(&'a str, &'a str)],
    /// `InputTemplate`.
    pub template: &'a str,
}

/// What a target is sent, checked.
#[derive(Debug, Clone)]
pub struct Input(Kind);

/// An event on its way to a target.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its text, as the target of no transformation is sent it.
    pub text: &'a str,
    /// The same, read.
    pub value: &'a Value,
    /// The rule that it matched.
    pub rule_arn: &'a str,
    /// The rule's name.
    pub rule_name: &'a str,
    /// When it was accepted.
    pub ingested: Timestamp,
}

/// Why a target is refused: the message of a `ValidationException`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than one of the three is there.
    #[error(
        "Only one of Input, InputPath, or InputTransformer must be provided for target {target}."
    )]
    TooMany {
        /// The target's id.
        target: String,
    },
    /// The constant is no JSON, or too long.
    #[error("Input for target {target} is not a valid JSON text.")]
    Input {
        /// The target's id.
        target: String,
    },
    /// A path is none that is understood.
    #[error("InputPath for target {target} is not valid: '{path}' {why}.")]
    Path {
        /// The target's id.
        target: String,
        /// What was written.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name of a variable is reserved, or has other characters than letters, digits, `_` and `-`.
    #[error("InputPathsMap for target {target} contains invalid key {name}.")]
    Name {
        /// The target's id.
        target: String,
        /// The name.
        name: String,
    },
    /// The template names a variable that there is not.
    #[error("InputTemplate for target {target} contains invalid placeholder {name}.")]
    Placeholder {
        /// The target's id.
        target: String,
        /// The name.
        name: String,
    },
    /// The template would make no JSON.
    #[error("Invalid InputTemplate for target {target} : [{why}].")]
    Template {
        /// The target's id.
        target: String,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Debug, Clone)]
enum Kind {
    Whole,
    Constant(String),
    Part(Path),
    Template(Template),
}

impl Input {
    /// Checks what a target, by its id, wants.
    pub fn parse(target: &str, wanted: &Wanted<'_>) -> Result<Self, Error> {
        let target = || target.to_owned();
        let kind = match (wanted.input, wanted.input_path, &wanted.transformer) {
            (None, None, None) => Kind::Whole,
            (Some(input), None, None) => {
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(input).is_ok();
                if !is_json || input.chars().count() > INPUT_MAX {
                    return Err(Error::Input { target: target() });
                }
                Kind::Constant(input.to_owned())
            }
            (None, Some(path), None) => {
                Kind::Part(Path::parse(path).map_err(|why| Error::Path {
                    target: target(),
                    path: path.to_owned(),
                    why,
                })?)
            }
            (None, None, Some(transformer)) => {
                Kind::Template(Template::parse(&target(), transformer)?)
            }
            _ => return Err(Error::TooMany { target: target() }),
        };
        Ok(Self(kind))
    }

    /// The text that the target is sent. A part that the event does not have is `null`.
    pub fn render(&self, event: &Event<'_>) -> String {
        let rendered = self.render_within(event, usize::MAX);
        rendered.expect("no text is longer than that")
    }

    /// The same, or nothing when it would have more bytes than `bytes_max`: a template may repeat parts of an
    /// event a thousand times.
    pub fn render_within(&self, event: &Event<'_>, bytes_max: usize) -> Option<String> {
        let text = match &self.0 {
            Kind::Whole => event.text.to_owned(),
            Kind::Constant(text) => text.clone(),
            Kind::Part(path) => match path.find(event.value) {
                Some(part) => part.to_string(),
                None => "null".to_owned(),
            },
            Kind::Template(template) => return template.render(event, bytes_max),
        };
        Some(text).filter(|text| text.len() <= bytes_max)
    }

    /// Whether it is all of an event, as it is.
    pub fn is_whole(&self) -> bool {
        matches!(self.0, Kind::Whole)
    }
}

#[cfg(test)]
mod tests;
