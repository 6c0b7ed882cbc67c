//! What a function's result becomes when it was called through its URL or an HTTP API.
//!
//! Source: API Gateway developer guide, "Lambda function response for format 2.0" and "for format 1.0", and
//! what AWS was recorded to answer:
//! - A URL and format 2.0 send a text as it is, without its quotes, and other results without `statusCode`
//!   as JSON with 200: a URL compacts it, an API leaves it alone. Format 1.0 takes neither.
//! - `statusCode` may be a text of digits.
//! - A URL sends a body that is no text as JSON; an API does not take it.
//! - Without a content type, a URL says JSON and an API `text/plain; charset=utf-8`.
//! - Results that are streamed through a URL begin with a prelude: a JSON object, eight NUL bytes, and then
//!   the body as it is.
//!
//! AWS differs: it passes on a function's own `Content-Length` under another name; Kiln drops it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::incoming::is_hop_by_hop;

#[cfg(test)]
mod tests;

/// How a result is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Of a function's URL.
    Url,
    /// Of an HTTP API with payload format 2.0.
    V2,
    /// Of an HTTP API with payload format 1.0.
    V1,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The result cannot be sent as an HTTP response; says why, for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the result is not JSON")]
    NotJson,
    #[error("statusCode must be a number from 200 to 599")]
    Status,
    #[error("headers must be an object of texts that HTTP allows, and {0} is not")]
    Header(String),
    #[error(
        "multiValueHeaders must be an object of lists of texts that HTTP allows, and {0} is not"
    )]
    HeaderList(String),
    #[error("cookies must be a list of texts")]
    Cookies,
    #[error("without statusCode it is no response in payload format 1.0")]
    NoStatus,
    #[error("the body must be a text")]
    Body,
    #[error("the body is not base64, although isBase64Encoded is true")]
    Base64,
    #[error(
        "a streamed response begins with an object of {PRELUDE_BYTES_MAX} bytes at most and eight NUL bytes"
    )]
    Prelude,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured<'a> {
    #[serde(default)]
    status_code: Value,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    multi_value_headers: Value,
    #[serde(default)]
    cookies: Value,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    is_base64_encoded: Value,
}

/// The content type of a streamed result that begins with a prelude.
pub(crate) const PRELUDE_TYPE: &str = "application/vnd.awslambda.http-integration-response";
/// Between the prelude of a streamed result and its body.
const PRELUDE_END: [u8; 8] = [0; 8];
/// The longest prelude. AWS's limit is not known.
const PRELUDE_BYTES_MAX: usize = 64 * 1024;

impl Dialect {
    /// Makes the response out of a function's result.
    pub(crate) fn render(self, result: &[u8]) -> Result<Response<Bytes>, Unusable> {
        if self == Self::Url
            && let Some((prelude, body)) = split_prelude(result)
        {
            return render_streamed(prelude, body);
        }
        let json: &RawValue = serde_json::from_slice(result).map_err(|_| Unusable::NotJson)?;
        let json = json.get();
        if json.starts_with('{') {
            let structured: Structured<'_> =
                serde_json::from_str(json).map_err(|_| Unusable::NotJson)?;
            if !structured.status_code.is_null() {
                return structured.render(self);
            }
        }
        match self {
            Self::V1 => Err(Unusable::NoStatus),
            _ if json.starts_with('"') => Ok(with_json_type(text_of(json)?.into_owned().into())),
            Self::Url => Ok(with_json_type(compact(json).into())),
            Self::V2 => Ok(with_json_type(Bytes::copy_from_slice(result))),
        }
    }

    /// What the body of a response is that does not say it.
    fn content_type(self) -> HeaderValue {
        match self {
            Self::Url => JSON,
            Self::V2 | Self::V1 => TEXT,
        }
    }
}

/// The prelude and the body of a streamed result. JSON has no NUL bytes, so no other result is
/// taken for one.
fn split_prelude(result: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = result.iter().position(|byte| *byte == 0)?;
    let (prelude, rest) = result.split_at(end);
    let is_object = prelude.trim_ascii_start().starts_with(b"{");
    let body = rest.strip_prefix(&PRELUDE_END)?;
    is_object.then_some((prelude, body))
}

fn render_streamed(prelude: &[u8], body: &[u8]) -> Result<Response<Bytes>, Unusable> {
    let mut prelude: Structured<'_> =
        serde_json::from_slice(prelude).map_err(|_| Unusable::NotJson)?;
    if prelude.status_code.is_null() {
        prelude.status_code = StatusCode::OK.as_u16().into();
    }
    let mut response = Response::new(Bytes::copy_from_slice(body));
    *response.status_mut() = prelude.status()?;
    *response.headers_mut() = prelude.headers(Dialect::Url, BYTES)?;
    Ok(response)
}

/// A prelude while it comes.
#[derive(Debug, Default)]
pub(crate) struct Prelude {
    so_far: BytesMut,
    /// Where it ends, as far as is known: no NUL byte stands before.
    end: usize,
}

impl Prelude {
    /// Takes what comes next. Gives the head of the response, and what of its body came with it; none while the prelude
    /// goes on.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<Response<Bytes>>, Unusable> {
        self.so_far.extend_from_slice(bytes);
        let rest = &self.so_far[self.end..];
        self.end += rest.iter().take_while(|byte| **byte != 0).count();
        if self.end > PRELUDE_BYTES_MAX {
            return Err(Unusable::Prelude);
        }
        if self.so_far.len() < self.end + PRELUDE_END.len() {
            return Ok(None);
        }
        let (prelude, body) = split_prelude(&self.so_far).ok_or(Unusable::Prelude)?;
        render_streamed(prelude, body).map(Some)
    }
}

/// The head of a response whose function says no more of it than its content type.
pub(crate) fn plain(content_type: Option<&str>) -> Response<Bytes> {
    let given = content_type.map(HeaderValue::from_str);
    let content_type = given.and_then(Result::ok).unwrap_or(BYTES);
    let mut response = Response::new(Bytes::new());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer for every failure of the function and every result that cannot be sent.
pub(crate) fn internal_server_error() -> Response<Bytes> {
    let mut response = with_json_type(Bytes::from_static(b"Internal Server Error"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

fn with_json_type(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

impl Structured<'_> {
    fn render(self, dialect: Dialect) -> Result<Response<Bytes>, Unusable> {
        let mut response = Response::new(self.body(dialect)?);
        *response.status_mut() = self.status()?;
        *response.headers_mut() = self.headers(dialect, dialect.content_type())?;
        Ok(response)
    }

    fn status(&self) -> Result<StatusCode, Unusable> {
        let number = match &self.status_code {
            Value::Number(number) => number.as_f64().filter(|n| n.fract() == 0.0),
            Value::String(digits) => digits.parse::<u16>().ok().map(f64::from),
            _ => None,
        };
        // 1xx are not final, and the response would never end.
        match number {
            Some(number) if (200.0..600.0).contains(&number) => {
                StatusCode::from_u16(number as u16).map_err(|_| Unusable::Status)
            }
            _ => Err(Unusable::Status),
        }
    }

    fn headers(&self, dialect: Dialect, content_type: HeaderValue) -> Result<HeaderMap, Unusable> {
        let mut headers = HeaderMap::new();
        let given: BTreeMap<String, Value> = match &self.headers {
            Value::Null => BTreeMap::new(),
            given => serde_json::from_value(given.clone())
                .map_err(|_| Unusable::Header("the whole".to_owned()))?,
        };
        for (name, value) in given {
            append(&mut headers, header(&name, &value)?);
        }
        match dialect {
            Dialect::V1 => {
                for (name, value) in self.header_lists()? {
                    append(&mut headers, header(&name, &value)?);
                }
            }
            Dialect::Url | Dialect::V2 => {
                for cookie in self.cookies()? {
                    headers.append(SET_COOKIE, cookie);
                }
            }
        }
        headers.entry(CONTENT_TYPE).or_insert(content_type);
        Ok(headers)
    }

    /// The headers that have lists of values, value by value.
    fn header_lists(&self) -> Result<Vec<(String, Value)>, Unusable> {
        let whole = || Unusable::HeaderList("the whole".to_owned());
        let lists = match &self.multi_value_headers {
            Value::Null => return Ok(Vec::new()),
            Value::Object(lists) => lists,
            _ => return Err(whole()),
        };
        let mut values = Vec::new();
        for (name, list) in lists {
            match list {
                Value::Null => {}
                Value::Array(list) => {
                    values.extend(list.iter().map(|value| (name.clone(), value.clone())));
                }
                _ => return Err(Unusable::HeaderList(name.clone())),
            }
        }
        Ok(values)
    }

    fn cookies(&self) -> Result<Vec<HeaderValue>, Unusable> {
        let list = match &self.cookies {
            Value::Null => return Ok(Vec::new()),
            Value::Array(list) => list,
            _ => return Err(Unusable::Cookies),
        };
        let cookie = |value: &Value| HeaderValue::from_str(value.as_str()?).ok();
        list.iter()
            .map(|value| cookie(value).ok_or(Unusable::Cookies))
            .collect()
    }

    fn body(&self, dialect: Dialect) -> Result<Bytes, Unusable> {
        let Some(body) = self.body.map(RawValue::get).filter(|body| *body != "null") else {
            return Ok(Bytes::new());
        };
        if !body.starts_with('"') {
            return match dialect {
                Dialect::Url => Ok(compact(body).into()),
                Dialect::V2 | Dialect::V1 => Err(Unusable::Body),
            };
        }
        let text = text_of(body)?;
        if self.is_base64_encoded != Value::Bool(true) {
            return Ok(text.into_owned().into());
        }
        BASE64_STANDARD
            .decode(text.as_bytes())
            .map(Bytes::from)
            .map_err(|_| Unusable::Base64)
    }
}

/// A header as HTTP wants it; numbers and booleans as their text, nothing for null.
fn header(name: &str, value: &Value) -> Result<Option<(HeaderName, HeaderValue)>, Unusable> {
    let value: Cow<'_, str> = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.into(),
        Value::Number(number) => number.to_string().into(),
        Value::Bool(flag) => flag.to_string().into(),
        _ => return Err(Unusable::Header(name.to_owned())),
    };
    let unusable = || Unusable::Header(name.to_owned());
    let header_name = HeaderName::try_from(name).map_err(|_| unusable())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unusable())?;
    Ok(Some((header_name, value)))
}

/// Headers about the connection, and the length that the body has anyway, are not the function's to say.
fn append(headers: &mut HeaderMap, header: Option<(HeaderName, HeaderValue)>) {
    if let Some((name, value)) = header
        && name != CONTENT_LENGTH
        && !is_hop_by_hop(&name)
    {
        headers.append(name, value);
    }
}

fn text_of(json: &str) -> Result<Cow<'_, str>, Unusable> {
    serde_json::from_str(json).map_err(|_| Unusable::NotJson)
}

/// Leaves out the space between a document's tokens, and nothing else: numbers and the order of
/// keys stay as the function wrote them.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text || !c.is_ascii_whitespace() {
            compact.push(c);
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = in_text,
            '"' => in_text = !in_text,
            _ => {}
        }
    }
    compact
}
