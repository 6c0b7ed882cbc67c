//! Who says whether a request may use a route.

use serde::{Deserialize, Serialize};

use crate::api::id::PartId;
use crate::api::integration::PayloadFormat;

/// An authorizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorizer {
    /// Its name within the API.
    pub id: PartId,
    /// What its owner calls it; unique within the API.
    pub name: String,
    /// Where in a request what it judges is found. A request that lacks one of them is refused.
    pub identity: Vec<IdentitySource>,
    /// How it judges.
    pub kind: AuthorizerKind,
}

/// How an authorizer judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorizerKind {
    /// By a token that somebody signed.
    Jwt {
        /// Who must have signed it: a URL below which its keys are found.
        issuer: String,
        /// For whom it must be: one of these.
        audience: Vec<String>,
    },
    /// By what a function says.
    Function {
        /// Which, as the caller wrote it.
        uri: String,
        /// What it is given, and what it may answer.
        format: PayloadFormat,
        /// Whether it answers yes or no, and not with a policy.
        is_simple: bool,
        /// How long its answer holds for requests with the same identity, in seconds.
        ttl_secs: u32,
        /// The role with which it is invoked; none relies on the function's own policy.
        credentials: Option<String>,
    },
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdentitySource {
    /// A header; its name in any case.
    Header(String),
    /// A parameter of the query string.
    Query(String),
    /// A variable of the stage.
    StageVariable(String),
    /// Something that is known of the request.
    Context(String),
}
