//! Cross-origin rules of an HTTP API: preflight answers and the headers of other answers.
//!
//! Source: API Gateway developer guide, "Configure CORS for HTTP APIs". Where an API has such rules, it
//! answers preflights itself and passes over what its functions say of origins.
//!
//! AWS differs: where `$default` or a route for any method takes `OPTIONS` and asks for authorization, AWS
//! asks for it in preflights too, which browsers never have; here preflights need none.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use kiln_types::Cors;

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// What functions may say and an API with rules says itself.
const OWN: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The API's answer, when the request is a preflight.
pub(super) fn preflight(
    cors: &Cors,
    method: &Method,
    request: &HeaderMap,
) -> Option<Response<Bytes>> {
    let asks = request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if allow_origin(cors, request, headers) {
        put_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        put_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        if let Some(seconds) = cors.max_age_secs {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
    }
    Some(response)
}

/// Puts what lets a browser hand the response to a page of another origin in place of what a function said.
pub(super) fn decorate(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in OWN {
        response.remove(name);
    }
    if allow_origin(cors, request, response) {
        put_list(
            response,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &cors.expose_headers,
        );
    }
}

fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(ORIGIN) else {
        return false;
    };
    let is_any = cors.allow_origins.iter().any(|pattern| pattern == "*");
    if !is_any {
        // What is said to one origin must not be kept for another.
        response.append(VARY, HeaderValue::from_static("origin"));
        if !cors
            .allow_origins
            .iter()
            .any(|pattern| allows(pattern, origin))
        {
            return false;
        }
    }
    let allowed = if is_any { ANY } else { origin.clone() };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.allow_credentials {
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    true
}

/// Whether a pattern, an origin or a scheme and `*`, is of this origin.
fn allows(pattern: &str, origin: &HeaderValue) -> bool {
    match pattern.strip_suffix('*') {
        Some(scheme) => origin.as_bytes().starts_with(scheme.as_bytes()),
        None => pattern.as_bytes() == origin.as_bytes(),
    }
}

fn put_list(headers: &mut HeaderMap, name: HeaderName, list: &[String]) {
    if !list.is_empty()
        && let Ok(value) = HeaderValue::from_str(&list.join(","))
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            allow_credentials: !origins.contains(&"*"),
            allow_headers: vec!["content-type".into(), "x-a".into()],
            allow_methods: vec!["GET".into(), "POST".into()],
            allow_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
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

    const ORIGIN_A: (&str, &str) = ("origin", "https://a.example");
    const WANTED: (&str, &str) = ("access-control-request-method", "POST");

    #[test]
    fn a_preflight_of_an_allowed_origin_gets_all_settings() {
        let asked = request(&[ORIGIN_A, WANTED]);
        let rules = cors(&["https://a.example"]);
        let response = preflight(&rules, &Method::OPTIONS, &asked).unwrap();
        let headers = response.headers();
        assert_eq!(response.status(), 204);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "content-type,x-a");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "300");
        assert_eq!(headers[VARY], "origin");
    }

    #[test]
    fn a_preflight_of_another_origin_is_answered_without_permission() {
        let asked = request(&[ORIGIN_A, WANTED]);
        let rules = cors(&["https://b.example"]);
        let response = preflight(&rules, &Method::OPTIONS, &asked).unwrap();
        assert_eq!(response.status(), 204);
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(
            !response
                .headers()
                .contains_key(ACCESS_CONTROL_ALLOW_METHODS)
        );
    }

    #[test]
    fn only_preflights_are_answered_by_the_api() {
        let rules = cors(&["*"]);
        assert!(preflight(&rules, &Method::OPTIONS, &request(&[ORIGIN_A])).is_none());
        assert!(preflight(&rules, &Method::OPTIONS, &request(&[WANTED])).is_none());
        assert!(preflight(&rules, &Method::GET, &request(&[ORIGIN_A, WANTED])).is_none());
    }

    #[test]
    fn origins_are_allowed_one_by_one_by_scheme_or_all() {
        let allowed = |pattern: &str| {
            let mut headers = HeaderMap::new();
            decorate(&cors(&[pattern]), &request(&[ORIGIN_A]), &mut headers);
            let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
            allowed.map(|value| value.to_str().unwrap().to_owned())
        };
        let own = Some("https://a.example".to_owned());
        assert_eq!(allowed("https://a.example"), own);
        assert_eq!(allowed("https://*"), own);
        assert_eq!(allowed("*"), Some("*".to_owned()));
        assert_eq!(allowed("http://*"), None);
        assert_eq!(allowed("https://a.example.org"), None);
    }

    #[test]
    fn what_a_function_says_of_origins_is_passed_over() {
        let said = [
            ("access-control-allow-origin", "https://evil.example"),
            ("access-control-allow-methods", "DELETE"),
            ("x-own", "1"),
        ];
        for (sent, origins) in [(request(&[ORIGIN_A]), 1), (request(&[]), 0)] {
            let mut headers = request(&said);
            decorate(&cors(&["https://*"]), &sent, &mut headers);
            let allowed = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
            assert_eq!(allowed.count(), origins);
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS));
            assert_eq!(headers["x-own"], "1");
        }
    }
}
