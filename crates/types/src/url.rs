//! Function URLs.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::cors::Cors;
use crate::id::UrlId;

/// A function URL's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UrlConfig {
    /// Its host label.
    pub id: UrlId,
    /// Who may call it.
    pub auth: UrlAuth,
    /// Whether the response is sent whole or as it is made.
    pub invoke_mode: InvokeMode,
    /// What browsers of other origins may do.
    pub cors: Option<Cors>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
}

/// Who may call a function URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Anybody whom the resource policy lets in.
    None,
    /// Callers who sign their requests.
    AwsIam,
}

/// How a function URL returns a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InvokeMode {
    /// Whole.
    #[default]
    Buffered,
    /// As it is made.
    ResponseStream,
}
