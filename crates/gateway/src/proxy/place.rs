//! What a request came to, and who sent it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::context::Caller;

/// What a request came to: a route of an API, or a function's URL.
pub(crate) struct Place<'a> {
    /// The account that the event names.
    pub(crate) account: &'a str,
    /// The API's or the URL's id.
    pub(crate) api: &'a str,
    /// The first label of the host.
    pub(crate) domain_prefix: &'a str,
    /// Such as `GET /pets/{id}` or `$default`.
    pub(crate) route_key: &'a str,
    /// The path of the route key, or `$default` once more.
    pub(crate) resource: &'a str,
    /// The stage's name.
    pub(crate) stage: &'a str,
    /// The path as events show it where they do not show it as it was sent.
    pub(crate) path: &'a str,
    /// What stands for the variables of the route's path.
    pub(crate) path_parameters: &'a BTreeMap<String, String>,
    /// The stage's variables.
    pub(crate) stage_variables: &'a BTreeMap<String, String>,
    /// Who sent it.
    pub(crate) who: Who<'a>,
}

/// Who sent a request.
#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    /// Anybody: nobody asked.
    Anybody,
    /// The holder of a key.
    Signer(Signer<'a>),
    /// The holder of a token.
    Token {
        /// What the token claims, as texts.
        claims: &'a BTreeMap<String, String>,
        /// The token's scopes, where the route asks for some.
        scopes: Option<&'a [String]>,
    },
    /// Whom a function let in.
    Judged {
        /// Who it said it is.
        principal: Option<&'a str>,
        /// What else it said.
        context: Option<&'a Map<String, Value>>,
    },
}

/// Who signed a request.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) account: &'a str,
    pub(crate) arn: &'a str,
    pub(crate) user_id: &'a str,
}

impl<'a> Who<'a> {
    /// Who signed the request, if somebody did.
    pub(crate) fn signer(self) -> Option<Signer<'a>> {
        match self {
            Self::Signer(signer) => Some(signer),
            Self::Anybody | Self::Token { .. } | Self::Judged { .. } => None,
        }
    }
}

impl<'a> Signer<'a> {
    /// The caller whose signature was verified.
    pub(crate) fn of(caller: &'a Caller) -> Self {
        Self {
            access_key_id: &caller.access_key_id,
            account: caller.account.as_str(),
            arn: &caller.arn,
            user_id: &caller.user_id,
        }
    }
}
