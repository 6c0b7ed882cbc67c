//! Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, and `${*}`, `${?}`, `${$}` for the characters
//! themselves. Only documents of version 2012-10-17 have them.

use crate::context::Context;

/// A placeholder for a value of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// In lower case, as [`Context`] keeps its keys.
    key: Box<str>,
    default: Option<Box<str>>,
}

/// What stands between `${` and `}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `${*}`, `${?}` or `${$}`.
    Character(char),
    /// A key of the request.
    Variable(Variable),
}

impl Variable {
    /// The value: that of the request, else the default, else none. A key with several values is none, as AWS has variables
    /// of single-valued keys only.
    pub(crate) fn resolve<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match context.lookup(&self.key) {
            [value] => Some(value),
            _ => self.default.as_deref(),
        }
    }
}

/// Reads a placeholder at the start of `text`, which begins with `${`, and says how many bytes it takes. What is none is
/// text like any other.
pub(crate) fn read(text: &str) -> Option<(Placeholder, usize)> {
    let inner = text.strip_prefix("${")?;
    if let Some((key, default, length)) = read_with_default(inner) {
        let variable = Variable {
            key: key.to_lowercase().into(),
            default: Some(default.into()),
        };
        return Some((Placeholder::Variable(variable), length + 2));
    }
    let end = inner.find('}')?;
    let name = &inner[..end];
    let placeholder = match name {
        "*" => Placeholder::Character('*'),
        "?" => Placeholder::Character('?'),
        "$" => Placeholder::Character('$'),
        key if is_key(key) => Placeholder::Variable(Variable {
            key: key.to_lowercase().into(),
            default: None,
        }),
        _ => return None,
    };
    Some((placeholder, end + 3))
}

/// `key, 'default'}`: the key, the default, and the length with the brace.
fn read_with_default(inner: &str) -> Option<(&str, &str, usize)> {
    let comma = inner
        .find([',', '}'])
        .filter(|at| inner[*at..].starts_with(','))?;
    let key = inner[..comma].trim_end();
    let quoted = inner[comma + 1..].trim_start().strip_prefix('\'')?;
    let end = quoted.find("'}")?;
    let length = inner.len() - quoted.len() + end + 2;
    is_key(key).then_some((key, &quoted[..end], length))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(|c: char| c.is_control() || "${}*?'\",".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(key: &str, default: Option<&str>) -> Placeholder {
        Placeholder::Variable(Variable {
            key: key.into(),
            default: default.map(Into::into),
        })
    }

    #[test]
    fn placeholders_are_read() {
        assert_eq!(
            read("${aws:UserName}/x"),
            Some((variable("aws:username", None), 15))
        );
        assert_eq!(
            read("${aws:userid, 'anonymous'}!"),
            Some((variable("aws:userid", Some("anonymous")), 26))
        );
        assert_eq!(read("${k, 'a}b'}"), Some((variable("k", Some("a}b")), 11)));
        assert_eq!(read("${k, ''}"), Some((variable("k", Some("")), 8)));
        assert_eq!(read("${*}"), Some((Placeholder::Character('*'), 4)));
        assert_eq!(read("${$}"), Some((Placeholder::Character('$'), 4)));
    }

    #[test]
    fn what_is_no_placeholder_is_text() {
        for text in ["${", "${}", "${aws:username", "${a${b}", "${**}", "$x", "x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_with_several_values_is_no_variable() {
        let Some((Placeholder::Variable(variable), _)) = read("${aws:TagKeys}") else {
            panic!("a variable");
        };
        let context = Context::new().with_all("aws:TagKeys", ["a", "b"]);
        assert_eq!(variable.resolve(&context), None);
        let context = Context::new().with("AWS:TAGKEYS", "a");
        assert_eq!(variable.resolve(&context), Some("a"));
    }
}
