//! What a signed request says of itself: which key, when, for what, over which headers.

use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use kiln_types::{Region, Timestamp};

use super::{refusal, time};
use crate::error::{ApiError, Exception, Result};
use crate::wire::percent;

/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the caller's clock may be from ours (IAM user guide).
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// The same of S3 (its API reference, "RequestTimeTooSkewed").
const SKEW_OF_OBJECTS_MAX: Duration = Duration::from_secs(15 * 60);
/// Longest validity of a presigned URL: seven days (IAM user guide).
const EXPIRES_SECS_MAX: u64 = 7 * 24 * 3600;
/// The region for which requests to services that are in all of them are signed.
const GLOBAL_REGION: &str = "us-east-1";
/// Most headers that a signature may list; more than a request may have.
const SIGNED_HEADERS_MAX: usize = 200;

/// A signature and what it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Names the key.
    pub(crate) access_key_id: String,
    /// The scope's service.
    pub(crate) service: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) terminator: String,
    /// Lower-case names, in the order in which the caller lists them.
    pub(super) signed_headers: Vec<String>,
    /// In hexadecimal.
    pub(super) signature: String,
    pub(super) time: Timestamp,
    /// The same as it was written, `20261123T132300Z`.
    pub(super) stamp: String,
    pub(super) session_token: Option<String>,
    /// How long a presigned URL is valid; none for a signature in headers.
    pub(super) expires: Option<Duration>,
}

impl Claim {
    /// Reads it from the headers or the query string.
    pub(crate) fn read(head: &Parts) -> Result<Self> {
        if let Some(authorization) = single(&head.headers, "authorization")? {
            return Self::from_header(authorization, &head.headers);
        }
        match head.uri.query() {
            Some(query) if query.contains("X-Amz-") => Self::from_query(query),
            _ => Err(refusal::missing()),
        }
    }

    /// Whether it stands in a URL, for whoever has that.
    pub(crate) fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }

    /// Which of the headers that change what S3 does nobody signed: whoever carries the request may have put them there.
    /// What the canonicaliser adds itself, and what the body is checked against, is not among them.
    pub(crate) fn unsigned_settings<'h>(&self, headers: &'h HeaderMap) -> Vec<&'h str> {
        const FREE: [&str; 3] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        let names = headers.keys().map(|name| name.as_str());
        names
            .filter(|name| name.starts_with("x-amz-") && !FREE.contains(name) && !is_signed(name))
            .collect()
    }

    /// Refuses such headers beside a URL that was signed for somebody else: who has it may do that and nothing more.
    pub(crate) fn refuse_added_settings(&self, headers: &HeaderMap) -> Result<()> {
        let added = match self.is_presigned() {
            true => self.unsigned_settings(headers),
            false => Vec::new(),
        };
        match added.is_empty() {
            true => Ok(()),
            false => Err(refusal::incomplete(format!(
                "There were headers present in the request which were not signed: {}.",
                added.join(", ")
            ))),
        }
    }

    fn from_header(authorization: &str, headers: &HeaderMap) -> Result<Self> {
        let Some(parameters) = authorization.strip_prefix(ALGORITHM) else {
            return Err(refusal::incomplete(format!(
                "Unsupported signing algorithm in the Authorization header; use {ALGORITHM}."
            )));
        };
        let mut parts = [None; 3];
        const NAMES: [&str; 3] = ["Credential", "Signature", "SignedHeaders"];
        for parameter in parameters.split(',') {
            let Some((name, value)) = parameter.trim().split_once('=') else {
                continue;
            };
            if let Some(index) = NAMES.iter().position(|known| *known == name) {
                parts[index] = Some(value);
            }
        }
        let [Some(credential), Some(signature), Some(signed_headers)] = parts else {
            let absent = NAMES.iter().zip(parts).filter(|(_, part)| part.is_none());
            return Err(refusal::lacks(
                &absent.map(|(name, _)| *name).collect::<Vec<_>>(),
            ));
        };
        // AWS differs: it also takes a `Date` header. No AWS SDK sends one, and the canonicaliser
        // of aws-sigv4 always writes `x-amz-date`.
        let Some(date) = single(headers, "x-amz-date")? else {
            return Err(refusal::incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header."
                    .to_owned(),
            ));
        };
        let session_token = single(headers, "x-amz-security-token")?.map(str::to_owned);
        Self::new(
            credential,
            signature,
            signed_headers,
            date,
            session_token,
            None,
        )
    }

    fn from_query(query: &str) -> Result<Self> {
        let find = |wanted: &str| {
            let mut pairs = percent::pairs(query);
            pairs
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let need = |wanted: &str| find(wanted).ok_or_else(|| refusal::query_lacks(wanted));
        if need("X-Amz-Algorithm")? != ALGORITHM {
            return Err(refusal::incomplete(format!(
                "Unsupported X-Amz-Algorithm; use {ALGORITHM}."
            )));
        }
        let expires = need("X-Amz-Expires")?.parse::<u64>().ok();
        let expires = expires.filter(|secs| (1..=EXPIRES_SECS_MAX).contains(secs));
        let Some(expires) = expires else {
            return Err(refusal::incomplete(format!(
                "X-Amz-Expires must be a number of seconds from 1 to {EXPIRES_SECS_MAX}."
            )));
        };
        Self::new(
            &need("X-Amz-Credential")?,
            &need("X-Amz-Signature")?,
            &need("X-Amz-SignedHeaders")?,
            &need("X-Amz-Date")?,
            find("X-Amz-Security-Token"),
            Some(Duration::from_secs(expires)),
        )
    }

    fn new(
        credential: &str,
        signature: &str,
        signed_headers: &str,
        date: &str,
        session_token: Option<String>,
        expires: Option<Duration>,
    ) -> Result<Self> {
        let scope: Vec<&str> = credential.split('/').collect();
        let [access_key_id, scope_date, region, service, terminator] = scope[..] else {
            return Err(refusal::incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            )));
        };
        let Some(time) = time::parse(date) else {
            return Err(refusal::incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{date}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            )));
        };
        let signed_headers: Vec<String> = signed_headers
            .split(';')
            .map(str::to_ascii_lowercase)
            .collect();
        if signed_headers.len() > SIGNED_HEADERS_MAX {
            return Err(refusal::incomplete("Too many SignedHeaders.".to_owned()));
        }
        if !signed_headers.iter().any(|name| name == "host") {
            return Err(refusal::invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
                    .to_owned(),
            ));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            service: service.to_owned(),
            date: scope_date.to_owned(),
            region: region.to_owned(),
            terminator: terminator.to_owned(),
            signed_headers,
            signature: signature.to_owned(),
            time,
            stamp: date.to_owned(),
            session_token,
            expires,
        })
    }

    /// The day on which it was made, `20261123`.
    pub(super) fn day(&self) -> &str {
        // A time that was read is sixteen characters.
        self.stamp.get(..8).unwrap_or_default()
    }

    /// Whether it was made for this server, this service and its own day.
    pub(super) fn check_scope(&self, region: &Region, service: &str) -> Result<()> {
        let day = self.day();
        let refused = if self.terminator != "aws4_request" {
            format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.",
                self.terminator
            )
        } else if !self.is_of(region) {
            format!(
                "Credential should be scoped to a valid region, not '{}'.",
                self.region
            )
        } else if self.service != service {
            format!("Credential should be scoped to correct service: '{service}'.")
        } else if self.date != day {
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{day}', from '{}'.",
                self.date, self.stamp
            )
        } else {
            return Ok(());
        };
        Err(refusal::invalid(refused))
    }

    /// Whether it is for this region, or for a service that is in all of them: clients sign for its home.
    fn is_of(&self, region: &Region) -> bool {
        let is_global = self.service == "iam" && self.region == GLOBAL_REGION;
        is_global || self.region == region.as_str()
    }

    /// Whether it was made just now, or is a presigned URL that is still valid.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<()> {
        let skew = match self.service.as_str() {
            "s3" => SKEW_OF_OBJECTS_MAX,
            _ => SKEW_MAX,
        };
        let (made, minutes) = (self.time, skew.as_secs() / 60);
        let valid_for = self.expires.unwrap_or(skew);
        if now > made + valid_for {
            let message = match self.expires {
                Some(_) => format!(
                    "Signature expired: {} is now earlier than {}",
                    time::format(made + valid_for),
                    time::format(now)
                ),
                None => format!(
                    "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
                    time::format(made),
                    time::format(earlier(now, skew)),
                    time::format(now)
                ),
            };
            return Err(refusal::invalid(message));
        }
        if made > now + skew {
            return Err(refusal::invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
                time::format(made),
                time::format(now + skew),
                time::format(now)
            )));
        }
        Ok(())
    }
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(by.as_millis() as i64))
}

/// A header that may be there once. Twice is refused: which of the two was signed is anybody's
/// guess, and guessing differently from a proxy is how requests are smuggled.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value)),
        (Err(_), _) => Err(refusal::incomplete(format!(
            "The header '{name}' is not text."
        ))),
        (_, Some(_)) => Err(ApiError::new(
            Exception::InvalidSignature,
            format!("The header '{name}' is present more than once."),
        )),
    }
}
