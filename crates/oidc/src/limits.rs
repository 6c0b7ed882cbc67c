//! Limits, most of them AWS's own (API Gateway quotas for HTTP APIs).

use std::time::Duration;

/// How long an issuer may take for one of its two documents; then it counts as unreachable.
pub const ANSWER_MAX: Duration = Duration::from_millis(1_500);
/// The largest document of an issuer; one that is larger counts as unreachable.
pub const DOCUMENT_BYTES_MAX: usize = 150_000;
/// Keys that an issuer may have; those beyond are as if they were not there.
pub const KEYS_MAX: usize = 100;
/// How old keys may be before they are fetched once more. What an issuer withdraws is good for so long.
pub const KEYS_FRESH: Duration = Duration::from_secs(10 * 60);
/// How old keys may be when the issuer is unreachable; then its tokens are refused. AWS's documentation
/// names two hours.
pub const KEYS_AGE_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// How long an issuer is left alone after its keys were asked for, whatever the tokens say.
pub const REFETCH_PAUSE: Duration = Duration::from_secs(10);
/// Issuers whose keys are kept; with one more, those of the one that was not needed for longest are not.
pub const ISSUERS_MAX: usize = 1_000;
