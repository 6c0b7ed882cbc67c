//! What a handler knows besides its input: who asks, when, and whom it can turn to.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Method, Uri};
use kiln_types::iam::{Directory, EntityId, Tags};
use kiln_types::{AccountId, RequestId, Timestamp};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access, Asking};
use crate::auth::{Grant, Narrowing, To};
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
    /// From where, and how.
    pub(crate) origin: Origin,
    /// Decides what the caller may.
    pub(crate) access: Arc<Access>,
    /// What of its parameters is for the audit log, once they are read.
    pub(crate) names: Arc<OnceLock<Value>>,
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
    /// Whose permissions it has.
    pub(crate) identity: Identity,
}

/// Whose permissions a caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The account's: everything in it.
    Account,
    /// A user's.
    User(EntityId),
    /// Those of a session of a role.
    Role(Arc<Session>),
    /// None: no credentials were shown.
    Nobody,
}

/// Somebody who has become a role for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The role's ARN.
    pub(crate) role: String,
    /// The role's id; none when there is no such role, which a function may name all the same.
    pub(crate) role_id: Option<EntityId>,
    /// What the session is called.
    pub(crate) name: String,
    /// Policies that narrow what the role may; none when none were given.
    pub(crate) policies: Option<Vec<Narrowing>>,
    /// Tags that the session was given beside the role's.
    pub(crate) tags: Tags,
    /// When its credentials were made; those of functions are not.
    pub(crate) issued: Option<Timestamp>,
    /// The function that it is the session of.
    pub(crate) function: Option<String>,
}

/// Where a request came from, as the conditions of policies ask for it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The method and where to.
    pub(crate) method: Method,
    /// The same.
    pub(crate) uri: Uri,
    /// The client's address; a function has none.
    pub(crate) address: Option<IpAddr>,
    /// What the client calls itself.
    pub(crate) user_agent: Option<HeaderValue>,
    /// The page that led there.
    pub(crate) referer: Option<HeaderValue>,
}

impl Context {
    /// Invocations that the caller's account may have in flight.
    pub(crate) fn account_concurrency(&self) -> u32 {
        let limits = self.deps.store.tenants().limits(&self.caller.account);
        let every = self.config.account_concurrency;
        limits.concurrency.unwrap_or(every)
    }

    /// The request, as what its caller may is asked.
    pub(crate) fn asking(&self) -> Asking<'_> {
        Asking {
            config: &self.config,
            store: &self.deps.store,
            access: &self.access,
            caller: &self.caller,
            origin: &self.origin,
            now: self.now,
        }
    }
}

impl Session {
    /// A session of the role with an ARN, as far as there is such a role.
    pub(crate) fn of(directory: &Directory, role: &str, name: &str) -> Self {
        Self {
            role: role.to_owned(),
            role_id: access::role_of(directory, role).map(|role| role.id.clone()),
            name: name.to_owned(),
            policies: None,
            tags: Tags::new(),
            issued: None,
            function: None,
        }
    }
}

impl Session {
    /// A session of the role with this ARN that was granted.
    pub(crate) fn granted(role: String, grant: Grant) -> Self {
        let mut session = Self {
            role,
            role_id: None,
            name: String::new(),
            policies: None,
            tags: Tags::new(),
            issued: Some(grant.issued),
            function: None,
        };
        if let To::Role {
            id,
            session: name,
            policies,
            tags,
        } = grant.to
        {
            session.role_id = Some(id);
            session.name = name;
            session.policies = policies;
            session.tags = tags;
        }
        session
    }
}

impl Caller {
    /// Somebody who shows no credentials, and by what the request says that it may be about this account.
    pub(crate) fn nobody(account: AccountId) -> Self {
        Self {
            account,
            access_key_id: String::new(),
            arn: String::new(),
            user_id: "anonymous".to_owned(),
            identity: Identity::Nobody,
        }
    }

    /// Whether it shows no credentials.
    pub(crate) fn is_nobody(&self) -> bool {
        self.identity == Identity::Nobody
    }
}

impl Origin {
    /// Of a request; `address` is its client's.
    pub(crate) fn of(head: &http::request::Parts, address: Option<IpAddr>) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            address,
            user_agent: head.headers.get(http::header::USER_AGENT).cloned(),
            referer: head.headers.get(http::header::REFERER).cloned(),
        }
    }
}
