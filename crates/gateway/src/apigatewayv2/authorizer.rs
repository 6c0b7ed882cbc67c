//! Operations on authorizers, and how they are read and shown.

use kiln_types::api::{Authorizer, AuthorizerKind, IdentitySource};
use kiln_types::{Api, Region, limits};

use super::generated as wire;
use super::integration::{format_name, read_format};
use super::lookup::{missing, part};
use super::refusal::bad;
use super::uri;
use crate::error::Result;

pub(crate) mod create_authorizer;
pub(crate) mod delete_authorizer;
pub(crate) mod get_authorizer;
pub(crate) mod get_authorizers;
pub(crate) mod update_authorizer;

/// What these operations call what they are about.
const KIND: &str = "Authorizer";
/// How long a function's answer is kept unless the caller says so, in seconds. Recorded from AWS.
const TTL_SECS: u32 = 300;

/// An authorizer of an API.
fn find<'a>(api: &'a Api, id: &str) -> Result<&'a Authorizer> {
    let authorizer = api.draft.authorizers.get(&part(KIND, id)?);
    authorizer.ok_or_else(|| missing(KIND, id))
}

/// Shows an authorizer.
fn render(authorizer: &Authorizer) -> wire::Authorizer {
    let sources = authorizer.identity.iter().map(source_text).collect();
    let shown = wire::Authorizer {
        authorizer_id: Some(authorizer.id.to_string()),
        identity_source: Some(sources),
        name: authorizer.name.clone(),
        ..Default::default()
    };
    match &authorizer.kind {
        AuthorizerKind::Jwt { issuer, audience } => wire::Authorizer {
            authorizer_type: Some("JWT".to_owned()),
            jwt_configuration: Some(wire::JWTConfiguration {
                audience: Some(audience.clone()),
                issuer: Some(issuer.clone()),
            }),
            ..shown
        },
        AuthorizerKind::Function {
            uri,
            format,
            is_simple,
            ttl_secs,
            credentials,
        } => wire::Authorizer {
            authorizer_type: Some("REQUEST".to_owned()),
            authorizer_uri: Some(uri.clone()),
            authorizer_payload_format_version: Some(format_name(*format).to_owned()),
            enable_simple_responses: Some(*is_simple),
            authorizer_result_ttl_in_seconds: Some((*ttl_secs).into()),
            authorizer_credentials_arn: credentials.clone(),
            ..shown
        },
    }
}

/// What a caller sends of an authorizer, in either operation.
struct Sent {
    kind: Option<String>,
    name: Option<String>,
    identity: Option<Vec<String>>,
    jwt: Option<wire::JWTConfiguration>,
    uri: Option<String>,
    format: Option<String>,
    is_simple: Option<bool>,
    ttl_secs: Option<i64>,
    credentials: Option<String>,
}

impl Sent {
    /// The authorizer, once what is sent is put over what there was.
    fn over(self, before: Option<&AuthorizerKind>, region: &Region) -> Result<AuthorizerKind> {
        let is_jwt = match (self.kind.as_deref(), before) {
            (Some(kind), _) => kind == "JWT",
            (None, Some(before)) => matches!(before, AuthorizerKind::Jwt { .. }),
            (None, None) => return Err(bad("Authorizer type is required")),
        };
        if is_jwt {
            self.jwt(before)
        } else {
            self.function(before, region)
        }
    }

    fn jwt(self, before: Option<&AuthorizerKind>) -> Result<AuthorizerKind> {
        let others = [
            ("authorizerUri", self.uri.is_some()),
            ("authorizerPayloadFormatVersion", self.format.is_some()),
            ("enableSimpleResponses", self.is_simple == Some(true)),
            ("authorizerCredentialsArn", self.credentials.is_some()),
            (
                "authorizerResultTtlInSeconds",
                self.ttl_secs.is_some_and(|secs| secs > 0),
            ),
        ];
        if let Some((member, _)) = others.iter().find(|(_, is_sent)| *is_sent) {
            return Err(bad(format!(
                "{member} is supported only for REQUEST authorizers"
            )));
        }
        let (issuer, audience) = match before {
            Some(AuthorizerKind::Jwt { issuer, audience }) => {
                (Some(issuer.clone()), Some(audience.clone()))
            }
            _ => (None, None),
        };
        let sent = self.jwt.unwrap_or_default();
        let issuer = sent.issuer.or(issuer);
        let issuer = issuer.ok_or_else(|| bad("Issuer is required for JWT authorizers"))?;
        if !is_issuer(&issuer) {
            return Err(bad(format!(
                "Invalid issuer: {issuer}. Issuer must be a URL that begins with https:// or http://"
            )));
        }
        let audience = sent.audience.or(audience).unwrap_or_default();
        if audience.is_empty() || audience.len() > limits::API_AUDIENCES_MAX {
            return Err(bad(format!(
                "A JWT authorizer needs 1 to {} audiences",
                limits::API_AUDIENCES_MAX
            )));
        }
        Ok(AuthorizerKind::Jwt { issuer, audience })
    }

    fn function(self, before: Option<&AuthorizerKind>, region: &Region) -> Result<AuthorizerKind> {
        if self.jwt.is_some() {
            return Err(bad(
                "jwtConfiguration is supported only for JWT authorizers",
            ));
        }
        let before = match before {
            Some(AuthorizerKind::Function {
                uri,
                format,
                is_simple,
                ttl_secs,
                credentials,
            }) => Some((uri, *format, *is_simple, *ttl_secs, credentials)),
            _ => None,
        };
        let uri = self.uri.or(before.map(|before| before.0.clone()));
        let uri = uri.ok_or_else(|| bad("Authorizer URI is required for REQUEST authorizers"))?;
        uri::check(&uri, region)?;
        let format = self.format.as_deref().map(read_format).transpose()?;
        let format = format.or(before.map(|before| before.1)).ok_or_else(|| {
            bad("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizers of HTTP APIs")
        })?;
        let is_simple = self.is_simple.or(before.map(|before| before.2));
        let is_simple = is_simple.unwrap_or(false);
        if is_simple && format == kiln_types::api::PayloadFormat::V1 {
            return Err(bad(
                "Simple responses are supported only with the authorizer payload format version 2.0",
            ));
        }
        // The model has checked its range.
        let ttl_secs = self.ttl_secs.and_then(|secs| u32::try_from(secs).ok());
        let credentials = self
            .credentials
            .or(before.and_then(|before| before.4.clone()));
        Ok(AuthorizerKind::Function {
            uri,
            format,
            is_simple,
            ttl_secs: ttl_secs
                .or(before.map(|before| before.3))
                .unwrap_or(TTL_SECS),
            credentials,
        })
    }
}

/// A URL without a query, to which the place of its keys can be appended.
fn is_issuer(issuer: &str) -> bool {
    let is_web = issuer.starts_with("https://") || issuer.starts_with("http://");
    let uri = issuer.parse::<http::Uri>();
    is_web
        && uri.is_ok_and(|uri| {
            uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none()
        })
}

/// What a caller's selection expressions mean.
fn read_identity(expressions: &[String], kind: &AuthorizerKind) -> Result<Vec<IdentitySource>> {
    let sources: Result<Vec<IdentitySource>> =
        expressions.iter().map(|text| read_source(text)).collect();
    let sources = sources?;
    let is_in_request = |source: &IdentitySource| {
        matches!(source, IdentitySource::Header(_) | IdentitySource::Query(_))
    };
    match kind {
        AuthorizerKind::Jwt { .. } if sources.len() != 1 || !sources.iter().all(is_in_request) => {
            Err(bad(
                "A JWT authorizer needs one identity source: $request.header.NAME or $request.querystring.NAME",
            ))
        }
        AuthorizerKind::Function { ttl_secs, .. } if *ttl_secs > 0 && sources.is_empty() => Err(
            bad("To enable caching, your authorizer must have at least one identity source"),
        ),
        _ => Ok(sources),
    }
}

fn read_source(text: &str) -> Result<IdentitySource> {
    let after = |prefix: &str| {
        let name = text.strip_prefix(prefix)?;
        Some(name.to_owned()).filter(|name| !name.is_empty())
    };
    let source = after("$request.header.")
        .map(IdentitySource::Header)
        .or_else(|| after("$request.querystring.").map(IdentitySource::Query))
        .or_else(|| after("$stageVariables.").map(IdentitySource::StageVariable))
        .or_else(|| after("$context.").map(IdentitySource::Context));
    source.ok_or_else(|| {
        bad(format!(
            "Invalid mapping expression specified: {text}. Identity sources are $request.header.NAME, $request.querystring.NAME, $context.NAME and $stageVariables.NAME"
        ))
    })
}

fn source_text(source: &IdentitySource) -> String {
    match source {
        IdentitySource::Header(name) => format!("$request.header.{name}"),
        IdentitySource::Query(name) => format!("$request.querystring.{name}"),
        IdentitySource::StageVariable(name) => format!("$stageVariables.{name}"),
        IdentitySource::Context(name) => format!("$context.{name}"),
    }
}

#[cfg(test)]
mod tests;
