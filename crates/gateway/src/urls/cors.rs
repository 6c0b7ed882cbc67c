//! Cross-origin rules of a function URL: preflight answers and the headers of other answers.
//!
//! Source: developer guide, "Cross-origin resource sharing (CORS)" of function URLs. A preflight
//! is answered by the platform and never reaches the function. Other responses get the configured
//! headers beside what the function sent itself, even where that repeats a header: AWS was seen
//! to do so, and a browser refuses such a response, so hiding it here would only surprise later.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use kiln_types::Cors;

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The platform's answer, when the request is a preflight.
pub(crate) fn preflight(
    cors: &Cors,
    method: &Method,
    request: &HeaderMap,
) -> Option<Response<Bytes>> {
    let wanted = request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if method != Method::OPTIONS || !request.contains_key(ORIGIN) {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    if allow_origin(cors, request, headers) {
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        put_list(
            headers,
            ACCESS_CONTROL_ALLOW_METHODS,
            &cors.allow_methods,
            Some(wanted),
        );
        put_list(
            headers,
            ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.allow_headers,
            asked,
        );
        if let Some(seconds) = cors.max_age_secs {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
    }
    Some(response)
}

/// Adds what lets a browser hand the response to a page of another origin.
pub(crate) fn decorate(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    if allow_origin(cors, request, response) {
        put_list(
            response,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &cors.expose_headers,
            None,
        );
    }
}

/// Names the caller's origin if it is allowed. It is named even where all origins are, because a
/// browser takes `*` for no request with credentials.
fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(ORIGIN) else {
        return false;
    };
    let allowed = |pattern: &String| pattern == "*" || pattern.as_bytes() == origin.as_bytes();
    if !cors.allow_origins.iter().any(allowed) {
        return false;
    }
    response.append(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    response.append(VARY, HeaderValue::from_static("Origin"));
    if cors.allow_credentials {
        response.append(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    true
}

/// Sends a configured list; `*` becomes what the browser asked for, where it asked.
fn put_list(
    headers: &mut HeaderMap,
    name: HeaderName,
    list: &[String],
    asked: Option<&HeaderValue>,
) {
    if list.is_empty() {
        return;
    }
    let any = list.iter().any(|entry| entry == "*");
    let value = match asked {
        Some(asked) if any => Some(asked.clone()),
        _ => HeaderValue::from_str(&list.join(",")).ok(),
    };
    if let Some(value) = value {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors {
            allow_credentials: true,
            allow_headers: vec!["content-type".into(), "x-a".into()],
            allow_methods: vec!["GET".into(), "POST".into()],
            allow_origins: vec!["https://a.example".into()],
            expose_headers: vec!["x-b".into()],
            max_age_secs: Some(300),
        }
    }

    fn request(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn preflight_of_an_allowed_origin_gets_all_settings() {
        let asked = request(&[
            ("origin", "https://a.example"),
            ("access-control-request-method", "POST"),
        ]);
        let response = preflight(&cors(), &Method::OPTIONS, &asked).unwrap();
        let headers = response.headers();
        assert_eq!(response.status(), 200);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "content-type,x-a");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "300");
        assert_eq!(headers[VARY], "Origin");
    }

    #[test]
    fn preflight_of_another_origin_is_answered_without_permission() {
        let asked = request(&[
            ("origin", "https://b.example"),
            ("access-control-request-method", "GET"),
        ]);
        let response = preflight(&cors(), &Method::OPTIONS, &asked).unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn only_preflights_are_answered_by_the_platform() {
        let origin = ("origin", "https://a.example");
        let method = ("access-control-request-method", "GET");
        assert!(preflight(&cors(), &Method::OPTIONS, &request(&[origin])).is_none());
        assert!(preflight(&cors(), &Method::OPTIONS, &request(&[method])).is_none());
        assert!(preflight(&cors(), &Method::GET, &request(&[origin, method])).is_none());
    }

    #[test]
    fn wildcards_become_what_the_browser_asked_for() {
        let any = Cors {
            allow_headers: vec!["*".into()],
            allow_methods: vec!["*".into()],
            allow_origins: vec!["*".into()],
            ..Cors::default()
        };
        let asked = request(&[
            ("origin", "https://b.example"),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "x-z"),
        ]);
        let response = preflight(&any, &Method::OPTIONS, &asked).unwrap();
        assert_eq!(
            response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://b.example"
        );
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "PATCH");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-z");
        assert!(!response.headers().contains_key(ACCESS_CONTROL_MAX_AGE));
        assert!(
            !response
                .headers()
                .contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)
        );
    }

    #[test]
    fn other_responses_are_decorated_for_allowed_origins_only() {
        let mut headers = request(&[("access-control-allow-origin", "from the function")]);
        decorate(
            &cors(),
            &request(&[("origin", "https://a.example")]),
            &mut headers,
        );
        let origins: Vec<_> = headers
            .get_all(ACCESS_CONTROL_ALLOW_ORIGIN)
            .iter()
            .collect();
        assert_eq!(origins, ["from the function", "https://a.example"]);
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "x-b");
        for other in [request(&[]), request(&[("origin", "https://b.example")])] {
            let mut headers = HeaderMap::new();
            decorate(&cors(), &other, &mut headers);
            assert!(headers.is_empty());
        }
    }
}
