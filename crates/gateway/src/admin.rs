//! What only Kiln has, under `/_kiln/`. Described in `docs/reference/admin-api.md`.
//!
//! Requests are signed like those to AWS, for the service `kiln`.

use bytes::Bytes;
use http::{Method, Response};
use serde::Serialize;
use serde_json::Value;

use crate::access::{self, Need};
use crate::audit::{self, Deed, Outcome};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::wire::{Protocol, fault, percent};

pub(crate) mod artifact;
mod audit_log;
mod events;
mod signing_profiles;
pub mod status;
pub(crate) mod tenants;
mod usage;
mod vault;

/// The actions that concern every account.
const OF_THE_SERVER: [&str; 6] = [
    "CreateTenant",
    "EraseTenant",
    "GetTenant",
    "LimitTenant",
    "ListTenants",
    "RotateDataKeys",
];

/// What the paths begin with.
pub(crate) const PREFIX: &str = "/_kiln/";

/// Whether what follows the prefix is what users of functions need, and not those alone who look after the server.
pub(crate) fn is_for_users(rest: &str) -> bool {
    rest == "runtimes" || rest.starts_with(artifact::PREFIX)
}

/// Answers a request of an administrator's.
pub(crate) async fn handle(
    context: &Context,
    method: &Method,
    path: &str,
    query: &str,
) -> Response<Bytes> {
    let answer = answer(context, method, path, query).await;
    answer.unwrap_or_else(|error| fault::response(&error, Protocol::RestJson, context.request_id))
}

async fn answer(
    context: &Context,
    method: &Method,
    path: &str,
    query: &str,
) -> Result<Response<Bytes>> {
    let Some(rest) = path.strip_prefix(PREFIX) else {
        return Err(unknown(method, path));
    };
    let name = action(method, rest);
    let answered = match name.map_or(Ok(()), |name| permit(context, name)) {
        Ok(()) => run(context, method, rest, query).await,
        Err(refused) => Err(refused),
    };
    if let Some(name) = name {
        let deed = Deed {
            service: "kiln",
            name,
        };
        let names = json_names(query);
        audit::note(context, deed, names, Outcome::of(&answered)).await?;
    }
    answered
}

async fn run(
    context: &Context,
    method: &Method,
    rest: &str,
    query: &str,
) -> Result<Response<Bytes>> {
    match (method, rest) {
        (&Method::GET, "runtimes") => Ok(json(&Runtimes {
            runtimes: &context.deps.runtimes,
        })),
        (&Method::GET, "status") => Ok(json(&(context.deps.status)())),
        (&Method::GET, "usage") => usage::handle(context, query)
            .await
            .map(|usage| json(&usage)),
        (&Method::GET, "events") => events::list(context, query).await.map(|all| json(&all)),
        (&Method::POST, "events/redrive") => {
            let redriven = events::redrive(context, query).await;
            redriven.map(|redriven| json(&redriven))
        }
        (&Method::POST, "events/purge") => {
            let purged = events::purge(context, query).await;
            purged.map(|purged| json(&purged))
        }
        (&Method::GET, rest) if rest.starts_with("events/") => {
            let shown = events::show(context, &rest["events/".len()..]).await;
            shown.map(|shown| json(&shown))
        }
        (&Method::GET, rest) if rest.starts_with(artifact::PREFIX) => {
            artifact::handle(context, &rest[artifact::PREFIX.len()..]).await
        }
        (&Method::POST, "vault/rotate") => vault::rotate(context).await.map(|done| json(&done)),
        (_, rest) if rest == "tenants" || rest.starts_with(tenants::PREFIX) => {
            run_tenants(context, method, rest, query).await
        }
        (&Method::GET, "audit") => audit_log::list(context, query).await.map(|all| json(&all)),
        (&Method::GET, "audit/verify") => {
            let verified = audit_log::verify(context, query).await;
            verified.map(|verified| json(&verified))
        }
        (&Method::GET, "signing-profiles") => Ok(json(&signing_profiles::list(context))),
        (&Method::POST, "signing-profiles") => {
            let added = signing_profiles::add(context, query).await;
            added.map(|added| json(&added))
        }
        (&Method::POST, "signing-profiles/revoke") => {
            let revoked = signing_profiles::revoke(context, query).await;
            revoked.map(|revoked| json(&revoked))
        }
        (&Method::GET, rest) if rest.starts_with(signing_profiles::PREFIX) => {
            let shown = signing_profiles::show(context, &rest[signing_profiles::PREFIX.len()..]);
            shown.map(|shown| json(&shown))
        }
        _ => Err(unknown(method, &format!("/_kiln/{rest}"))),
    }
}

async fn run_tenants(
    context: &Context,
    method: &Method,
    rest: &str,
    query: &str,
) -> Result<Response<Bytes>> {
    match (method, rest) {
        (&Method::GET, "tenants") => tenants::list(context).await.map(|all| json(&all)),
        (&Method::POST, "tenants") => {
            let created = tenants::create(context, query).await;
            created.map(|created| json(&created))
        }
        (&Method::POST, "tenants/limit") => {
            let limited = tenants::limit(context, query).await;
            limited.map(|limited| json(&limited))
        }
        (&Method::POST, "tenants/erase") => {
            let erased = tenants::erase(context, query).await;
            erased.map(|erased| json(&erased))
        }
        (&Method::GET, rest) if rest.starts_with(tenants::PREFIX) => {
            let shown = tenants::show(context, &rest[tenants::PREFIX.len()..]).await;
            shown.map(|shown| json(&shown))
        }
        _ => Err(unknown(method, &format!("/_kiln/{rest}"))),
    }
}

/// The action that a request is. Code is given to whoever may have the function that it is of.
fn action(method: &Method, rest: &str) -> Option<&'static str> {
    Some(match (method, rest) {
        (&Method::GET, "runtimes") => "ListRuntimes",
        (&Method::GET, "status") => "GetStatus",
        (&Method::GET, "usage") => "GetUsage",
        (&Method::GET, "events") => "ListEvents",
        (&Method::POST, "events/redrive") => "RedriveEvents",
        (&Method::POST, "events/purge") => "PurgeEvents",
        (&Method::POST, "vault/rotate") => "RotateDataKeys",
        (&Method::GET, "audit") => "ListAudit",
        (&Method::GET, "audit/verify") => "VerifyAudit",
        (&Method::GET, "signing-profiles") => "ListSigningProfiles",
        (&Method::POST, "signing-profiles") => "AddSigningProfile",
        (&Method::POST, "signing-profiles/revoke") => "RevokeSigningProfile",
        (&Method::GET, "tenants") => "ListTenants",
        (&Method::POST, "tenants") => "CreateTenant",
        (&Method::POST, "tenants/limit") => "LimitTenant",
        (&Method::POST, "tenants/erase") => "EraseTenant",
        (&Method::GET, rest) if rest.starts_with(tenants::PREFIX) => "GetTenant",
        (&Method::GET, rest) if rest.starts_with("events/") => "GetEvent",
        (&Method::GET, rest) if rest.starts_with(signing_profiles::PREFIX) => "GetSigningProfile",
        _ => return None,
    })
}

/// Refuses what the caller may not have. What concerns every account is for the server's own alone.
fn permit(context: &Context, name: &str) -> Result<()> {
    let (caller, own) = (&context.caller.account, &context.config.account);
    if OF_THE_SERVER.contains(&name) && caller != own {
        let message = format!("Only account {own}, which is the server's own, may kiln:{name}.");
        return Err(ApiError::new(Exception::AccessDenied, message));
    }
    let need = Need::new(format!("kiln:{name}"), "*");
    access::check(context.asking(), &[need])
}

/// The parameters of a query, which name things.
fn json_names(query: &str) -> Value {
    let pairs = percent::pairs(query);
    let named = pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
    Value::Object(named.collect())
}

/// A parameter of the query.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = percent::pairs(query);
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn unknown(method: &Method, path: &str) -> ApiError {
    ApiError::new(
        Exception::UnknownOperation,
        format!("Kiln has no {method} {path}; see docs/reference/admin-api.md."),
    )
}

/// The runtimes that functions may name.
#[derive(Serialize)]
struct Runtimes<'a> {
    runtimes: &'a [String],
}

fn json(document: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(document).expect("numbers, texts and lists are always JSON");
    with_type("application/json", body.into())
}

fn with_type(content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    let value = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn runtimes_are_those_the_server_was_given() {
        let fixture = Fixture::new().await;
        let answer = handle(&fixture.context, &Method::GET, "/_kiln/runtimes", "").await;
        assert_eq!(answer.body(), r#"{"runtimes":["python3.11","python3.12"]}"#);
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_not_found() {
        let fixture = Fixture::new().await;
        for (method, path) in [
            (Method::GET, "/_kiln/x"),
            (Method::POST, "/_kiln/runtimes"),
            (Method::GET, "/_kiln//_kiln/runtimes"),
            (Method::GET, "runtimes"),
            (Method::GET, "/runtimes"),
        ] {
            let answer = handle(&fixture.context, &method, path, "").await;
            assert_eq!(answer.status(), 404, "{method} {path}");
        }
    }
}
