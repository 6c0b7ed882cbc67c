//! An HTTP request as events tell it: its headers, parameters, cookies and body.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Version, header};
use kiln_types::Timestamp;

use crate::lambda::invocation::new_trace;
use crate::router;
use crate::wire::percent;

/// A request, with what the server knows of it.
pub(crate) struct Incoming<'a> {
    /// The host that was called, without its port.
    pub(crate) domain: &'a str,
    pub(crate) port: u16,
    /// How the client speaks: to a proxy before the server, perhaps TLS.
    pub(crate) scheme: &'a str,
    pub(crate) method: &'a Method,
    /// The path as it was sent, percent-encoded.
    pub(crate) path: &'a str,
    /// The query string as it was sent.
    pub(crate) query: &'a str,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) source_ip: IpAddr,
    pub(crate) time: Timestamp,
    pub(crate) request_id: &'a str,
    pub(crate) trace: &'a str,
}

impl Incoming<'_> {
    /// Lower-case names with their values, and what a proxy would add.
    pub(crate) fn header_lists(&self) -> BTreeMap<&str, Vec<String>> {
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, value) in self.headers {
            if !is_hop_by_hop(name) {
                let value = text(value.as_bytes()).into_owned();
                lists.entry(name.as_str()).or_default().push(value);
            }
        }
        let forwarded = lists.entry("x-forwarded-for").or_default();
        let source = self.source_ip.to_string();
        *forwarded = match forwarded.is_empty() {
            true => vec![source],
            false => vec![format!("{}, {source}", forwarded.join(","))],
        };
        lists.insert("x-forwarded-port", vec![self.port.to_string()]);
        lists.insert("x-forwarded-proto", vec![self.scheme.to_owned()]);
        lists.insert("x-amzn-trace-id", vec![self.trace.to_owned()]);
        lists
    }

    /// The same without cookies, and with values of the same name joined by commas.
    pub(crate) fn joined_headers(&self) -> BTreeMap<&str, String> {
        let mut lists = self.header_lists();
        lists.remove(header::COOKIE.as_str());
        joined(lists)
    }

    /// The cookies, one by one.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let mut cookies = Vec::new();
        for value in self.headers.get_all(header::COOKIE) {
            let value = text(value.as_bytes());
            let several = value.split(';').map(str::trim).filter(|c| !c.is_empty());
            cookies.extend(several.map(str::to_owned));
        }
        cookies
    }

    /// The parameters of the query string, decoded.
    pub(crate) fn parameter_lists(&self) -> BTreeMap<String, Vec<String>> {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in percent::pairs(self.query) {
            lists
                .entry(name.into_owned())
                .or_default()
                .push(value.into_owned());
        }
        lists
    }

    /// The same, with values of the same name joined by commas.
    pub(crate) fn joined_parameters(&self) -> BTreeMap<String, String> {
        joined(self.parameter_lists())
    }

    /// The body as text where it is text, else in base64; nothing where there is no body.
    pub(crate) fn body_text(&self) -> (Option<Cow<'_, str>>, bool) {
        if self.body.is_empty() {
            return (None, false);
        }
        match std::str::from_utf8(self.body) {
            Ok(body) if has_text_type(self.headers) => (Some(body.into()), false),
            _ => (Some(BASE64_STANDARD.encode(self.body).into()), true),
        }
    }

    /// What the client calls itself.
    pub(crate) fn user_agent(&self) -> Option<Cow<'_, str>> {
        let value = self.headers.get(header::USER_AGENT)?;
        Some(text(value.as_bytes()))
    }

    /// The version of HTTP.
    pub(crate) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    /// The time in words: `23/Nov/2026:13:23:00 +0000`.
    pub(crate) fn time_text(&self) -> String {
        let time = self.time.to_jiff();
        time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
    }
}

/// The tracing header of a request, or a new one.
pub(crate) fn trace_of(headers: &HeaderMap, now: Timestamp) -> String {
    let sent = headers.get("x-amzn-trace-id");
    match sent.and_then(|value| value.to_str().ok()) {
        Some(trace) => trace.to_owned(),
        None => new_trace(now),
    }
}

/// The host that was called, and its port.
pub(crate) fn domain_and_port(head: &Parts, default_port: u16) -> (String, u16) {
    let host = router::host(head);
    match host.parse::<Authority>() {
        Ok(authority) => (
            authority.host().to_owned(),
            authority.port_u16().unwrap_or(default_port),
        ),
        Err(_) => (host.to_owned(), default_port),
    }
}

/// Headers about one connection, which end here in both directions.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
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

fn joined<K: Ord>(lists: BTreeMap<K, Vec<String>>) -> BTreeMap<K, String> {
    let join = |(name, values): (K, Vec<String>)| (name, values.join(","));
    lists.into_iter().map(join).collect()
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
