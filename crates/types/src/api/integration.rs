//! Where a route's requests go: to a function.

use serde::{Deserialize, Serialize};

use crate::api::id::PartId;

/// A function behind routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// Its name within the API.
    pub id: PartId,
    /// Whether it was made together with its API: it then goes only with it.
    pub is_managed: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Which function, as the caller wrote it; stage variables are put in with each request.
    pub uri: String,
    /// What the function is given and what its result means.
    pub format: PayloadFormat,
    /// How long a request waits for the function, in milliseconds.
    pub timeout_ms: u32,
    /// The role with which the function is invoked; none relies on the function's own policy.
    pub credentials: Option<String>,
}

/// The format of events and results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadFormat {
    /// That of REST APIs: headers and parameters also as lists.
    V1,
    /// The leaner one, in which a result may be anything.
    V2,
}
