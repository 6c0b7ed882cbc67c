//! Pages of groups and streams, and the tokens that lead from one to the next.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LogError;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The token of the page before; none for the first.
    pub token: Option<String>,
    /// Items at most; at least one is taken.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Leads to the next page; none after the last.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    /// From one item more than asked for, when there is a next page; `key` is where it goes on.
    pub(super) fn of<K: Serialize>(
        mut items: Vec<T>,
        limit: usize,
        key: impl FnOnce(&T) -> K,
    ) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| encode(&key(last)));
        Self { items, next }
    }
}

pub(super) fn encode<K: Serialize>(key: &K) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).expect("names and numbers are JSON"))
}

pub(super) fn decode<K: DeserializeOwned>(token: &str) -> Result<K, LogError> {
    let json = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| LogError::BadToken)?;
    serde_json::from_slice(&json).map_err(|_| LogError::BadToken)
}
