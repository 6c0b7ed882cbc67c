//! JSON patterns: `{ $.level = "ERROR" && ($.status >= 500 || $.user NOT EXISTS) }`.
//!
//! `&&` binds tighter than `||`. A comparison with a field that the event does not have is
//! false, `!=` included; `NOT EXISTS` is how to ask for its absence.

use fancy_regex::Regex;
use serde_json::Value;

use super::is_match;

mod parse;

/// What must be true of an event.
#[derive(Debug)]
pub(crate) enum Condition {
    /// All of them.
    And(Vec<Condition>),
    /// At least one of them.
    Or(Vec<Condition>),
    /// A test of one field.
    Test(Path, Test),
}

/// Where a field stands: `$.a.b[0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A test of a field's value.
#[derive(Debug)]
pub(crate) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Number(Order, f64),
    Is(Value),
    Exists,
    NotExists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a field is compared with.
#[derive(Debug)]
pub(crate) enum Operand {
    Number(f64),
    /// A text; `*` stands for any characters.
    Text(String),
    Regex(Box<Regex>),
}

impl Condition {
    /// Whether it is true of this document.
    pub(crate) fn holds(&self, document: &Value) -> bool {
        match self {
            Condition::And(all) => all.iter().all(|condition| condition.holds(document)),
            Condition::Or(any) => any.iter().any(|condition| condition.holds(document)),
            Condition::Test(path, test) => test.passes(path.find(document)),
        }
    }
}

impl Path {
    fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }
}

impl Test {
    fn passes(&self, field: Option<&Value>) -> bool {
        let Some(value) = field else {
            return matches!(self, Test::NotExists);
        };
        match self {
            Test::Exists => true,
            Test::NotExists => false,
            Test::Is(wanted) => value == wanted,
            Test::Equal(operand) => operand.equals(value),
            Test::NotEqual(operand) => !operand.equals(value),
            Test::Number(order, number) => value
                .as_f64()
                .is_some_and(|actual| order.holds(actual, *number)),
        }
    }
}

impl Order {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }
}

impl Operand {
    fn equals(&self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => match self {
                Operand::Number(wanted) => return number.as_f64() == Some(*wanted),
                _ => number.to_string(),
            },
            Value::Bool(flag) => flag.to_string(),
            _ => return false,
        };
        match self {
            Operand::Number(_) => false,
            Operand::Text(pattern) => matches_wildcards(pattern, &text),
            Operand::Regex(regex) => is_match(regex, &text),
        }
    }
}

/// Whether the text has the pattern's form, `*` standing for any characters. Greedy with one
/// point to return to, so that it takes at most pattern × text steps.
fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            p = after_star;
            t = from + 1;
            retry = Some((after_star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn holds(pattern: &str) -> bool {
        let event = json!({
            "level": "ERROR",
            "status": 503,
            "latency": 1.5e2,
            "secure": true,
            "nothing": null,
            "path": "/orders/17",
            "user": { "id": 7, "name": "ann.b", "roles": ["admin", "dev"] },
            "odd.key": "x",
        });
        pattern.parse::<Condition>().unwrap().holds(&event)
    }

    #[test]
    fn texts_are_compared_whole_and_with_wildcards() {
        assert!(holds(r#"{ $.level = "ERROR" }"#));
        assert!(holds("{$.level=ERROR}"));
        assert!(!holds(r#"{ $.level = "ERR" }"#));
        assert!(holds(r#"{ $.path = "/orders/*" }"#));
        assert!(holds(r#"{ $.path = "*17" && $.level = E*R }"#));
        assert!(holds(r#"{ $.level != "INFO" }"#));
        assert!(!holds(r#"{ $.path != "*orders*" }"#));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        for pattern in [
            "{ $.status = 503 }",
            "{ $.status > 502.5 }",
            "{ $.status >= 503 }",
            "{ $.status < 6e2 }",
            "{ $.status <= 503 }",
            "{ $.latency = 150 }",
            "{ $.status != 200 }",
            "{ $.status = 5* }",
        ] {
            assert!(holds(pattern), "{pattern}");
        }
        for pattern in ["{ $.status > 503 }", "{ $.level > 1 }", "{ $.status = 4* }"] {
            assert!(!holds(pattern), "{pattern}");
        }
    }

    #[test]
    fn paths_reach_into_objects_and_lists() {
        assert!(holds("{ $.user.id = 7 }"));
        assert!(holds(r#"{ $.user.roles[1] = "dev" }"#));
        assert!(!holds(r#"{ $.user.roles[2] = "dev" }"#));
        assert!(holds(r#"{ $.["odd.key"] = "x" }"#));
        assert!(holds("{ $.['odd.key'] = x }"));
    }

    #[test]
    fn presence_and_kind_of_a_value_can_be_asked() {
        assert!(holds("{ $.nothing IS NULL }"));
        assert!(holds("{ $.secure IS TRUE }"));
        assert!(!holds("{ $.secure IS FALSE }"));
        assert!(!holds("{ $.level IS NULL }"));
        assert!(holds("{ $.absent NOT EXISTS }"));
        assert!(!holds("{ $.nothing NOT EXISTS }"));
        assert!(holds("{ $.user.id EXISTS }"));
        assert!(!holds("{ $.absent != 1 }"));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(holds("{ $.status = 503 || $.status = 1 && $.status = 2 }"));
        assert!(!holds(
            "{ ($.status = 503 || $.status = 1) && $.status = 2 }"
        ));
        assert!(holds("{ ($.user.id = 1) || ($.level = %^ERR%) }"));
    }

    #[test]
    fn broken_conditions_are_refused() {
        for pattern in [
            "{",
            "{}",
            "{ $.a }",
            "{ $.a = }",
            "{ a = 1 }",
            "{ $.a = 1",
            "{ $.a = 1 } x",
            "{ ($.a = 1 }",
            "{ $.a = 1 && }",
            "{ $.a > \"b\" }",
            "{ $.a IS MAYBE }",
            "{ $.a[x] = 1 }",
            "{ $.a NOT 1 }",
            "{ $.a = \"open }",
            "{ $.a ~ 1 }",
            "{ $. = 1 }",
        ] {
            assert!(pattern.parse::<Condition>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn wildcards_take_time_linear_in_practice() {
        let text = "a".repeat(5_000);
        assert!(!matches_wildcards("*a*a*a*a*a*a*b", &text));
        assert!(matches_wildcards("a*a*a*", &text));
        assert!(matches_wildcards("*", ""));
        assert!(!matches_wildcards("", "a"));
    }
}
