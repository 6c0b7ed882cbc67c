//! Presigned URLs of our own: what `GetFunction` returns for downloading a function's code.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use kiln_types::iam::EntityId;

use super::time::system_time;
use super::{Grant, Temporary, To};
use crate::config::Auth;
use crate::context::{Context, Identity, Session};
use crate::error::{ApiError, Result};
use crate::router::Service;

/// A URL with which anybody may GET `path` of this server for as long as it is valid, on behalf of
/// the caller: signed with its key, or where that is a temporary one with another of the same rights. `path` begins with
/// `/_kiln/`. Where any credentials will do, it is not signed.
pub(crate) fn presign_get(context: &Context, path: &str, expires: Duration) -> Result<String> {
    let endpoint = &context.config.endpoint;
    let url = format!("{endpoint}{path}");
    let Some(credentials) = credentials(context, expires) else {
        return Ok(url);
    };
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires);
    let params = SigningParams::builder()
        .identity(&identity)
        .region(context.config.region.as_str())
        .name(Service::Kiln.name())
        .time(system_time(context.now))
        .settings(settings)
        .build()
        .expect("all parameters are set")
        .into();
    let headers = [("host", endpoint.authority())];
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new("GET", url.as_str(), headers.into_iter(), body);
    let signed = request.and_then(|request| sign(request, &params));
    let (instructions, _) = signed.map_err(|_| ApiError::internal())?.into_parts();
    let pairs = instructions.params().iter().map(|(name, value)| {
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    Ok(format!("{url}?{}", pairs.collect::<Vec<_>>().join("&")))
}

/// What the caller's rights can be signed with.
fn credentials(context: &Context, valid: Duration) -> Option<Credentials> {
    let (caller, keys) = (&context.caller, context.deps.store.keys());
    let of = |user: Option<&EntityId>| {
        let all = keys.list_of(&caller.account, user);
        all.into_iter().find(|key| key.active)
    };
    let key = match (&caller.identity, keys.get(&caller.access_key_id)) {
        (_, Some(own)) => own,
        (Identity::Account, None) if context.config.auth == Auth::Enforce => of(None)?,
        (Identity::User(id), None) => of(Some(id))?,
        (Identity::Role(session), None) => return of_session(context, session, valid),
        (Identity::Account | Identity::Nobody, None) => return None,
    };
    Some(Credentials::new(&key.id, &key.secret, None, None, "kiln"))
}

fn of_session(context: &Context, session: &Session, valid: Duration) -> Option<Credentials> {
    let grant = Grant {
        account: context.caller.account.clone(),
        issued: context.now,
        expires: context.now + valid,
        nonce: 0,
        to: To::Role {
            id: session.role_id.clone()?,
            session: session.name.clone(),
            policies: session.policies.clone(),
            tags: session.tags.clone(),
        },
    };
    let made = Temporary::of(context.deps.store.keys().function_secret(), &grant);
    let Temporary {
        access_key_id,
        secret_access_key,
        session_token,
    } = made;
    let token = Some(session_token);
    Some(Credentials::new(
        access_key_id,
        secret_access_key,
        token,
        None,
        "kiln",
    ))
}
