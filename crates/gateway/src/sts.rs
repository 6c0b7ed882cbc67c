//! The Security Token Service: who one is, and becoming a role for a while.
//!
//! AWS differs: there are no identity providers, devices or federated users; sessions are not chained by source identity, and tags
//! of sessions are not transitive. Credentials of `GetSessionToken` may do all that the key may that asked for them, IAM included,
//! and end with it.

pub(crate) mod generated;

pub(crate) mod assume_role;
pub(crate) mod get_caller_identity;
pub(crate) mod get_session_token;
mod needs;
#[cfg(test)]
mod tests;

use std::time::Duration;

use kiln_types::Timestamp;

use crate::auth::{Grant, Temporary, To};
use crate::context::Context;

crate::wire::dispatch! {
    AssumeRole => assume_role::handle,
    GetCallerIdentity => get_caller_identity::handle,
    GetSessionToken => get_session_token::handle,
}

/// Makes credentials for the caller's account that are good for so long.
fn grant(context: &Context, to: To, secs: u64) -> generated::Credentials {
    let issued = context.now;
    let grant = Grant {
        account: context.caller.account.clone(),
        issued,
        expires: issued + Duration::from_secs(secs),
        nonce: uuid::Uuid::new_v4().as_u64_pair().0,
        to,
    };
    let keys = context.deps.store.keys();
    let made = Temporary::of(keys.function_secret(), &grant);
    generated::Credentials {
        access_key_id: made.access_key_id,
        secret_access_key: made.secret_access_key,
        session_token: made.session_token,
        expiration: time(grant.expires),
    }
}

/// A time as this API has it.
fn time(time: Timestamp) -> String {
    time.to_seconds()
}
