//! What an extension asks for when it subscribes, checked.

use std::time::Duration;

use serde::Deserialize;

use crate::api::RUNTIME_API;

/// One extension's wish for telemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The extension.
    pub(crate) name: String,
    /// What it wants, each once.
    sources: Vec<Source>,
    pub(super) destination: Destination,
    pub(super) buffering: Buffering,
    /// Whether lines that are JSON come as documents: with newer schemas they do.
    pub(super) structured: bool,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Platform,
    Function,
    Extension,
}

/// Where records go, inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Posted, as a JSON array.
    Http {
        /// The name that the extension calls itself, with the port.
        authority: String,
        port: u16,
        path: String,
    },
    /// Written, one document a line.
    Tcp { port: u16 },
}

/// How long records may wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffering {
    pub(super) items_max: usize,
    pub(super) bytes_max: usize,
    pub(super) timeout: Duration,
}

impl Default for Buffering {
    fn default() -> Self {
        Self {
            items_max: 10_000,
            bytes_max: 262_144,
            timeout: Duration::from_secs(1),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    schema_version: Option<String>,
    types: Vec<Source>,
    destination: PostedDestination,
    buffering: Option<PostedBuffering>,
}

#[derive(Debug, Deserialize)]
struct PostedDestination {
    protocol: String,
    #[serde(rename = "URI", alias = "uri")]
    uri: Option<String>,
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedBuffering {
    max_items: Option<u64>,
    max_bytes: Option<u64>,
    timeout_ms: Option<u64>,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

impl Subscription {
    /// Reads what the extension with this name has put. The error says what is wrong with it.
    pub(crate) fn parse(name: String, body: &[u8], schemas: &[&str]) -> Result<Self, String> {
        let posted: Posted = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let schema = posted.schema_version.as_deref().unwrap_or(schemas[0]);
        if !schemas.contains(&schema) {
            return Err(format!(
                "schemaVersion must be one of {}",
                schemas.join(", ")
            ));
        }
        let mut sources = posted.types;
        sources.sort_unstable();
        sources.dedup();
        if sources.is_empty() {
            return Err("types must name at least one of platform, function, extension".to_owned());
        }
        Ok(Self {
            name,
            sources,
            structured: schema != schemas[0],
            destination: posted.destination.check()?,
            buffering: match posted.buffering {
                Some(buffering) => buffering.check()?,
                None => Buffering::default(),
            },
        })
    }

    pub(crate) fn wants(&self, source: Source) -> bool {
        self.sources.contains(&source)
    }

    /// What it wants, in AWS's names.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        self.sources.iter().map(|source| source.as_str()).collect()
    }
}

impl PostedDestination {
    fn check(self) -> Result<Destination, String> {
        let destination = match self.protocol.as_str() {
            "HTTP" => http(self.uri.as_deref().unwrap_or_default())?,
            "TCP" => Destination::Tcp {
                port: self.port.ok_or("destination.port is missing")?,
            },
            _ => return Err("destination.protocol must be HTTP or TCP".to_owned()),
        };
        if [0, RUNTIME_API.port()].contains(&destination.port()) {
            return Err(format!(
                "port {} cannot be a destination",
                destination.port()
            ));
        }
        Ok(destination)
    }
}

impl Destination {
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

fn http(uri: &str) -> Result<Destination, String> {
    let wrong = || "destination.URI must be http://sandbox.localdomain:PORT".to_owned();
    let uri: http::Uri = uri.parse().map_err(|_| wrong())?;
    let is_inside = matches!(uri.host(), Some("sandbox.localdomain" | "sandbox"));
    let (Some("http"), true, Some(port)) = (uri.scheme_str(), is_inside, uri.port_u16()) else {
        return Err(wrong());
    };
    Ok(Destination::Http {
        authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
        port,
        path: uri.path().to_owned(),
    })
}

impl PostedBuffering {
    /// AWS's limits (developer guide, "Configuring memory usage and buffering").
    fn check(self) -> Result<Buffering, String> {
        let standard = Buffering::default();
        let within = |name: &str, value: Option<u64>, least: u64, most: u64, standard: u64| {
            let value = value.unwrap_or(standard);
            match (least..=most).contains(&value) {
                true => Ok(value),
                false => Err(format!("buffering.{name} must be from {least} to {most}")),
            }
        };
        let items = within(
            "maxItems",
            self.max_items,
            1_000,
            10_000,
            standard.items_max as u64,
        )?;
        let bytes = standard.bytes_max as u64;
        let bytes = within("maxBytes", self.max_bytes, 262_144, 1_048_576, bytes)?;
        let timeout = standard.timeout.as_millis() as u64;
        let timeout = within("timeoutMs", self.timeout_ms, 25, 30_000, timeout)?;
        Ok(Buffering {
            items_max: items as usize,
            bytes_max: bytes as usize,
            timeout: Duration::from_millis(timeout),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(body: Value) -> Result<Subscription, String> {
        let schemas = ["2022-07-01", "2022-12-13"];
        Subscription::parse("ext".to_owned(), body.to_string().as_bytes(), &schemas)
    }

    fn with(change: impl FnOnce(&mut Value)) -> Result<Subscription, String> {
        let mut body = json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/logs" },
        });
        change(&mut body);
        parse(body)
    }

    #[test]
    fn a_subscription_has_aws_s_defaults() {
        let subscription = with(|_| {}).unwrap();
        assert_eq!(subscription.types(), ["platform", "function"]);
        assert!(!subscription.wants(Source::Extension));
        assert_eq!(subscription.buffering, Buffering::default());
        let expected = Destination::Http {
            authority: "sandbox.localdomain:8080".to_owned(),
            port: 8080,
            path: "/logs".to_owned(),
        };
        assert_eq!(subscription.destination, expected);
        let tcp = with(|body| body["destination"] = json!({ "protocol": "TCP", "port": 99 }));
        assert_eq!(tcp.unwrap().destination, Destination::Tcp { port: 99 });
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        type Change = fn(&mut Value);
        let table: [(Change, &str); 10] = [
            (
                |body| body["schemaVersion"] = json!("2019-01-01"),
                "schemaVersion",
            ),
            (|body| body["types"] = json!([]), "types"),
            (|body| body["types"] = json!(["metrics"]), "metrics"),
            (
                |body| body["destination"]["protocol"] = json!("UDP"),
                "protocol",
            ),
            (
                |body| body["destination"]["URI"] = json!("http://example.com:80"),
                "URI",
            ),
            (
                |body| body["destination"]["URI"] = json!("http://sandbox:9001"),
                "9001",
            ),
            (
                |body| body["destination"] = json!({ "protocol": "TCP" }),
                "port",
            ),
            (
                |body| body["buffering"] = json!({ "maxItems": 999 }),
                "maxItems",
            ),
            (
                |body| body["buffering"] = json!({ "maxBytes": 1_048_577 }),
                "maxBytes",
            ),
            (
                |body| body["buffering"] = json!({ "timeoutMs": 24 }),
                "timeoutMs",
            ),
        ];
        for (change, expected) in table {
            let why = with(change).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
