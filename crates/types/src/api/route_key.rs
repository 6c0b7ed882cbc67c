//! Which requests are a route's: a method and a pattern of paths, or all that no other route takes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const DEFAULT: &str = "$default";
const ANY: &str = "ANY";
const METHODS: [&str; 8] = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", ANY,
];

/// `$default`, or a method and a path such as `GET /pets/{id}` or `ANY /files/{path+}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RouteKey {
    /// Requests that no other route takes.
    Default,
    /// Requests of a method to a path.
    Path {
        /// The method; none means any.
        method: Option<String>,
        /// What stands between the slashes of the path.
        segments: Vec<Segment>,
    },
}

/// What stands between two slashes of a route's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Anything but nothing, under this name.
    Variable(String),
    /// All that is left of the path, under this name.
    Greedy(String),
}

/// The text is no route key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRouteKey {
    /// It is neither `$default` nor a method and a path.
    #[error("'{0}' is neither $default nor a method and a path such as GET /pets")]
    Form(String),
    /// A part of the path cannot be.
    #[error("'{0}' has a part of the path that cannot be")]
    Path(String),
}

/// How a request's path fits a route, from the best fit to the worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit<'k, 'p> {
    is_greedy: bool,
    /// Of each segment, how much it leaves open.
    openness: Vec<u8>,
    is_any_method: bool,
    /// The path's variables.
    pub(super) variables: Vec<(&'k str, &'p str)>,
}

impl RouteKey {
    /// The path as it is written; none of the default route.
    pub fn path(&self) -> Option<String> {
        let Self::Path { segments, .. } = self else {
            return None;
        };
        Some(
            segments
                .iter()
                .map(|segment| format!("/{segment}"))
                .collect(),
        )
    }

    /// Whether a variable stands where the other key has one of another name, which no path could tell
    /// apart.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let (
            Self::Path {
                method: first_method,
                segments: first,
            },
            Self::Path {
                method: second_method,
                segments: second,
            },
        ) = (self, other)
        else {
            return false;
        };
        let differing = first.iter().zip(second).find(|(one, two)| one != two);
        first_method == second_method
            && matches!(
                differing,
                Some((Segment::Variable(_), Segment::Variable(_)))
                    | Some((Segment::Greedy(_), Segment::Greedy(_)))
            )
    }

    /// How a request fits; not at all where there is nothing.
    pub(super) fn fit<'k, 'p>(&'k self, method: &str, path: &'p str) -> Option<Fit<'k, 'p>> {
        let Self::Path {
            method: wanted,
            segments,
        } = self
        else {
            return None;
        };
        if wanted.as_deref().is_some_and(|wanted| wanted != method) {
            return None;
        }
        let mut fit = Fit {
            is_greedy: false,
            openness: Vec::new(),
            is_any_method: wanted.is_none(),
            variables: Vec::new(),
        };
        let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
        for segment in segments {
            let left = rest?;
            let (this, next) = match left.split_once('/') {
                Some((this, next)) => (this, Some(next)),
                None => (left, None),
            };
            let (openness, next) = match segment {
                Segment::Literal(text) if text == this => (0, next),
                Segment::Variable(name) if !this.is_empty() => {
                    fit.variables.push((name, this));
                    (1, next)
                }
                Segment::Greedy(name) if !left.is_empty() => {
                    fit.variables.push((name, left));
                    fit.is_greedy = true;
                    (2, None)
                }
                _ => return None,
            };
            fit.openness.push(openness);
            rest = next;
        }
        rest.is_none().then_some(fit)
    }
}

impl Fit<'_, '_> {
    /// AWS's order: a whole match before a greedy one, then what leaves less open from the left, then
    /// a method before any.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let key = |fit: &Self| (fit.is_greedy, fit.openness.clone(), fit.is_any_method);
        key(self).cmp(&key(other))
    }
}

impl FromStr for RouteKey {
    type Err = InvalidRouteKey;

    fn from_str(text: &str) -> Result<Self, InvalidRouteKey> {
        if text == DEFAULT {
            return Ok(Self::Default);
        }
        let parts = text.split_once(' ').filter(|(method, path)| {
            METHODS.contains(method) && path.starts_with('/') && !path.contains(' ')
        });
        let Some((method, path)) = parts else {
            return Err(InvalidRouteKey::Form(text.to_owned()));
        };
        let segments: Option<Vec<Segment>> = path[1..].split('/').map(segment).collect();
        let segments = segments.filter(|segments| is_path(segments));
        let segments = segments.ok_or_else(|| InvalidRouteKey::Path(text.to_owned()))?;
        let method = Some(method)
            .filter(|method| *method != ANY)
            .map(str::to_owned);
        Ok(Self::Path { method, segments })
    }
}

fn segment(text: &str) -> Option<Segment> {
    let Some(inside) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        let allowed = |c: char| {
            c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c) || !c.is_ascii()
        };
        return text
            .chars()
            .all(allowed)
            .then(|| Segment::Literal(text.to_owned()));
    };
    let name = inside.strip_suffix('+').unwrap_or(inside);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return None;
    }
    Some(match inside.ends_with('+') {
        true => Segment::Greedy(name.to_owned()),
        false => Segment::Variable(name.to_owned()),
    })
}

/// Only the last segment is greedy, and no name stands for two.
fn is_path(segments: &[Segment]) -> bool {
    let is_last = |index: usize| index + 1 == segments.len();
    segments.iter().enumerate().all(|(index, segment)| {
        let name = segment.variable();
        let is_repeated = name.is_some()
            && segments[..index]
                .iter()
                .any(|earlier| earlier.variable() == name);
        !is_repeated && (is_last(index) || !matches!(segment, Segment::Greedy(_)))
    })
}

impl Segment {
    fn variable(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Variable(name) | Self::Greedy(name) => Some(name),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Variable(name) => write!(f, "{{{name}}}"),
            Self::Greedy(name) => write!(f, "{{{name}+}}"),
        }
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str(DEFAULT),
            Self::Path { method, segments } => {
                write!(f, "{} ", method.as_deref().unwrap_or(ANY))?;
                segments
                    .iter()
                    .try_for_each(|segment| write!(f, "/{segment}"))
            }
        }
    }
}

impl TryFrom<String> for RouteKey {
    type Error = InvalidRouteKey;

    fn try_from(text: String) -> Result<Self, InvalidRouteKey> {
        text.parse()
    }
}

impl From<RouteKey> for String {
    fn from(key: RouteKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> RouteKey {
        text.parse().unwrap()
    }

    #[test]
    fn keys_read_back_as_written() {
        for text in [
            "$default",
            "GET /",
            "ANY /pets/{id}",
            "POST /a.b/c-d/{proxy+}",
            "PUT /pets/",
        ] {
            assert_eq!(key(text).to_string(), text);
        }
        assert_eq!(key("GET /a/{b+}").path().unwrap(), "/a/{b+}");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "/pets",
            "GET",
            "get /pets",
            "TRACE /",
            "GET pets",
            "GET /a b",
        ] {
            let refused = text.parse::<RouteKey>().unwrap_err();
            assert_eq!(refused, InvalidRouteKey::Form(text.into()), "{text}");
        }
        for text in [
            "GET /{id}.json",
            "GET /{proxy+}/more",
            "GET /{a}/{a}",
            "GET /{}",
            "GET /a?b",
            "GET /a#b",
        ] {
            let refused = text.parse::<RouteKey>().unwrap_err();
            assert_eq!(refused, InvalidRouteKey::Path(text.into()), "{text}");
        }
    }

    #[test]
    fn a_path_fits_as_a_whole() {
        let fits = |key: &RouteKey, path| key.fit("GET", path).is_some();
        let cases = [
            ("GET /", "/", true),
            ("GET /", "/a", false),
            ("GET /pets", "/pets", true),
            ("GET /pets", "/pets/", false),
            ("GET /pets/", "/pets/", true),
            ("GET /pets", "/Pets", false),
            ("GET /pets/{id}", "/pets/7", true),
            ("GET /pets/{id}", "/pets/", false),
            ("GET /pets/{id}", "/pets", false),
            ("GET /pets/{id}", "/pets/7/toys", false),
            ("GET /{proxy+}", "/", false),
            ("GET /{proxy+}", "/a/b/", true),
            ("GET /pets/{proxy+}", "/pets", false),
            ("ANY /pets", "/pets", true),
            ("POST /pets", "/pets", false),
        ];
        for (written, path, expected) in cases {
            assert_eq!(fits(&key(written), path), expected, "{written} {path}");
        }
    }

    #[test]
    fn variables_hold_what_stands_for_them() {
        let key = key("GET /a/{b}/{rest+}");
        let fit = key.fit("GET", "/a/one/two/three").unwrap();
        assert_eq!(fit.variables, [("b", "one"), ("rest", "two/three")]);
    }

    #[test]
    fn variables_of_two_names_in_one_place_clash() {
        for (one, two, clash) in [
            ("GET /a/{id}", "GET /a/{name}", true),
            ("GET /a/{id}/b", "GET /a/{name}/c", true),
            ("GET /a/{id}", "GET /a/{id}/b", false),
            ("GET /a/{id}", "POST /a/{name}", false),
            ("GET /a/{id}", "GET /a/{proxy+}", false),
            ("GET /a/{one+}", "GET /a/{two+}", true),
            ("GET /b/{id}", "GET /a/{name}", false),
            ("$default", "GET /a/{name}", false),
        ] {
            assert_eq!(key(one).clashes_with(&key(two)), clash, "{one} {two}");
        }
    }
}
