//! Cross-origin settings of function URLs and HTTP APIs.

use serde::{Deserialize, Serialize};

/// What pages of other origins may do; empty lists send no header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cors {
    /// Whether cookies and credentials may be sent.
    pub allow_credentials: bool,
    /// Request headers a page may send.
    pub allow_headers: Vec<String>,
    /// Methods a page may use.
    pub allow_methods: Vec<String>,
    /// Origins that may call.
    pub allow_origins: Vec<String>,
    /// Response headers a page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer, in seconds; -1 has it remember nothing.
    pub max_age_secs: Option<i32>,
}
