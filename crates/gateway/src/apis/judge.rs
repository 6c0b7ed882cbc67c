//! Who may use a route: everybody, keys that sign ([`Access::Signed`]), holders of tokens ([`token`]), or whom
//! a function lets in ([`function`]). All but the rest of a signature is decided before the body is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use kiln_types::api::Authorization;

use super::{Call, answer};
use crate::access::{self, Asking, Need};
use crate::auth::{Admitted, Claim};
use crate::context::{Caller, Origin};
use crate::proxy::{Signer, Who};
use crate::server::Shared;

mod function;
mod identity;
mod judgement;
mod kept;
mod policy;
mod token;

pub(super) use kept::Judgements;

use judgement::Judgement;

/// The name of the service that requests to APIs are signed for.
const SERVICE: &str = "execute-api";

/// The answer to a request that may not come in.
type Refused = Box<Response<Bytes>>;

/// What is known of who sent a request.
pub(super) enum Access {
    /// All there is to know.
    Known(Known),
    /// Its signer may be let in; what of the signature is yet to be verified.
    Signed(Option<Box<Admitted>>),
}

/// Who sent a request.
pub(super) enum Known {
    /// Nobody asked.
    Anybody,
    /// The holder of a key.
    Signer(Caller),
    /// The holder of a token.
    Token {
        claims: BTreeMap<String, String>,
        scopes: Option<Vec<String>>,
    },
    /// Whom a function let in.
    Judged(Arc<Judgement>),
}

/// Checks what can be checked before the body is there.
pub(super) async fn admit(gateway: &Shared, call: &Call) -> Result<Access, Refused> {
    let target = &call.target;
    let Some(route) = target.route() else {
        return Err(answer::not_found().into());
    };
    let authorization = &route.authorization;
    let authorizer = match authorization.authorizer() {
        None => None,
        Some(id) => target.definition.authorizers.get(id),
    };
    let known = match (authorization, authorizer) {
        (Authorization::None, _) => Known::Anybody,
        (Authorization::Iam, _) => return signed(gateway, call),
        (Authorization::Jwt { scopes, .. }, Some(authorizer)) => {
            token::judge(gateway, call, authorizer, scopes).await?
        }
        (Authorization::Function { .. }, Some(authorizer)) => {
            Known::Judged(function::judge(gateway, call, authorizer).await?)
        }
        // An edit that would leave a route without its authorizer is refused.
        (Authorization::Jwt { .. } | Authorization::Function { .. }, None) => {
            return Err(answer::internal_server_error().into());
        }
    };
    Ok(Access::Known(known))
}

fn signed(gateway: &Shared, call: &Call) -> Result<Access, Refused> {
    let now = gateway.deps.clock.timestamp();
    let (claim, function) = (Claim::read(&call.head), call.peer.function());
    // Where any credentials will do, some are wanted all the same: a web page has none.
    if claim.is_err() {
        return Err(answer::forbidden().into());
    }
    let admitted = gateway.authenticator.admit(claim, SERVICE, function, now);
    match admitted {
        Ok(admitted) => Ok(Access::Signed(admitted.map(Box::new))),
        Err(_) => Err(answer::forbidden().into()),
    }
}

impl Access {
    /// Checks the rest. Returns who sent the request, and the body without its framing.
    pub(super) fn verify(
        self,
        gateway: &Shared,
        call: &Call,
        body: Bytes,
    ) -> Result<(Known, Bytes), Refused> {
        let admitted = match self {
            Access::Known(known) => return Ok((known, body)),
            Access::Signed(admitted) => admitted.map(|admitted| *admitted),
        };
        let verified = gateway.authenticator.verify(admitted, &call.head, body);
        let verified = verified.map_err(|_| Box::new(answer::forbidden()))?;
        match may(gateway, call, &verified.caller) {
            true => Ok((Known::Signer(verified.caller), verified.body)),
            false => Err(answer::forbidden().into()),
        }
    }
}

/// Whether a signer may use the route.
fn may(gateway: &Shared, call: &Call, caller: &Caller) -> bool {
    if caller.account != call.target.api.account {
        return false;
    }
    let origin = Origin::of(&call.head, call.peer.outside());
    let asking = Asking::of(gateway, caller, &origin);
    let resource = function::route_arn(gateway, call);
    access::check(asking, &[Need::new("execute-api:Invoke", resource)]).is_ok()
}

impl Known {
    /// The same as events tell it.
    pub(super) fn who(&self) -> Who<'_> {
        match self {
            Known::Anybody => Who::Anybody,
            Known::Signer(caller) => Who::Signer(Signer::of(caller)),
            Known::Token { claims, scopes } => Who::Token {
                claims,
                scopes: scopes.as_deref(),
            },
            Known::Judged(judgement) => Who::Judged {
                principal: judgement.principal.as_deref(),
                context: judgement.context.as_ref(),
            },
        }
    }
}
