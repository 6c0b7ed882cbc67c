//! Events in payload format 2.0: of function URLs and of HTTP APIs.
//!
//! Sources: developer guides, "Invoking Lambda function URLs" and "Create AWS Lambda proxy integrations
//! for HTTP APIs"; aws-lambda-go's recorded `lambda-urls-request.json`. Absent parts are left out, as AWS
//! does, not sent as null.
//!
//! AWS differs: it also tells function URLs the TLS version and cipher, which a listener without TLS does
//! not know.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::incoming::Incoming;
use super::place::{Place, Signer, Who};

#[cfg(test)]
pub(crate) mod tests;

/// The event for a function.
pub(crate) fn event(incoming: &Incoming<'_>, place: &Place<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = incoming.body_text();
    to_json(&Event {
        body,
        is_base64_encoded: Some(is_base64_encoded),
        ..described(incoming, place)
    })
}

/// The event for a function that judges whether a request may come in. It is not told the body.
pub(crate) fn question(
    incoming: &Incoming<'_>,
    place: &Place<'_>,
    route_arn: &str,
    identity: &[String],
) -> Vec<u8> {
    let question = Question {
        kind: "REQUEST",
        route_arn,
        identity_source: identity,
    };
    to_json(&Event {
        question: Some(question),
        ..described(incoming, place)
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    #[serde(flatten)]
    question: Option<Question<'a>>,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stage_variables: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    route_arn: &'a str,
    identity_source: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Authorizer<'a> {
    Iam(Iam<'a>),
    Jwt {
        claims: &'a BTreeMap<String, String>,
        scopes: Option<&'a [String]>,
    },
    Lambda(Option<&'a Map<String, Value>>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

/// All that both kinds of events tell.
fn described<'a>(incoming: &'a Incoming<'_>, place: &'a Place<'_>) -> Event<'a> {
    Event {
        version: "2.0",
        question: None,
        route_key: place.route_key,
        raw_path: place.path,
        raw_query_string: incoming.query,
        cookies: incoming.cookies(),
        headers: incoming.joined_headers(),
        query_string_parameters: incoming.joined_parameters(),
        request_context: RequestContext {
            account_id: place.account,
            api_id: place.api,
            authorizer: Authorizer::of(place.who),
            domain_name: incoming.domain,
            domain_prefix: place.domain_prefix,
            http: Http {
                method: incoming.method.as_str(),
                path: place.path,
                protocol: incoming.protocol(),
                source_ip: incoming.source_ip.to_string(),
                user_agent: incoming.user_agent(),
            },
            request_id: incoming.request_id,
            route_key: place.route_key,
            stage: place.stage,
            time: incoming.time_text(),
            time_epoch: incoming.time.as_millis(),
        },
        path_parameters: place.path_parameters,
        stage_variables: place.stage_variables,
        body: None,
        is_base64_encoded: None,
    }
}

impl<'a> Authorizer<'a> {
    fn of(who: Who<'a>) -> Option<Self> {
        match who {
            Who::Anybody => None,
            Who::Signer(signer) => Some(Self::Iam(Iam::of(signer))),
            Who::Token { claims, scopes } => Some(Self::Jwt { claims, scopes }),
            Who::Judged { context, .. } => Some(Self::Lambda(context)),
        }
    }
}

impl<'a> Iam<'a> {
    fn of(signer: Signer<'a>) -> Self {
        Self {
            access_key: signer.access_key_id,
            account_id: signer.account,
            caller_id: signer.user_id,
            cognito_identity: None,
            principal_org_id: None,
            user_arn: signer.arn,
            user_id: signer.user_id,
        }
    }
}

fn to_json(event: &Event<'_>) -> Vec<u8> {
    serde_json::to_vec(event).expect("texts, numbers and maps with text keys are always JSON")
}
