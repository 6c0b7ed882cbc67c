//! Match expressions: `{"prefix": "x"}`, `{"anything-but": ["a", "b"]}` and their like.

use super::Error;
use super::address::Range;
use super::json::{Reader, Token};
use super::value::{Bounds, NUMBER_MAX, Test, fold};
use super::wildcard::{self, Wildcard};

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

/// What `anything-but` is applied to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum But {
    Values,
    Prefix,
    Suffix,
    IgnoreCase,
    Wildcard,
}

/// The expression whose object's start was read; none is "not there".
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Test>, Error> {
    let Token::Name(kind) = reader.token()? else {
        return Err(reader.error("Match expression name not found"));
    };
    let test = match kind.as_str() {
        "exactly" => Test::Text(text(reader, "exact match pattern must be a string")?),
        "prefix" => return affix(reader, true).map(Some),
        "suffix" => return affix(reader, false).map(Some),
        "numeric" => return numeric(reader).map(Some),
        "anything-but" => return anything_but(reader).map(Some),
        "exists" => return exists(reader),
        // The words about a prefix are AWS's.
        "cidr" => {
            let text = text(reader, "prefix match pattern must be a string")?;
            Test::Cidr(Range::parse(&text).map_err(Error)?)
        }
        "equals-ignore-case" => {
            let what = "equals-ignore-case match pattern must be a string";
            Test::EqualsIgnoreCase(fold(&text(reader, what)?))
        }
        "wildcard" => {
            let text = text(reader, "wildcard match pattern must be a string")?;
            Test::Wildcard(Wildcard::parse(&text).map_err(|what| reader.error(what))?)
        }
        _ => return Err(reader.error(format!("Unrecognized match type {kind}"))),
    };
    end(reader, ONE_KEY)?;
    Ok(Some(test))
}

/// Refuses wildcards of one field that together could make too much work.
pub(super) fn check_complexity(tests: &[Option<Test>]) -> Result<(), Error> {
    let wildcards: Vec<&Wildcard> = tests
        .iter()
        .flatten()
        .flat_map(|test| match test {
            Test::AnythingBut(tests) => tests.as_slice(),
            test => std::slice::from_ref(test),
        })
        .filter_map(|test| match test {
            Test::Wildcard(wildcard) => Some(wildcard),
            _ => None,
        })
        .collect();
    match !wildcards.is_empty() && wildcard::are_too_complex(&wildcards) {
        true => Err(Error(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating \
             character sequences after a wildcard character"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

fn text(reader: &mut Reader<'_>, otherwise: &str) -> Result<String, Error> {
    match reader.token()? {
        Token::String(text) => {
            reader.looked();
            Ok(text)
        }
        _ => Err(reader.error(otherwise)),
    }
}

fn end(reader: &mut Reader<'_>, otherwise: &str) -> Result<(), Error> {
    match reader.token()? {
        Token::ObjectEnd => Ok(()),
        _ => Err(reader.error(otherwise)),
    }
}

/// `prefix` and `suffix`: of a text, or of one whose case does not matter.
fn affix(reader: &mut Reader<'_>, is_prefix: bool) -> Result<Test, Error> {
    let (small, capital) = match is_prefix {
        true => ("prefix", "Prefix"),
        false => ("suffix", "Suffix"),
    };
    let (test, ends) = match reader.token()? {
        Token::String(text) if is_prefix => (Test::Prefix(text), 1),
        Token::String(text) => (Test::Suffix(text), 1),
        Token::ObjectStart => {
            let Token::Name(kind) = reader.token()? else {
                return Err(reader.error(format!("{capital} expression name not found")));
            };
            if kind != "equals-ignore-case" {
                return Err(reader.error(format!("Unsupported {small} pattern: {kind}")));
            }
            let what = "equals-ignore-case match pattern must be a string";
            let folded = fold(&text(reader, what)?);
            match is_prefix {
                true => (Test::PrefixIgnoreCase(folded), 2),
                false => (Test::SuffixIgnoreCase(folded), 2),
            }
        }
        _ => return Err(reader.error(format!("{small} match pattern must be a string"))),
    };
    for _ in 0..ends {
        end(reader, ONE_KEY)?;
    }
    Ok(test)
}

fn exists(reader: &mut Reader<'_>) -> Result<Option<Test>, Error> {
    let test = match reader.token()? {
        Token::True => Some(Test::Exists),
        Token::False => None,
        _ => {
            return Err(reader.error("exists match pattern must be either true or false."));
        }
    };
    end(reader, ONE_KEY)?;
    Ok(test)
}

fn anything_but(reader: &mut Reader<'_>) -> Result<Test, Error> {
    let mut token = reader.token()?;
    let mut but = But::Values;
    if token == Token::ObjectStart {
        let Token::Name(kind) = reader.token()? else {
            return Err(reader.error("Anything-But expression name not found"));
        };
        but = match kind.as_str() {
            "equals-ignore-case" => But::IgnoreCase,
            "prefix" => But::Prefix,
            "suffix" => But::Suffix,
            "wildcard" => But::Wildcard,
            _ => {
                return Err(reader.error(format!("Unsupported anything-but pattern: {kind}")));
            }
        };
        token = reader.token()?;
    }
    let tests = match token {
        // What goes wrong in a list AWS reports with the place twice.
        Token::ArrayStart => {
            let tests = but.list(reader).map_err(|error| reader.error(error.0))?;
            if but == But::Values {
                same_kind(reader, &tests)?;
            }
            tests
        }
        Token::String(_) | Token::Number(_) => vec![but.one(reader, token)?],
        _ => {
            let what = "Value of anything-but must be an array or single string/number value.";
            return Err(reader.error(what));
        }
    };
    end(reader, TOO_MANY)?;
    if but != But::Values {
        end(reader, TOO_MANY)?;
    }
    Ok(Test::AnythingBut(tests))
}

fn same_kind(reader: &Reader<'_>, tests: &[Test]) -> Result<(), Error> {
    let numbers = tests
        .iter()
        .filter(|it| matches!(it, Test::Number(_)))
        .count();
    match !tests.is_empty() && (numbers == 0 || numbers == tests.len()) {
        true => Ok(()),
        false => Err(reader.error(
            "Inside anything but list, either all values are number or string, mixed type is not \
             supported",
        )),
    }
}

impl But {
    fn list(self, reader: &mut Reader<'_>) -> Result<Vec<Test>, Error> {
        let mut tests = Vec::new();
        loop {
            match reader.token()? {
                Token::ArrayEnd => return Ok(tests),
                token => tests.push(self.one(reader, token)?),
            }
        }
    }

    /// One value that is excluded.
    fn one(self, reader: &mut Reader<'_>, token: Token) -> Result<Test, Error> {
        let text = match (self, token) {
            (_, Token::String(text)) => text,
            (Self::Values, Token::Number(text)) => {
                number(&text).map_err(Error)?;
                return Ok(Test::number(&text));
            }
            _ => return Err(reader.error(self.wrong_kind())),
        };
        reader.looked();
        Ok(match self {
            Self::Values => Test::Text(text),
            Self::IgnoreCase => Test::EqualsIgnoreCase(fold(&text)),
            Self::Prefix | Self::Suffix if text.is_empty() => {
                return Err(reader.error("Null prefix/suffix not allowed"));
            }
            Self::Prefix => Test::Prefix(text),
            Self::Suffix => Test::Suffix(text),
            Self::Wildcard => {
                Test::Wildcard(Wildcard::parse(&text).map_err(|what| reader.error(what))?)
            }
        })
    }

    fn wrong_kind(self) -> &'static str {
        match self {
            Self::Values => "Inside anything but list, start|null|boolean is not supported.",
            Self::IgnoreCase => {
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not \
                 supported."
            }
            Self::Wildcard => "wildcard match pattern must be a string",
            Self::Prefix | Self::Suffix => "prefix/suffix match pattern must be a string",
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().unwrap_or(f64::INFINITY);
    match number.abs() <= NUMBER_MAX {
        true => Ok(number),
        false => Err("Value must be between -5.0E9 and 5.0E9, inclusive".to_owned()),
    }
}

/// `numeric`: one comparison, or a lower and an upper one.
fn numeric(reader: &mut Reader<'_>) -> Result<Test, Error> {
    if reader.token()? != Token::ArrayStart {
        return Err(reader.error("Value of numeric must be an array."));
    }
    let first = reader.token()?;
    let Token::String(operator) = first else {
        let what = format!("Invalid member in numeric match: {}", first.text());
        return Err(reader.error(what));
    };
    let value = reader.token()?;
    let name = match operator.as_str() {
        "=" => "equals",
        ">" | ">=" | "<" | "<=" => &operator,
        _ => {
            let what = format!("Unrecognized numeric range operator: {operator}");
            return Err(reader.error(what));
        }
    };
    if !value.is_number() {
        return Err(reader.error(format!("Value of {name} must be numeric")));
    }
    let mut bounds = Bounds {
        low: -NUMBER_MAX,
        is_low_open: false,
        high: NUMBER_MAX,
        is_high_open: false,
    };
    let next = reader.token()?;
    let mut is_range = true;
    match (operator.as_str(), next) {
        (">" | ">=", Token::ArrayEnd) => {}
        (">" | ">=", next) => upper(reader, next, &mut bounds)?,
        (_, Token::ArrayEnd) => {}
        _ => return Err(reader.error(TOO_MANY)),
    }
    let number = number(value.text()).map_err(|what| reader.error(what))?;
    match operator.as_str() {
        "=" => {
            bounds.low = number;
            bounds.high = number;
            is_range = false;
        }
        "<" | "<=" => {
            bounds.high = number;
            bounds.is_high_open = operator == "<";
        }
        _ => {
            bounds.low = number;
            bounds.is_low_open = operator == ">";
        }
    }
    if is_range && bounds.low >= bounds.high {
        return Err(reader.error("Bottom must be less than top"));
    }
    end(reader, TOO_MANY)?;
    Ok(Test::Numeric(bounds))
}

/// The second comparison of a range, whose first token was read.
fn upper(reader: &mut Reader<'_>, first: Token, bounds: &mut Bounds) -> Result<(), Error> {
    let Token::String(operator) = first else {
        let what = format!("Bad value in numeric range: {}", first.text());
        return Err(reader.error(what));
    };
    reader.looked();
    if operator != "<" && operator != "<=" {
        return Err(reader.error(format!("Bad numeric range operator: {operator}")));
    }
    let value = reader.token()?;
    if !value.is_number() {
        return Err(reader.error(format!("Value of {operator} must be numeric")));
    }
    if reader.token()? != Token::ArrayEnd {
        return Err(reader.error("Too many terms in numeric range expression"));
    }
    bounds.high = number(value.text()).map_err(|what| reader.error(what))?;
    bounds.is_high_open = operator == "<";
    Ok(())
}
