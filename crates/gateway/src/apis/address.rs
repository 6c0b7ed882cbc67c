//! Which API a request names: by its host, or by its path where names below `localhost` do not resolve.
//!
//! - `http://<api-id>.execute-api.<anything>/<path>`
//! - `http://<any host of the server>/_aws/execute-api/<api-id>/<path>`
//!
//! The API sees the same path in both forms. In the second, `$default` may stand for the default stage,
//! which has no name in paths otherwise.

use http::request::Parts;

use crate::router;

/// What paths begin with that name an API.
const PREFIX: &str = "/_aws/execute-api/";
/// What hosts have after an API's id.
const HOST: &str = "execute-api.";

/// An API's id, and the path that the API sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The id, which perhaps no API has.
    pub(crate) api: String,
    /// The path, still percent-encoded.
    pub(crate) path: String,
}

impl Address {
    /// The address of a request, if it is for an API.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        if let Some((id, rest)) = router::host(head).split_once('.')
            && rest.starts_with(HOST)
        {
            return Some(Self {
                api: id.to_ascii_lowercase(),
                path: path.to_owned(),
            });
        }
        let named = path.strip_prefix(PREFIX)?;
        let (id, rest) = match named.find('/') {
            Some(slash) => named.split_at(slash),
            None => (named, "/"),
        };
        Some(Self {
            api: id.to_owned(),
            path: without_default(rest).to_owned(),
        })
    }
}

fn without_default(path: &str) -> &str {
    for default in ["/$default", "/%24default"] {
        match path.strip_prefix(default) {
            Some("") => return "/",
            Some(rest) if rest.starts_with('/') => return rest,
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, path: &str) -> Option<(String, String)> {
        let request = http::Request::get(path).header("host", host);
        let (head, ()) = request.body(()).unwrap().into_parts();
        Address::of(&head).map(|address| (address.api, address.path))
    }

    fn is(api: &str, path: &str) -> Option<(String, String)> {
        Some((api.to_owned(), path.to_owned()))
    }

    #[test]
    fn an_api_is_named_by_host_whatever_follows() {
        for host in [
            "a1b2c3d4e5.execute-api.us-east-1.localhost:4566",
            "A1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "a1b2c3d4e5.execute-api.localhost",
        ] {
            assert_eq!(
                address(host, "/prod/pets?x=1"),
                is("a1b2c3d4e5", "/prod/pets"),
                "{host}"
            );
        }
        for host in [
            "localhost:4566",
            "execute-api.localhost",
            "a.b.execute-api.localhost",
            "",
        ] {
            assert_eq!(address(host, "/prod/pets"), None, "{host}");
        }
    }

    #[test]
    fn an_api_is_named_by_path_too() {
        let by_path = |path: &str| address("localhost:4566", path);
        assert_eq!(
            by_path("/_aws/execute-api/abc/prod/pets"),
            is("abc", "/prod/pets")
        );
        assert_eq!(by_path("/_aws/execute-api/abc/"), is("abc", "/"));
        assert_eq!(by_path("/_aws/execute-api/abc"), is("abc", "/"));
        assert_eq!(by_path("/_aws/execute-api"), None);
        for default in ["$default", "%24default"] {
            let path = format!("/_aws/execute-api/abc/{default}");
            assert_eq!(by_path(&path), is("abc", "/"));
            assert_eq!(by_path(&format!("{path}/a%20b")), is("abc", "/a%20b"));
        }
        assert_eq!(
            by_path("/_aws/execute-api/abc/$defaults"),
            is("abc", "/$defaults")
        );
    }
}
