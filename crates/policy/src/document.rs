//! A policy document: read once, evaluated many times.
//!
//! Reading goes in the order in which AWS complains: the shape of the JSON ([`json`], [`raw`]), the version, what its older parser
//! refuses, names of statements, then actions and resources ([`check`]). What passes is a [`Statement`] each.

mod check;
mod error;
mod json;
mod place;
mod principals;
mod raw;
mod statement;

pub use error::Error;
pub use place::Place;
pub(crate) use principals::Reach;
pub(crate) use statement::{Asked, Effect, Side, Statement};

use crate::limits::DOCUMENT_BYTES_MAX;
use json::Json;

/// Where a document is to stand, which says what may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A managed policy, as it is attached to users, groups and roles or is their boundary. Version 2012-10-17.
    Managed,
    /// An inline policy of a user, a group or a role.
    Inline,
    /// A policy that narrows a session.
    Session,
    /// A policy of a resource. It has principals; a statement without resources is about the resource it stands at.
    Resource,
    /// A role's trust policy: it has principals and no resources.
    Trust,
}

/// A policy document, ready to be evaluated. Making a copy is copying the text: share it instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    kind: PolicyKind,
    text: Box<str>,
    id: Option<Box<str>>,
    statements: Box<[Statement]>,
}

/// The version of the language that a document is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// `2008-10-17`, also of a document that says none: no variables.
    Of2008,
    /// `2012-10-17`.
    Of2012,
}

impl Policy {
    /// Reads a document of at most [`DOCUMENT_BYTES_MAX`].
    pub fn parse(kind: PolicyKind, text: &str) -> Result<Self, Error> {
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let document = raw::Document::read(Json::parse(text)?, kind)?;
        if kind == PolicyKind::Managed && document.version != Some(Version::Of2012) {
            return Err(Error::Version);
        }
        let has_variables = document.version == Some(Version::Of2012);
        let statements: Vec<Statement> = document
            .statements
            .iter()
            .map(|raw| Statement::compile(raw, has_variables))
            .collect::<Result<_, _>>()?;
        check::document(&document, kind)?;
        Ok(Self {
            kind,
            text: text.into(),
            id: document.id.map(Into::into),
            statements: statements.into(),
        })
    }

    /// What it was read as.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The document as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How many statements it has.
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// Whether it asks for the values of condition keys: it has conditions or variables. Of one that does not, a request's
    /// context says nothing.
    pub fn asks_context(&self) -> bool {
        self.statements.iter().any(Statement::asks_context)
    }

    /// Where a statement stands in the text: its begin, and behind its end.
    pub fn place(&self, index: usize) -> Option<(Place, Place)> {
        place::statement(&self.text, index)
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl PolicyKind {
    /// Whether its statements say who.
    fn has_principals(self) -> bool {
        matches!(self, Self::Resource | Self::Trust)
    }
}

#[cfg(test)]
mod tests;
