//! Who is it? Verification of AWS Signature Version 4, in headers and in presigned URLs.
//!
//! Three steps, because the first two are possible before the body is read, so that a stranger
//! cannot make us keep one:
//! 1. [`Claim::read`]: what the request says of itself. The router reads the service from it.
//! 2. [`Authenticator::admit`]: is the key ours and active, are time and scope right?
//! 3. [`Authenticator::verify`]: is the signature the one that the key's owner would have made, and
//!    is the body the one that was signed?
//!
//! Sources: the IAM user guide, "Signature Version 4 for API requests"; the texts of refusals are
//! AWS's own, see [`refusal`].

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use kiln_store::{AccessKey, Identities, Keys, Store, Tenants};
use kiln_types::iam::EntityId;
use kiln_types::{AccountId, FunctionCaller, Region, Timestamp};

use crate::config::{Auth, Config, FunctionRights};
use crate::context::{Caller, Identity, Session};
use crate::error::{ApiError, Result};

mod chunked;
mod claim;
mod function_keys;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod payload;
mod presign;
mod refusal;
mod sigv2;
mod sigv4;
mod temporary;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use chunked::Unframer;
pub(crate) use claim::Claim;
pub use function_keys::FunctionKeys;
pub(crate) use presign::presign_get;
pub(crate) use sigv2::Query as QueryV2;
pub(crate) use temporary::{Grant, Narrowing, Temporary, To};

/// The id of a role that does not exist.
const NO_ROLE: &str = "AROA00000000000000000";

/// Decides who a caller is.
pub(crate) struct Authenticator {
    auth: Auth,
    region: Region,
    account: AccountId,
    functions: FunctionRights,
    keys: Keys,
    identities: Identities,
    tenants: Tenants,
}

/// A claim whose key, time and scope are right; its signature is yet to be verified.
pub(crate) struct Admitted {
    claim: Claim,
    secret: String,
    caller: Caller,
    now: Timestamp,
}

/// Who asks, and the body without the framing it may have travelled in.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The body.
    pub(crate) body: Bytes,
}

/// Who asks, and how the body that is yet to come must be read.
pub(crate) struct Streamed {
    /// Who asks.
    pub(crate) caller: Caller,
    /// What takes the framing off it.
    pub(crate) unframer: Option<Unframer>,
    /// Its SHA-256 in hexadecimal, where that was signed.
    pub(crate) sha256: Option<String>,
}

impl Admitted {
    /// Somebody names a key and has not its secret: who guesses is to be seen.
    fn log(&self, refused: &ApiError) {
        let (key, why) = (&self.claim.access_key_id, &refused.message);
        tracing::info!(%key, %why, "a request that names a key of ours was refused");
    }
}

impl Authenticator {
    /// Verifies with the keys of a store.
    pub(crate) fn new(config: &Config, store: &Store) -> Self {
        let (region, account) = (config.region.clone(), config.account.clone());
        Self {
            auth: config.auth,
            region,
            account,
            functions: config.functions,
            keys: store.keys().clone(),
            identities: store.identities().clone(),
            tenants: store.tenants().clone(),
        }
    }

    /// Checks what can be checked before the body is there. `None` when any credentials will do.
    ///
    /// `service` is what the request is for; its scope must say the same. `function` is whose
    /// connection it came by.
    pub(crate) fn admit(
        &self,
        claim: Result<Claim>,
        service: &str,
        function: Option<&FunctionCaller>,
        now: Timestamp,
    ) -> Result<Option<Admitted>> {
        // A function that has only its role's rights must show whose they are, also where others need not.
        let is_narrow = function.is_some() && self.functions == FunctionRights::Role;
        if self.auth == Auth::AnyCredentials && !is_narrow {
            return Ok(None);
        }
        let claim = claim?;
        let (secret, caller) = match &claim.session_token {
            None => {
                let key = self.active(&claim.access_key_id)?;
                (key.secret.clone(), self.caller(&key)?)
            }
            Some(token) => match self.function(&claim, function) {
                Some(known) => known,
                None => self.temporary(&claim, token, now)?,
            },
        };
        // Temporary credentials and those of functions are kept nowhere, and so cannot be switched off.
        if self.tenants.is_closed(&caller.account) {
            return Err(refusal::unrecognized());
        }
        claim.check_scope(&self.region, service)?;
        claim.check_time(now)?;
        Ok(Some(Admitted {
            claim,
            secret,
            caller,
            now,
        }))
    }

    fn active(&self, id: &str) -> Result<Arc<AccessKey>> {
        let key = self.keys.get(id).filter(|key| key.active);
        key.ok_or_else(refusal::unrecognized)
    }

    /// The function whose connection it is, if its own keys are claimed.
    fn function(&self, claim: &Claim, from: Option<&FunctionCaller>) -> Option<(String, Caller)> {
        let function = from?;
        let keys = self.function_keys(function);
        if !keys.are_claimed(claim) {
            return None;
        }
        let directory = self.identities.of(&function.function.account);
        let session = function_keys::session(function, &self.region, &directory);
        let mut caller = session_caller(function.function.account.clone(), session);
        caller.access_key_id = keys.access_key_id;
        if self.functions == FunctionRights::Account {
            caller.identity = Identity::Account;
        }
        Some((keys.secret_access_key, caller))
    }

    /// Who has temporary credentials that were made here.
    fn temporary(&self, claim: &Claim, token: &str, now: Timestamp) -> Result<(String, Caller)> {
        let opened = Temporary::open(self.keys.function_secret(), token);
        let (made, grant) = opened.ok_or_else(refusal::unrecognized)?;
        if made.access_key_id != claim.access_key_id {
            return Err(refusal::unrecognized());
        }
        if now >= grant.expires {
            return Err(refusal::expired());
        }
        let mut caller = match &grant.to {
            To::Key(id) => self.caller(&*self.active(id)?)?,
            To::Role { id, .. } => {
                let directory = self.identities.of(&grant.account);
                let role = directory.roles().find(|role| role.id == *id);
                let role = role.ok_or_else(refusal::unrecognized)?;
                let arn = role.arn(&grant.account);
                session_caller(grant.account.clone(), Session::granted(arn, grant))
            }
        };
        caller.access_key_id = made.access_key_id;
        Ok((made.secret_access_key, caller))
    }

    /// Whose key it is. The account's own are shown as users of their names. AWS's user ids are 21 characters that begin
    /// with `AIDA`; those repeat the key's own letters, so that they are stable.
    fn caller(&self, key: &AccessKey) -> Result<Caller> {
        let account = key.account.clone();
        let (arn, user_id) = match &key.user {
            Some(id) => {
                let directory = self.identities.of(&account);
                let user = directory.user_by_id(id);
                let user = user.ok_or_else(refusal::unrecognized)?;
                (user.arn(&account), id.to_string())
            }
            None => {
                let letters = key.id.strip_prefix("AKIA").unwrap_or(&key.id);
                let arn = format!("arn:aws:iam::{account}:user/{}", key.name);
                (arn, format!("AIDA{letters}"))
            }
        };
        Ok(Caller {
            account,
            access_key_id: key.id.clone(),
            arn,
            user_id,
            identity: match &key.user {
                Some(id) => Identity::User(id.clone()),
                None => Identity::Account,
            },
        })
    }

    /// Remembers that its owner used a key.
    fn note(&self, admitted: &Admitted) {
        let claim = &admitted.claim;
        let (id, service) = (claim.access_key_id.as_str(), claim.service.as_str());
        self.keys.used(id, service, &claim.region, admitted.now);
    }

    /// The keys that a function's clients sign with.
    fn function_keys(&self, function: &FunctionCaller) -> FunctionKeys {
        FunctionKeys::derive(self.keys.function_secret(), function)
    }

    /// Checks the signature and the body.
    pub(crate) fn verify(
        &self,
        admitted: Option<Admitted>,
        head: &Parts,
        body: Bytes,
    ) -> Result<Verified> {
        let Some(admitted) = admitted else {
            return Ok(Verified {
                caller: self.anybody(head),
                body: payload::unframed(head, body)?,
            });
        };
        let checked = check(&admitted.claim, &admitted.secret, head, body);
        let body = checked.inspect_err(|refused| admitted.log(refused))?;
        // A body may take minutes, in which the account was erased.
        if self.tenants.is_closed(&admitted.caller.account) {
            return Err(refusal::unrecognized());
        }
        self.note(&admitted);
        Ok(Verified {
            caller: admitted.caller,
            body,
        })
    }

    /// Checks the signature of a request whose body is yet to come: what it says of the body must be checked when
    /// it has. `signed_v2` is the resource that was signed, where that was done in the old way.
    pub(crate) fn verify_head(
        &self,
        admitted: Option<Admitted>,
        head: &Parts,
        signed_v2: Option<&str>,
    ) -> Result<Streamed> {
        let Some(admitted) = admitted else {
            return Ok(Streamed {
                caller: self.anybody(head),
                unframer: payload::unframer(head)?,
                sha256: None,
            });
        };
        let (claim, secret) = (&admitted.claim, admitted.secret.as_str());
        let announced = payload::Payload::announced(head, claim)?;
        let payload = announced.unwrap_or(payload::Payload::Unsigned);
        let verified = match signed_v2 {
            Some(resource) => sigv2::verify(claim, secret, head, resource),
            None => sigv4::verify(claim, secret, head, &payload),
        };
        verified.inspect_err(|refused| admitted.log(refused))?;
        self.note(&admitted);
        Ok(Streamed {
            unframer: payload.unframer(claim, secret),
            sha256: match payload {
                payload::Payload::Hashed(hash) => Some(hash),
                _ => None,
            },
            caller: admitted.caller,
        })
    }

    /// The caller when any credentials will do: the configured account.
    fn anybody(&self, head: &Parts) -> Caller {
        let claim = Claim::read(head).ok();
        Caller {
            account: self.account.clone(),
            access_key_id: claim.map(|claim| claim.access_key_id).unwrap_or_default(),
            arn: format!("arn:aws:iam::{}:root", self.account),
            user_id: self.account.to_string(),
            identity: Identity::Account,
        }
    }
}

/// Somebody in a session of a role, as AWS names it.
fn session_caller(account: AccountId, session: Session) -> Caller {
    let role = session.role.rsplit('/').next().unwrap_or_default();
    let id = session.role_id.as_ref().map_or(NO_ROLE, EntityId::as_str);
    Caller {
        arn: format!(
            "arn:aws:sts::{account}:assumed-role/{role}/{}",
            session.name
        ),
        user_id: format!("{id}:{}", session.name),
        access_key_id: String::new(),
        account,
        identity: Identity::Role(Arc::new(session)),
    }
}

/// Refuses a request that the owner of the secret did not sign; otherwise its body, unframed.
fn check(claim: &Claim, secret: &str, head: &Parts, body: Bytes) -> Result<Bytes> {
    let payload = payload::Payload::read(head, claim, &body)?;
    sigv4::verify(claim, secret, head, &payload)?;
    payload.open(claim, secret, body)
}
