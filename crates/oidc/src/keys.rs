//! The keys of one issuer, and when they are fetched: pure.
//!
//! ```text
//!            none, or older than KEYS_AGE_MAX ──▶ fetch; alone for REFETCH_PAUSE: unreachable
//! keys are { older than KEYS_FRESH            ──▶ refresh if nobody does, else as if fresh
//!            fresh                            ──▶ the key; without it: fetch, alone: unknown
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use kiln_types::Moment;

use crate::key::Key;
use crate::limits::{KEYS_AGE_MAX, KEYS_FRESH, REFETCH_PAUSE};
use crate::refused::Refused;

/// What is known of an issuer.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<String, Arc<Key>>,
    /// When they were fetched.
    fetched: Option<Moment>,
    /// When they were asked for, with success or without.
    asked: Option<Moment>,
}

/// What to do for a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// This is its key.
    Found(Arc<Key>),
    /// Ask the issuer first, and look again.
    Ask,
    /// Ask the issuer first if nobody else does just now; this will do otherwise.
    Refresh(Result<Arc<Key>, Refused>),
    /// It is refused.
    Refused(Refused),
}

impl Keys {
    /// Looks for a token's key.
    pub(crate) fn look(&self, id: &str, now: Moment) -> Look {
        let may_ask = self.asked.is_none_or(|at| now.since(at) >= REFETCH_PAUSE);
        let age = self.fetched.map(|at| now.since(at));
        let Some(age) = age.filter(|age| *age < KEYS_AGE_MAX) else {
            return match may_ask {
                true => Look::Ask,
                false => Look::Refused(Refused::Unreachable),
            };
        };
        match self.known.get(id).cloned() {
            Some(key) if may_ask && age >= KEYS_FRESH => Look::Refresh(Ok(key)),
            Some(key) => Look::Found(key),
            // Perhaps the issuer has new keys.
            None if may_ask && age >= KEYS_FRESH => Look::Refresh(Err(Refused::UnknownKey)),
            None if may_ask => Look::Ask,
            None => Look::Refused(Refused::UnknownKey),
        }
    }

    /// The issuer answered, or did not.
    pub(crate) fn answered(&mut self, keys: Option<Vec<Key>>, now: Moment) {
        self.asked = Some(now);
        if let Some(keys) = keys {
            let named = |key: Key| (key.id.clone(), Arc::new(key));
            self.known = keys.into_iter().map(named).collect();
            self.fetched = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn set(ids: &[&str]) -> Vec<Key> {
        let key = |id: &&str| json!({"kty": "RSA", "kid": id, "n": "AQAB", "e": "AQAB"});
        let keys: Vec<_> = ids.iter().map(key).collect();
        Key::read_set(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    fn found(look: &Look) -> &str {
        match look {
            Look::Found(_) => "found",
            Look::Ask => "ask",
            Look::Refresh(Ok(_)) => "refresh, found",
            Look::Refresh(Err(_)) => "refresh, unknown",
            Look::Refused(Refused::UnknownKey) => "unknown",
            Look::Refused(_) => "unreachable",
        }
    }

    fn at(time: Duration) -> Moment {
        Moment::default() + time
    }

    #[test]
    fn keys_are_asked_for_once_and_kept() {
        let mut keys = Keys::default();
        assert_eq!(found(&keys.look("a", at(MOMENT))), "ask");
        keys.answered(Some(set(&["a"])), at(MOMENT));
        assert_eq!(found(&keys.look("a", at(MOMENT))), "found");
        assert_eq!(found(&keys.look("a", at(KEYS_FRESH))), "found");
    }

    #[test]
    fn a_new_key_is_found_when_the_issuer_was_left_alone_for_a_while() {
        let mut keys = Keys::default();
        keys.answered(Some(set(&["a"])), at(MOMENT));
        assert_eq!(found(&keys.look("b", at(MOMENT * 2))), "unknown");
        let later = at(MOMENT + REFETCH_PAUSE);
        assert_eq!(found(&keys.look("b", later)), "ask");
        keys.answered(Some(set(&["a", "b"])), later);
        assert_eq!(found(&keys.look("b", later)), "found");
    }

    #[test]
    fn a_withdrawn_key_is_good_no_longer_than_keys_are_fresh() {
        let mut keys = Keys::default();
        keys.answered(Some(set(&["a"])), at(MOMENT));
        let later = at(MOMENT + KEYS_FRESH);
        assert_eq!(found(&keys.look("a", later)), "refresh, found");
        assert_eq!(found(&keys.look("b", later)), "refresh, unknown");
        keys.answered(Some(set(&["b"])), later);
        assert_eq!(found(&keys.look("a", later)), "unknown");
    }

    #[test]
    fn an_unreachable_issuers_keys_are_good_for_a_while_and_then_not() {
        let mut keys = Keys::default();
        keys.answered(None, at(MOMENT));
        assert_eq!(found(&keys.look("a", at(MOMENT))), "unreachable");
        let start = at(REFETCH_PAUSE * 2);
        assert_eq!(found(&keys.look("a", start)), "ask");
        keys.answered(Some(set(&["a"])), start);
        let stale = start + KEYS_FRESH;
        keys.answered(None, stale);
        assert_eq!(found(&keys.look("a", stale + MOMENT)), "found");
        let old = start + KEYS_AGE_MAX;
        assert_eq!(found(&keys.look("a", old)), "ask");
        keys.answered(None, old);
        assert_eq!(found(&keys.look("a", old)), "unreachable");
    }
}
