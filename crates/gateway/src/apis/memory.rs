//! What is remembered between requests.

use std::sync::Arc;

use kiln_types::Clock;

use super::judge::Judgements;
use super::throttle::Throttle;

/// What HTTP APIs remember.
pub(crate) struct Memory {
    /// How fast stages were used.
    pub(super) throttle: Throttle,
    /// What functions said of callers.
    pub(super) judgements: Judgements,
    /// The keys of who issues tokens.
    pub(super) tokens: kiln_oidc::Judge,
}

impl Memory {
    /// Nothing yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            throttle: Throttle::default(),
            judgements: Judgements::default(),
            tokens: kiln_oidc::Judge::new(clock),
        }
    }
}
