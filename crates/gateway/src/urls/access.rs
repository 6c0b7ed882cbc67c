//! Who may call a function URL.
//!
//! Anybody's URL needs two grants to everybody in the resource policy: `lambda:InvokeFunctionUrl`
//! with the URL's auth type, and `lambda:InvokeFunction` with `lambda:InvokedViaFunctionUrl`
//! (required of functions since October 2025). With `AWS_IAM` the caller must sign: one of the function's own account needs
//! both by its own policies or the function's, others need the two grants, and to be allowed both by their own account.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use kiln_policy::keys;
use kiln_types::FunctionArn;
use kiln_types::url::UrlAuth;

use super::{Door, Found};
use crate::access::{self, Asking, Guest, Need};
use crate::auth::{Admitted, Claim};
use crate::context::{Caller, Origin};
use crate::lambda::url::auth_name;

/// Both are needed.
const ACTIONS: [&str; 2] = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];

/// Why a request is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody granted it, or it should have been signed.
    NotGranted,
    /// Its signature does not fit; says why.
    Signature(Cow<'static, str>),
}

/// A request that may come in, once its signature is verified if it needs one.
pub(super) enum Entry {
    /// Everybody may.
    Anybody,
    /// Its signer may; what of the signature is yet to be verified.
    Signer(Option<Box<Admitted>>),
}

/// Checks what can be checked before the body is there.
pub(super) fn admit(door: Door<'_>, found: &Found, head: &Parts) -> Result<Entry, Refused> {
    if found.url.auth == UrlAuth::None {
        return match is_granted(door, found, head, None) {
            true => Ok(Entry::Anybody),
            false => Err(Refused::NotGranted),
        };
    }
    let claim = Claim::read(head);
    // Where any credentials will do, some are wanted all the same: a web page has none.
    if claim.is_err() {
        return Err(Refused::NotGranted);
    }
    let now = door.deps.clock.timestamp();
    let authenticator = door.authenticator;
    match authenticator.admit(claim, "lambda", door.function, now) {
        Ok(admitted) => Ok(Entry::Signer(admitted.map(Box::new))),
        Err(error) => Err(Refused::Signature(error.message)),
    }
}

/// Checks the rest. Returns who signed the request and the body without its framing.
pub(super) fn verify(
    door: Door<'_>,
    found: &Found,
    entry: Entry,
    head: &Parts,
    body: Bytes,
) -> Result<(Option<Caller>, Bytes), Refused> {
    let Entry::Signer(admitted) = entry else {
        return Ok((None, body));
    };
    let verified = door
        .authenticator
        .verify(admitted.map(|admitted| *admitted), head, body);
    let verified = verified.map_err(|error| Refused::Signature(error.message))?;
    match is_granted(door, found, head, Some(&verified.caller)) {
        true => Ok((Some(verified.caller), verified.body)),
        false => Err(Refused::NotGranted),
    }
}

fn is_granted(door: Door<'_>, found: &Found, head: &Parts, signer: Option<&Caller>) -> bool {
    let arn = FunctionArn::new(door.config.region.clone(), &found.function.id);
    let arn = arn.qualified(found.qualifier.clone()).to_string();
    let owner = &found.function.id.account;
    let nobody = Caller::nobody(owner.clone());
    let caller = signer.unwrap_or(&nobody);
    let origin = Origin::of(head, door.address);
    let asking = Asking {
        config: door.config,
        store: &door.deps.store,
        access: door.access,
        caller,
        origin: &origin,
        now: door.deps.clock.timestamp(),
    };
    let needs = ACTIONS.map(|action| {
        Need::new(action, arn.as_str())
            .with(
                keys::LAMBDA_FUNCTION_URL_AUTH_TYPE,
                Some(auth_name(found.url.auth)),
            )
            .with(keys::LAMBDA_INVOKED_VIA_FUNCTION_URL, Some("true"))
    });
    let guest = match signer {
        Some(signer) if signer.account == *owner => return access::check(asking, &needs).is_ok(),
        Some(_) => Guest::Caller,
        None => Guest::Anonymous,
    };
    let of = (&*found.function, found.qualifier.as_ref());
    access::lets_in(asking, guest, of, &needs)
}
