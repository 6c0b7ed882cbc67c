//! Reads JSON patterns by recursive descent. A pattern has at most 1,024 characters (service
//! model), which bounds the depth.

use std::str::FromStr;

use super::{Condition, Operand, Order, Path, Step, Test};
use crate::logs::filter::terms::read_quoted;
use crate::logs::filter::{InvalidFilter, regex};

impl FromStr for Condition {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut parser = Parser { rest: text };
        parser.expect("{")?;
        let condition = parser.any_of()?;
        parser.expect("}")?;
        match parser.rest.trim() {
            "" => Ok(condition),
            extra => Err(InvalidFilter::new(format!(
                "unexpected {extra} after the closing brace"
            ))),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn any_of(&mut self) -> Result<Condition, InvalidFilter> {
        let mut conditions = vec![self.all_of()?];
        while self.take("||") {
            conditions.push(self.all_of()?);
        }
        Ok(one_or(conditions, Condition::Or))
    }

    fn all_of(&mut self) -> Result<Condition, InvalidFilter> {
        let mut conditions = vec![self.single()?];
        while self.take("&&") {
            conditions.push(self.single()?);
        }
        Ok(one_or(conditions, Condition::And))
    }

    fn single(&mut self) -> Result<Condition, InvalidFilter> {
        if self.take("(") {
            let inner = self.any_of()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        let test = self.test()?;
        Ok(Condition::Test(path, test))
    }

    fn path(&mut self) -> Result<Path, InvalidFilter> {
        self.expect("$")?;
        let mut steps = Vec::new();
        loop {
            if let Some(after) = self.rest.strip_prefix('[') {
                self.rest = after;
                steps.push(self.bracket()?);
            } else if let Some(after) = self.rest.strip_prefix('.') {
                self.rest = after;
                if !after.starts_with('[') {
                    steps.push(Step::Key(self.key()?));
                }
            } else {
                break;
            }
        }
        match steps.is_empty() {
            true => Err(InvalidFilter::new("a field is written as $.name")),
            false => Ok(Path(steps)),
        }
    }

    fn key(&mut self) -> Result<String, InvalidFilter> {
        let ends = |c: char| c.is_whitespace() || "=!<>&|()[]{}.\"'%".contains(c);
        let (key, after) = self
            .rest
            .split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        if key.is_empty() {
            return Err(InvalidFilter::new(
                "a field's name is missing after the dot",
            ));
        }
        self.rest = after;
        Ok(key.to_owned())
    }

    /// An index or a quoted key, after `[`.
    fn bracket(&mut self) -> Result<Step, InvalidFilter> {
        let Some((inside, after)) = self.rest.split_once(']') else {
            return Err(InvalidFilter::new("a [ has no closing ]"));
        };
        self.rest = after;
        let inside = inside.trim();
        for quote in ['"', '\''] {
            let quoted = inside
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote));
            if let Some(key) = quoted {
                return Ok(Step::Key(key.to_owned()));
            }
        }
        inside.parse().map(Step::Index).map_err(|_| {
            InvalidFilter::new(format!("[{inside}] is neither an index nor a quoted name"))
        })
    }

    fn test(&mut self) -> Result<Test, InvalidFilter> {
        let orders = [
            ("<=", Order::LessOrEqual),
            (">=", Order::GreaterOrEqual),
            ("<", Order::Less),
            (">", Order::Greater),
        ];
        for (sign, order) in orders {
            if self.take(sign) {
                return match self.operand()? {
                    Operand::Number(number) => Ok(Test::Number(order, number)),
                    _ => Err(InvalidFilter::new(format!("{sign} needs a number"))),
                };
            }
        }
        if self.take("!=") {
            return self.operand().map(Test::NotEqual);
        }
        if self.take("=") {
            return self.operand().map(Test::Equal);
        }
        self.keyword_test()
    }

    fn keyword_test(&mut self) -> Result<Test, InvalidFilter> {
        let words = self.word();
        match words {
            "EXISTS" => Ok(Test::Exists),
            "NOT" if self.word() == "EXISTS" => Ok(Test::NotExists),
            "IS" => match self.word() {
                "NULL" => Ok(Test::Is(serde_json::Value::Null)),
                "TRUE" => Ok(Test::Is(true.into())),
                "FALSE" => Ok(Test::Is(false.into())),
                _ => Err(InvalidFilter::new("IS needs NULL, TRUE or FALSE")),
            },
            _ => Err(InvalidFilter::new(
                "a field needs one of = != < <= > >= IS EXISTS or NOT EXISTS",
            )),
        }
    }

    fn operand(&mut self) -> Result<Operand, InvalidFilter> {
        self.skip_space();
        if self.rest.starts_with('"') {
            let (text, after) = read_quoted(self.rest)?;
            self.rest = after;
            return Ok(Operand::Text(text));
        }
        if let Some(after) = self.rest.strip_prefix('%') {
            let Some((inside, after)) = after.split_once('%') else {
                return Err(InvalidFilter::new("a regular expression has no closing %"));
            };
            self.rest = after;
            return Ok(Operand::Regex(Box::new(regex(inside)?)));
        }
        match self.word() {
            "" => Err(InvalidFilter::new("a value is missing after the operator")),
            word => {
                Ok(number(word).map_or_else(|| Operand::Text(word.to_owned()), Operand::Number))
            }
        }
    }

    /// The characters up to the next space, bracket or operator; may be empty.
    fn word(&mut self) -> &'a str {
        self.skip_space();
        let ends = |c: char| c.is_whitespace() || "=!<>&|(){}\"%".contains(c);
        let (word, after) = self
            .rest
            .split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = after;
        word
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), InvalidFilter> {
        match self.take(token) {
            true => Ok(()),
            false if self.rest.is_empty() => Err(InvalidFilter::new(format!(
                "the pattern ends where {token} is expected"
            ))),
            false => Err(InvalidFilter::new(format!(
                "expected {token} at {}",
                self.rest
            ))),
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// A decimal number; `inf` and `nan`, which Rust reads as numbers too, are words here.
fn number(word: &str) -> Option<f64> {
    let numeric = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    word.parse()
        .ok()
        .filter(|number: &f64| numeric && number.is_finite())
}

/// A list of one is that one.
fn one_or(mut list: Vec<Condition>, combine: fn(Vec<Condition>) -> Condition) -> Condition {
    match list.len() {
        1 => list.remove(0),
        _ => combine(list),
    }
}
