//! The event of a function URL: an HTTP request in payload format 2.0.
//!
//! Sources: developer guide, "Invoking Lambda function URLs"; aws-lambda-go's recorded
//! `lambda-urls-request.json`. Absent parts are left out, as AWS does, not sent as null.
//!
//! AWS differs: it also tells the TLS version and cipher, which a listener without TLS does not know.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method, Uri, Version, header};
use kiln_types::{AccountId, RequestId, Timestamp, UrlId};
use percent_encoding::percent_decode_str;

mod document;
#[cfg(test)]
mod tests;

use document::{Authorizer, Event, Http, Iam, RequestContext};

/// A request that came to a function URL.
pub(crate) struct Call<'a> {
    pub(crate) url: &'a UrlId,
    /// The host that was called, without its port.
    pub(crate) domain: &'a str,
    pub(crate) port: u16,
    /// How the client speaks: to a proxy before the server, perhaps TLS.
    pub(crate) scheme: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) source_ip: IpAddr,
    pub(crate) time: Timestamp,
    pub(crate) request_id: RequestId,
    pub(crate) trace: &'a str,
    /// Who signed the request; none where anybody may call.
    pub(crate) signer: Option<Signer<'a>>,
}

/// Who signed a request.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) account: &'a AccountId,
    pub(crate) arn: &'a str,
    pub(crate) user_id: &'a str,
}

impl Call<'_> {
    /// The event as JSON.
    pub(crate) fn event(&self) -> Vec<u8> {
        let (body, is_base64_encoded) = body_text(self.headers, self.body);
        let path = self.uri.path();
        let query = self.uri.query().unwrap_or_default();
        let event = Event {
            version: "2.0",
            route_key: "$default",
            raw_path: path,
            raw_query_string: query,
            cookies: cookies(self.headers),
            headers: self.event_headers(),
            query_string_parameters: query_parameters(query),
            request_context: self.request_context(path),
            body,
            is_base64_encoded,
        };
        serde_json::to_vec(&event).expect("texts, numbers and maps with text keys are always JSON")
    }

    fn request_context<'b>(&'b self, path: &'b str) -> RequestContext<'b> {
        let user_agent = self
            .headers
            .get(header::USER_AGENT)
            .map(|value| text(value.as_bytes()));
        RequestContext {
            account_id: self
                .signer
                .map_or("anonymous", |signer| signer.account.as_str()),
            api_id: self.url.as_str(),
            authorizer: self.signer.map(|signer| Authorizer {
                iam: Iam::of(signer),
            }),
            domain_name: self.domain,
            domain_prefix: self.url.as_str(),
            http: Http {
                method: self.method.as_str(),
                path,
                protocol: protocol(self.version),
                source_ip: self.source_ip.to_string(),
                user_agent,
            },
            request_id: self.request_id.to_string(),
            route_key: "$default",
            stage: "$default",
            time: self
                .time
                .to_jiff()
                .strftime("%d/%b/%Y:%H:%M:%S +0000")
                .to_string(),
            time_epoch: self.time.as_millis(),
        }
    }

    /// Lower-case names, values of the same name joined by commas, and what a proxy would add.
    fn event_headers(&self) -> BTreeMap<&str, String> {
        let mut headers: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in self.headers {
            if *name == header::COOKIE || is_hop_by_hop(name) {
                continue;
            }
            let value = text(value.as_bytes());
            let entry = headers.entry(name.as_str()).or_default();
            if !entry.is_empty() {
                entry.push(',');
            }
            entry.push_str(&value);
        }
        let forwarded = headers.entry("x-forwarded-for").or_default();
        if !forwarded.is_empty() {
            forwarded.push_str(", ");
        }
        forwarded.push_str(&self.source_ip.to_string());
        headers.insert("x-forwarded-port", self.port.to_string());
        headers.insert("x-forwarded-proto", self.scheme.to_owned());
        headers.insert("x-amzn-trace-id", self.trace.to_owned());
        headers
    }
}

/// Headers about one connection, which end here in both directions.
pub(super) fn is_hop_by_hop(name: &header::HeaderName) -> bool {
    const NAMES: &[&str] = &[
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&name.as_str())
}

/// The body as text where it is text, else in base64; nothing where there is no body.
fn body_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(body) if has_text_type(headers) => (Some(body.into()), false),
        _ => (Some(BASE64_STANDARD.encode(body).into()), true),
    }
}

/// Recorded from AWS: texts, JSON, XML and JavaScript are text; forms, and bodies without a
/// type, are not.
fn has_text_type(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    let media_type = text(value)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type.starts_with("text/")
        || ["json", "xml", "javascript"]
            .iter()
            .any(|kind| media_type.contains(kind))
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let mut cookies = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        let value = text(value.as_bytes());
        cookies.extend(
            value
                .split(';')
                .map(str::trim)
                .filter(|c| !c.is_empty())
                .map(str::to_owned),
        );
    }
    cookies
}

/// Decoded names and values; values of the same name joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = form_decoded(value);
        parameters
            .entry(form_decoded(name))
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

impl<'a> Iam<'a> {
    fn of(signer: Signer<'a>) -> Self {
        Self {
            access_key: signer.access_key_id,
            account_id: signer.account.as_str(),
            caller_id: signer.user_id,
            cognito_identity: None,
            principal_org_id: None,
            user_arn: signer.arn,
            user_id: signer.user_id,
        }
    }
}
