//! Events as requests of `wasi:http`, and its responses as results.
//!
//! The event of a function URL (payload format 2.0) becomes the request that it tells of, and the
//! response becomes a result of that format. Any other event becomes `POST /` with the event as its
//! body, and the response's body becomes the result.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, BAD_EVENT, Failure, HTTP, json_of};

/// What is in the place of a host where there is none.
const NO_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// What the event was, and so what the result must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A request in payload format 2.0.
    Request,
    /// Anything else.
    Plain,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    version: String,
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: RequestContext,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: Method,
}

#[derive(Deserialize)]
struct Method {
    method: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    status_code: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// The request that an event is, with these headers besides.
pub(crate) fn request(
    event: &Bytes,
    added: &[(HeaderName, String)],
) -> Result<(Request<Bytes>, Shape), Failure> {
    let parsed: Option<Event> = serde_json::from_slice(event).ok();
    let (mut request, shape) = match parsed.filter(|event| event.version == "2.0") {
        Some(event) => (event.request().map_err(bad_event)?, Shape::Request),
        None => (plain(event.clone()), Shape::Plain),
    };
    let headers = request.headers_mut();
    for (name, value) in added {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.entry(HOST).or_insert(NO_HOST);
    Ok((request, shape))
}

/// The result that a response is.
pub(crate) fn result(response: Parts, body: Vec<u8>, shape: Shape) -> Answer {
    let status = response.status;
    match shape {
        Shape::Request => Answer::result(structured(response, body)),
        Shape::Plain if status.is_client_error() || status.is_server_error() => {
            let body = String::from_utf8_lossy(&body);
            Answer::failed(HTTP, format!("the response has status {status}: {body}"))
        }
        Shape::Plain => Answer::result(json_of(body)),
    }
}

fn bad_event(why: String) -> Failure {
    Failure {
        kind: BAD_EVENT,
        message: format!("the event is not a request: {why}"),
    }
}

fn plain(event: Bytes) -> Request<Bytes> {
    let mut request = Request::new(event);
    *request.method_mut() = http::Method::POST;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}

impl Event {
    fn request(self) -> Result<Request<Bytes>, String> {
        let uri = match self.raw_query_string.as_str() {
            "" => self.raw_path,
            query => format!("{}?{query}", self.raw_path),
        };
        let body = self.body.unwrap_or_default();
        let body = match self.is_base64_encoded {
            true => BASE64_STANDARD.decode(&body).map_err(|e| e.to_string())?,
            false => body.into_bytes(),
        };
        let mut request = Request::builder()
            .method(self.request_context.http.method.as_str())
            .uri(uri)
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        for (name, value) in self.headers {
            let name: HeaderName = name.parse().map_err(|_| format!("header name {name:?}"))?;
            let value = HeaderValue::from_bytes(value.as_bytes());
            let value = value.map_err(|_| format!("the value of header {name}"))?;
            headers.append(name, value);
        }
        if !self.cookies.is_empty() {
            let cookies = HeaderValue::from_bytes(self.cookies.join("; ").as_bytes());
            headers.insert(COOKIE, cookies.map_err(|_| "a cookie".to_owned())?);
        }
        Ok(request)
    }
}

fn structured(response: Parts, body: Vec<u8>) -> Vec<u8> {
    let (body, is_base64_encoded) = match String::from_utf8(body) {
        Ok(text) => (text, false),
        Err(bytes) => (BASE64_STANDARD.encode(bytes.as_bytes()), true),
    };
    let structured = Structured {
        status_code: response.status.as_u16(),
        cookies: texts(&response.headers, &SET_COOKIE).collect(),
        headers: joined(&response.headers),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&structured).expect("numbers, texts and maps of texts are JSON")
}

/// All headers but cookies; values of one name are joined, as the format wants it.
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let names = headers.keys().filter(|name| *name != SET_COOKIE);
    names
        .map(|name| {
            let values: Vec<String> = texts(headers, name).collect();
            (name.as_str().to_owned(), values.join(","))
        })
        .collect()
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'a> {
    let values = headers.get_all(name).into_iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use http::Response;
    use serde_json::{Value, json};

    use super::*;

    fn event(change: impl FnOnce(&mut Value)) -> Bytes {
        let mut event = json!({
            "version": "2.0",
            "rawPath": "/a%20b",
            "rawQueryString": "x=1&x=2",
            "headers": {"host": "abc.lambda-url.local", "x-n": "1,2"},
            "cookies": ["a=1", "b=2"],
            "requestContext": {"http": {"method": "PUT"}},
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        change(&mut event);
        event.to_string().into()
    }

    #[test]
    fn event_of_a_function_url_is_the_request_it_tells_of() {
        let added = [(HeaderName::from_static("x-id"), "7".to_owned())];
        let (request, shape) = request(&event(|_| {}), &added).unwrap();
        assert_eq!(shape, Shape::Request);
        assert_eq!(request.method(), "PUT");
        assert_eq!(request.uri(), "/a%20b?x=1&x=2");
        assert_eq!(request.body(), "hi");
        for (name, value) in [
            ("host", "abc.lambda-url.local"),
            ("x-n", "1,2"),
            ("cookie", "a=1; b=2"),
            ("x-id", "7"),
        ] {
            assert_eq!(request.headers()[name], value, "{name}");
        }
    }

    #[test]
    fn any_other_event_is_posted() {
        for event in ["{\"a\":1}", "[]", "{\"version\":\"2.0\"}", "3"] {
            let (request, shape) = request(&Bytes::from(event), &[]).unwrap();
            assert_eq!(shape, Shape::Plain);
            assert_eq!(
                (request.method().as_str(), request.uri().path()),
                ("POST", "/")
            );
            assert_eq!(request.body(), event);
            assert_eq!(request.headers()["content-type"], "application/json");
            assert_eq!(request.headers()["host"], "localhost");
        }
        let older = event(|event| event["version"] = "1.0".into());
        assert_eq!(request(&older, &[]).unwrap().1, Shape::Plain);
    }

    #[test]
    fn event_that_no_request_can_be_is_refused() {
        for (pointer, value) in [
            ("/body", json!("%")),
            ("/rawPath", json!("no slash ")),
            ("/requestContext/http/method", json!("G T")),
            ("/headers", json!({"a b": "1"})),
            ("/headers", json!({"a": "1\n2"})),
        ] {
            let event = event(|event| *event.pointer_mut(pointer).unwrap() = value);
            let refused = request(&event, &[]).unwrap_err();
            assert_eq!(refused.kind, BAD_EVENT, "{pointer}");
        }
    }

    fn response(status: u16) -> Parts {
        let response = Response::builder()
            .status(status)
            .header("x-a", "1")
            .header("x-a", "2")
            .header("set-cookie", "a=1; Path=/")
            .header("set-cookie", "b=2");
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn response_to_a_request_is_told_whole() {
        let Answer::Result(json) = result(response(404), b"no".to_vec(), Shape::Request) else {
            panic!("a response to a request is a result whatever its status");
        };
        let told: Value = serde_json::from_slice(&json).unwrap();
        let expected = json!({
            "statusCode": 404,
            "headers": {"x-a": "1,2"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "no",
            "isBase64Encoded": false,
        });
        assert_eq!(told, expected);
        let Answer::Result(json) = result(response(200), vec![0xFF], Shape::Request) else {
            panic!("bytes are a result");
        };
        let told: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            (&told["body"], &told["isBase64Encoded"]),
            (&json!("/w=="), &json!(true))
        );
    }

    #[test]
    fn response_to_any_other_event_is_its_body() {
        let fine = result(response(201), b"{\"a\":1}".to_vec(), Shape::Plain);
        assert_eq!(fine, Answer::Result(b"{\"a\":1}".to_vec()));
        for status in [400, 503] {
            let Answer::Failed(failure) = result(response(status), b"why".to_vec(), Shape::Plain)
            else {
                panic!("there is no other place for the status");
            };
            assert_eq!(failure.kind, HTTP);
            assert!(failure.message.contains(&status.to_string()), "{failure:?}");
            assert!(failure.message.ends_with(": why"), "{failure:?}");
        }
    }
}
