//! How fast a function may start instances: a burst at once, then so many per second.
//!
//! AWS scales each function by 1,000 instances every 10 seconds, refilled continuously. Here that is a
//! bucket of tokens, one for each started instance, whoever it is started for. What finds the
//! bucket empty waits for a token as it would for memory, at most [`Config::wait_max`].
//!
//! [`Config::wait_max`]: crate::Config::wait_max

use std::time::Duration;

use kiln_types::Moment;

use super::Core;
use super::arena::No;
use super::state::Function;

impl Core {
    /// When the function may start an instance: now or earlier when it has a token.
    ///
    /// The bucket is one moment (GCRA): when it would be full if nothing more was taken. A token is
    /// there while that is less than a bucketful of refills away.
    pub(super) fn next_start(&self, no: No<Function>, now: Moment) -> Moment {
        let depth = self.token_interval() * self.config.burst_starts.max(1);
        let full_at = self.functions[no].starts_full_at.max(now) + self.token_interval();
        full_at - depth
    }

    /// Takes a token for an instance that is started.
    pub(super) fn take_token(&mut self, no: No<Function>, now: Moment) {
        let interval = self.token_interval();
        let function = &mut self.functions[no];
        function.starts_full_at = function.starts_full_at.max(now) + interval;
    }

    fn token_interval(&self) -> Duration {
        Duration::from_secs(1) / self.config.starts_per_second.max(1)
    }
}
