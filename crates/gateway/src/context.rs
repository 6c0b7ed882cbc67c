//! What a handler knows besides its input: who asks, when, and whom it can turn to.

use std::sync::Arc;

use kiln_types::{AccountId, RequestId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Deps};

/// One request's surroundings.
#[derive(Clone)]
pub(crate) struct Context {
    /// The gateway's settings: region, account, endpoint, limits.
    pub(crate) config: Arc<Config>,
    /// The components that handlers call.
    pub(crate) deps: Arc<Deps>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// Names the request in its answer and in logs.
    pub(crate) request_id: RequestId,
    /// When it was accepted.
    pub(crate) now: Timestamp,
    /// The tracing header it came with.
    pub(crate) trace: Option<String>,
    /// The host that was called, with its port if one was told; empty when none was.
    pub(crate) host: String,
    /// Whether it came out of a sandbox, by a way that is never encrypted.
    pub(crate) is_inside: bool,
    /// Cancelled when the caller has left: nobody will read the answer.
    pub(crate) left: CancellationToken,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The account the caller acts in.
    pub(crate) account: AccountId,
    /// The access key that signed the request; empty when nobody did.
    pub(crate) access_key_id: String,
    /// The principal, an ARN such as `arn:aws:iam::000000000000:user/admin`.
    pub(crate) arn: String,
    /// The principal's unique id, as `sts:GetCallerIdentity` shows it.
    pub(crate) user_id: String,
}

impl Caller {
    /// Somebody who shows no credentials, and by what the request says that it may be about this account.
    pub(crate) fn nobody(account: AccountId) -> Self {
        Self {
            account,
            access_key_id: String::new(),
            arn: String::new(),
            user_id: "anonymous".to_owned(),
        }
    }

    /// Whether it shows no credentials.
    pub(crate) fn is_nobody(&self) -> bool {
        self.arn.is_empty()
    }
}
