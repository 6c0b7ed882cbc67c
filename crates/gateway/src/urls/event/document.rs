//! The event as a JSON document: names and order of its parts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    pub(super) version: &'static str,
    pub(super) route_key: &'static str,
    pub(super) raw_path: &'a str,
    pub(super) raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cookies: Vec<String>,
    pub(super) headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) query_string_parameters: BTreeMap<String, String>,
    pub(super) request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Cow<'a, str>>,
    pub(super) is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestContext<'a> {
    pub(super) account_id: &'a str,
    pub(super) api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorizer: Option<Authorizer<'a>>,
    pub(super) domain_name: &'a str,
    pub(super) domain_prefix: &'a str,
    pub(super) http: Http<'a>,
    pub(super) request_id: String,
    pub(super) route_key: &'static str,
    pub(super) stage: &'static str,
    pub(super) time: String,
    pub(super) time_epoch: i64,
}

#[derive(Serialize)]
pub(super) struct Authorizer<'a> {
    pub(super) iam: Iam<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Iam<'a> {
    pub(super) access_key: &'a str,
    pub(super) account_id: &'a str,
    pub(super) caller_id: &'a str,
    pub(super) cognito_identity: Option<&'a str>,
    pub(super) principal_org_id: Option<&'a str>,
    pub(super) user_arn: &'a str,
    pub(super) user_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Http<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) protocol: &'static str,
    pub(super) source_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<Cow<'a, str>>,
}
