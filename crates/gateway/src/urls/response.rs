//! What a function's result becomes when it was called through its URL.
//!
//! Source: API Gateway developer guide, "Lambda function response for format 2.0", and what AWS
//! was recorded to answer: a text is sent as it is, without its quotes; `statusCode` may be a
//! text of digits; other results without `statusCode` are sent as compact JSON with 200. Streamed
//! results begin with a prelude: a JSON object, eight NUL bytes, and then the body as it is.
//!
//! AWS differs: it passes on a function's own `Content-Length` under another name; Kiln drops it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::event::is_hop_by_hop;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
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
    #[error("cookies must be a list of texts")]
    Cookies,
    #[error("the body is not base64, although isBase64Encoded is true")]
    Base64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured<'a> {
    #[serde(default)]
    status_code: Value,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    cookies: Value,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    is_base64_encoded: Value,
}

/// Between the prelude of a streamed result and its body.
const PRELUDE_END: [u8; 8] = [0; 8];

/// Makes the response out of a function's result.
pub(crate) fn render(result: &[u8]) -> Result<Response<Bytes>, Unusable> {
    if let Some((prelude, body)) = split_prelude(result) {
        return render_streamed(prelude, body);
    }
    let json: &RawValue = serde_json::from_slice(result).map_err(|_| Unusable::NotJson)?;
    let json = json.get();
    if json.starts_with('"') {
        return Ok(with_json_type(text_of(json)?.into_owned().into()));
    }
    if json.starts_with('{') {
        let structured: Structured<'_> =
            serde_json::from_str(json).map_err(|_| Unusable::NotJson)?;
        if !structured.status_code.is_null() {
            return structured.render();
        }
    }
    Ok(with_json_type(compact(json).into()))
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
    *response.headers_mut() = prelude.headers(BYTES)?;
    Ok(response)
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
    fn render(self) -> Result<Response<Bytes>, Unusable> {
        let mut response = Response::new(self.body()?);
        *response.status_mut() = self.status()?;
        *response.headers_mut() = self.headers(JSON)?;
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

    fn headers(&self, content_type: HeaderValue) -> Result<HeaderMap, Unusable> {
        let mut headers = HeaderMap::new();
        let given: BTreeMap<String, Value> = match &self.headers {
            Value::Null => BTreeMap::new(),
            given => serde_json::from_value(given.clone())
                .map_err(|_| Unusable::Header("the whole".to_owned()))?,
        };
        for (name, value) in given {
            let Some((name, value)) = header(&name, &value)? else {
                continue;
            };
            if name != CONTENT_LENGTH && !is_hop_by_hop(&name) {
                headers.append(name, value);
            }
        }
        for cookie in self.cookies()? {
            headers.append(SET_COOKIE, cookie);
        }
        headers.entry(CONTENT_TYPE).or_insert(content_type);
        Ok(headers)
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

    fn body(&self) -> Result<Bytes, Unusable> {
        let Some(body) = self.body.map(RawValue::get).filter(|body| *body != "null") else {
            return Ok(Bytes::new());
        };
        if !body.starts_with('"') {
            return Ok(compact(body).into());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rendered(result: &str) -> (u16, String, String) {
        let response = render(result.as_bytes()).unwrap();
        let content_type = response.headers()[CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), content_type, body)
    }

    #[test]
    fn results_without_a_status_are_sent_as_compact_json_with_200() {
        for (result, body) in [
            (
                r#"{"hello": "wor ld", "a": 1.50}"#,
                r#"{"hello":"wor ld","a":1.50}"#,
            ),
            (r#"["hello", 3, true]"#, r#"["hello",3,true]"#),
            ("3.1", "3.1"),
            ("true", "true"),
            ("null", "null"),
            (
                r#"{"body": "x", "quote": "\" , \\"}"#,
                r#"{"body":"x","quote":"\" , \\"}"#,
            ),
        ] {
            assert_eq!(
                rendered(result),
                (200, "application/json".into(), body.into())
            );
        }
    }

    #[test]
    fn a_text_is_sent_without_its_quotes() {
        assert_eq!(
            rendered(r#""h\u00e9llo""#),
            (200, "application/json".into(), "héllo".into())
        );
    }

    #[test]
    fn a_result_with_a_status_is_a_whole_response() {
        let response = render(
            br#"{"statusCode": 201, "headers": {"Content-Type": "text/html", "X-N": 1, "X-Null": null},
                 "cookies": ["a=1; Secure", "b=2"], "body": "<p>"}"#,
        )
        .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
        assert_eq!(response.headers()["x-n"], "1");
        assert!(!response.headers().contains_key("x-null"));
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Secure", "b=2"]);
        assert_eq!(response.body(), "<p>");
    }

    #[test]
    fn a_streamed_result_has_its_head_before_eight_nul_bytes() {
        let head = br#"{"statusCode":201,"headers":{"X-Own":"1"},"cookies":["a=1"],"body":"no"}"#;
        let result = [&head[..], &PRELUDE_END, b"<p>\0\0\0\0\0\0\0\0</p>"].concat();
        let response = render(&result).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-own"], "1");
        assert_eq!(response.headers()[SET_COOKIE], "a=1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/octet-stream");
        assert_eq!(response.body(), &b"<p>\0\0\0\0\0\0\0\0</p>"[..]);
        let plain = [b"{}", &PRELUDE_END[..]].concat();
        assert_eq!(render(&plain).unwrap().status(), 200);
        let short = [b"{}", &PRELUDE_END[..7], b"x"].concat();
        assert_eq!(render(&short).unwrap_err(), Unusable::NotJson);
    }

    #[test]
    fn a_status_may_be_a_text_of_digits() {
        assert_eq!(
            rendered(r#"{"statusCode": "418", "body": "tea"}"#),
            (418, "application/json".into(), "tea".into())
        );
        assert_eq!(rendered(r#"{"statusCode": 204.0}"#).0, 204);
    }

    #[test]
    fn bodies_may_be_binary_absent_or_json() {
        let response =
            render(br#"{"statusCode":200,"isBase64Encoded":true,"body":"/wA="}"#).unwrap();
        assert_eq!(response.body().as_ref(), [0xff, 0x00]);
        assert_eq!(rendered(r#"{"statusCode":200}"#).2, "");
        assert_eq!(rendered(r#"{"statusCode":200,"body":null}"#).2, "");
        assert_eq!(
            rendered(r#"{"statusCode":200,"body":{"a": 1}}"#).2,
            r#"{"a":1}"#
        );
        assert_eq!(
            rendered(r#"{"statusCode":200,"isBase64Encoded":"no","body":"aGk="}"#).2,
            "aGk="
        );
    }

    #[test]
    fn headers_that_would_break_the_connection_are_dropped() {
        let response = render(
            br#"{"statusCode":200,"headers":{"Content-Length":"99","Transfer-Encoding":"chunked","Connection":"close"},"body":"x"}"#,
        )
        .unwrap();
        assert_eq!(response.headers().len(), 1);
    }

    #[test]
    fn unusable_results_say_why() {
        for (result, why) in [
            ("", Unusable::NotJson),
            ("{", Unusable::NotJson),
            (r#"{"statusCode": "abc"}"#, Unusable::Status),
            (r#"{"statusCode": 101}"#, Unusable::Status),
            (r#"{"statusCode": 600}"#, Unusable::Status),
            (r#"{"statusCode": 200.5}"#, Unusable::Status),
            (
                r#"{"statusCode":200,"headers":[1]}"#,
                Unusable::Header("the whole".into()),
            ),
            (
                r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
                Unusable::Header("a b".into()),
            ),
            (
                r#"{"statusCode":200,"headers":{"a":"c\nd: e"}}"#,
                Unusable::Header("a".into()),
            ),
            (
                r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
                Unusable::Header("a".into()),
            ),
            (r#"{"statusCode":200,"cookies":"a=1"}"#, Unusable::Cookies),
            (
                r#"{"statusCode":200,"cookies":["a\r\nb"]}"#,
                Unusable::Cookies,
            ),
            (
                r#"{"statusCode":200,"isBase64Encoded":true,"body":"%"}"#,
                Unusable::Base64,
            ),
        ] {
            assert_eq!(render(result.as_bytes()).unwrap_err(), why, "{result}");
        }
    }
}
