//! Events in payload format 1.0, which HTTP APIs share with REST APIs.
//!
//! Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs". Absent parts
//! are null. Of several values of one name the plain maps have the last, and the maps of lists all.
//!
//! AWS differs: it was seen to keep the case in which clients of HTTP/1.1 write names of headers; here they
//! are in lower case, as its documentation says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::incoming::Incoming;
use super::place::{Place, Who};

#[cfg(test)]
mod tests;

/// The event for a function.
pub(crate) fn event(incoming: &Incoming<'_>, place: &Place<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = incoming.body_text();
    to_json(&Event {
        body: Some(body),
        is_base64_encoded: Some(is_base64_encoded),
        ..described(incoming, place)
    })
}

/// The event for a function that judges whether a request may come in. It is not told the body.
pub(crate) fn question(
    incoming: &Incoming<'_>,
    place: &Place<'_>,
    method_arn: &str,
    identity: &[String],
) -> Vec<u8> {
    let identity = identity.join(",");
    let question = Question {
        kind: "REQUEST",
        method_arn,
        identity_source: &identity,
        authorization_token: &identity,
    };
    to_json(&Event {
        question: Some(question),
        ..described(incoming, place)
    })
}

type Lists<K> = BTreeMap<K, Vec<String>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    #[serde(flatten)]
    question: Option<Question<'a>>,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, String>,
    multi_value_headers: Lists<&'a str>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<Lists<String>>,
    request_context: RequestContext<'a>,
    path_parameters: Option<&'a BTreeMap<String, String>>,
    stage_variables: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Option<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    identity_source: &'a str,
    authorization_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    authorizer: Map<String, Value>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    extended_request_id: &'a str,
    http_method: &'a str,
    identity: Identity<'a>,
    path: &'a str,
    protocol: &'static str,
    request_id: &'a str,
    request_time: String,
    request_time_epoch: i64,
    resource_id: &'a str,
    resource_path: &'a str,
    stage: &'a str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    access_key: Option<&'a str>,
    account_id: Option<&'a str>,
    caller: Option<&'a str>,
    cognito_amr: Option<&'a str>,
    cognito_authentication_provider: Option<&'a str>,
    cognito_authentication_type: Option<&'a str>,
    cognito_identity_id: Option<&'a str>,
    cognito_identity_pool_id: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    source_ip: String,
    user: Option<&'a str>,
    user_agent: Option<Cow<'a, str>>,
    user_arn: Option<&'a str>,
}

/// All that both kinds of events tell.
fn described<'a>(incoming: &'a Incoming<'_>, place: &'a Place<'_>) -> Event<'a> {
    let header_lists = incoming.header_lists();
    let lists = Some(incoming.parameter_lists()).filter(|lists| !lists.is_empty());
    Event {
        version: "1.0",
        question: None,
        resource: place.resource,
        path: incoming.path,
        http_method: incoming.method.as_str(),
        headers: last(&header_lists),
        multi_value_headers: header_lists,
        query_string_parameters: lists.as_ref().map(last),
        multi_value_query_string_parameters: lists,
        request_context: context(incoming, place),
        path_parameters: unless_empty(place.path_parameters),
        stage_variables: unless_empty(place.stage_variables),
        body: None,
        is_base64_encoded: None,
    }
}

fn context<'a>(incoming: &'a Incoming<'_>, place: &'a Place<'_>) -> RequestContext<'a> {
    RequestContext {
        account_id: place.account,
        api_id: place.api,
        authorizer: authorizer(place.who),
        domain_name: incoming.domain,
        domain_prefix: place.domain_prefix,
        extended_request_id: incoming.request_id,
        http_method: incoming.method.as_str(),
        identity: identity(incoming, place.who),
        path: place.path,
        protocol: incoming.protocol(),
        request_id: incoming.request_id,
        request_time: incoming.time_text(),
        request_time_epoch: incoming.time.as_millis(),
        resource_id: place.route_key,
        resource_path: place.resource,
        stage: place.stage,
    }
}

/// What was found out about the caller. Where nothing was, AWS shows an empty token.
fn authorizer(who: Who<'_>) -> Map<String, Value> {
    let (claims, scopes) = match who {
        Who::Judged { principal, context } => {
            let mut said = context.cloned().unwrap_or_default();
            if let Some(principal) = principal {
                said.insert("principalId".to_owned(), principal.into());
            }
            return said;
        }
        Who::Token { claims, scopes } => (Some(claims), scopes),
        Who::Anybody | Who::Signer(_) => (None, None),
    };
    let members = [("claims", json!(claims)), ("scopes", json!(scopes))];
    members
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn identity<'a>(incoming: &'a Incoming<'_>, who: Who<'a>) -> Identity<'a> {
    let signer = who.signer();
    Identity {
        access_key: signer.map(|signer| signer.access_key_id),
        account_id: signer.map(|signer| signer.account),
        caller: signer.map(|signer| signer.user_id),
        source_ip: incoming.source_ip.to_string(),
        user: signer.map(|signer| signer.user_id),
        user_agent: incoming.user_agent(),
        user_arn: signer.map(|signer| signer.arn),
        ..Default::default()
    }
}

fn last<K: Ord + Clone>(lists: &Lists<K>) -> BTreeMap<K, String> {
    let last = |(name, values): (&K, &Vec<String>)| Some((name.clone(), values.last()?.clone()));
    lists.iter().filter_map(last).collect()
}

fn unless_empty(map: &BTreeMap<String, String>) -> Option<&BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
}

fn to_json(event: &Event<'_>) -> Vec<u8> {
    serde_json::to_vec(event).expect("texts, numbers and maps with text keys are always JSON")
}
