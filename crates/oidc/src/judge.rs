//! Judges tokens, and keeps the keys of their issuers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use kiln_types::{Clock, Moment};

use crate::claims::{Claims, Expected};
use crate::fetch::Fetch;
use crate::key::Key;
use crate::keys::{Keys, Look};
use crate::limits::ISSUERS_MAX;
use crate::refused::Refused;
use crate::token::Token;

#[cfg(test)]
mod tests;

/// Judges tokens. Clones share the keys.
#[derive(Clone)]
pub struct Judge {
    shared: Arc<Shared>,
}

struct Shared {
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    issuers: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    issuer: Arc<Issuer>,
    /// When it was last needed.
    used: Moment,
}

#[derive(Default)]
struct Issuer {
    keys: Mutex<Keys>,
    /// Held while the issuer is asked, so that it is asked once for all who wait.
    asking: tokio::sync::Mutex<()>,
}

impl Judge {
    /// One that knows no keys yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            fetch: Fetch::new(),
            clock,
            issuers: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What a token says, if its issuer signed it and it is what is expected.
    pub async fn judge(&self, text: &str, expected: Expected<'_>) -> Result<Claims, Refused> {
        let token = Token::parse(text)?;
        let key = self.key(expected.issuer, &token.key_id).await?;
        if !key.has_signed(&token) {
            return Err(Refused::Signature);
        }
        let claims = Claims::read(&token.payload)?;
        claims.check(expected, self.shared.clock.timestamp())?;
        Ok(claims)
    }

    async fn key(&self, url: &str, id: &str) -> Result<Arc<Key>, Refused> {
        let issuer = self.issuer(url);
        let look = || issuer.keys().look(id, self.shared.clock.now());
        let _asking = match look() {
            Look::Found(key) => return Ok(key),
            Look::Refused(refused) => return Err(refused),
            Look::Refresh(otherwise) => match issuer.asking.try_lock() {
                Ok(asking) => asking,
                Err(_) => return otherwise,
            },
            Look::Ask => issuer.asking.lock().await,
        };
        // Whoever asked before us may have brought it.
        match look() {
            Look::Found(key) => return Ok(key),
            Look::Refused(refused) => return Err(refused),
            Look::Refresh(_) | Look::Ask => {}
        }
        let fetched = self.shared.fetch.keys(url).await;
        if let Err(error) = &fetched {
            tracing::warn!(issuer = url, %error, "could not fetch the keys of a token's issuer");
        }
        let now = self.shared.clock.now();
        issuer.keys().answered(fetched.ok(), now);
        match issuer.keys().look(id, now) {
            Look::Found(key) => Ok(key),
            Look::Refresh(known) => known,
            Look::Refused(refused) => Err(refused),
            Look::Ask => Err(Refused::Unreachable),
        }
    }

    fn issuer(&self, url: &str) -> Arc<Issuer> {
        let now = self.shared.clock.now();
        let mut issuers = self.shared.issuers.lock().expect("no holder panics");
        if let Some(kept) = issuers.get_mut(url) {
            kept.used = now;
            return kept.issuer.clone();
        }
        if issuers.len() >= ISSUERS_MAX {
            let oldest = issuers.iter().min_by_key(|(_, kept)| kept.used);
            let oldest = oldest.map(|(url, _)| url.clone());
            oldest.and_then(|url| issuers.remove(&url));
        }
        let issuer = Arc::<Issuer>::default();
        let kept = Kept {
            issuer: issuer.clone(),
            used: now,
        };
        issuers.insert(url.to_owned(), kept);
        issuer
    }
}

impl Issuer {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().expect("no holder panics")
    }
}
