//! Conditions: one operator, one key, and the values that the request's are compared with.
//!
//! Source: "Condition operators" and "Single-valued vs. multivalued context keys" in the IAM user guide.

mod operator;
mod value;

use crate::context::Context;
use crate::document::Error;
use crate::pattern::{Outcome, Pattern, Syntax};
use operator::{Comparison, Operator, Qualifier, Test};
use value::{Instant, Network, Number};

/// A condition, compiled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    operator: Operator,
    /// In lower case.
    key: Box<str>,
    values: Values,
}

/// The document's values, read as the operator reads them.
#[derive(Debug, Clone, PartialEq)]
enum Values {
    Patterns(Box<[Pattern]>),
    Numbers(Box<[Number]>),
    Instants(Box<[Instant]>),
    Networks(Box<[Network]>),
    /// Of `Null`: whether the key is to be missing.
    Missing(Box<[bool]>),
}

impl Condition {
    pub(crate) fn compile(
        operator: &str,
        key: &str,
        values: &[String],
        has_variables: bool,
    ) -> Result<Self, Error> {
        let operator = Operator::read(operator)
            .ok_or_else(|| Error::Syntax(format!("there is no operator `{operator}`")))?;
        Ok(Self {
            values: Values::read(operator.test, values, has_variables)?,
            operator,
            key: key.to_lowercase().into(),
        })
    }

    /// Whether it holds. Where a variable that could decide has no value it does not, negated or not.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.lookup(&self.key);
        if let Values::Missing(missing) = &self.values {
            return missing.contains(&values.is_empty());
        }
        let is_negated = self.operator.is_negated;
        let holds_for = |value: &String| match self.compare(value, context) {
            Outcome::Yes => !is_negated,
            Outcome::No => is_negated,
            Outcome::Unresolved => false,
        };
        match self.operator.qualifier {
            // `IfExists` changes nothing here, as it is asked of each value.
            Qualifier::AnyValue => set(values).iter().any(holds_for),
            Qualifier::AllValues => set(values).iter().all(holds_for),
            Qualifier::None if values.is_empty() => is_negated || self.operator.if_exists,
            // AWS asks for a qualifier where a key has several values. Without one any of them may match, so that none may where
            // the operator is negated.
            Qualifier::None if is_negated => values.iter().all(holds_for),
            Qualifier::None => values.iter().any(holds_for),
        }
    }

    /// Whether one of the document's values matches one of the request's, before negation.
    fn compare(&self, value: &str, context: &Context) -> Outcome {
        let of = |is: bool| if is { Outcome::Yes } else { Outcome::No };
        match (&self.values, self.operator.test) {
            (Values::Patterns(patterns), test) => any_pattern(patterns, test, value, context),
            (Values::Numbers(numbers), Test::Number(comparison)) => {
                let value = Number::read(value);
                let holds =
                    |than: &Number| value.is_some_and(|value| comparison.holds(&value, than));
                of(numbers.iter().any(holds))
            }
            (Values::Instants(instants), Test::Date(comparison)) => {
                let value = Instant::read(value);
                let holds =
                    |than: &Instant| value.is_some_and(|value| comparison.holds(&value, than));
                of(instants.iter().any(holds))
            }
            (Values::Networks(networks), _) => {
                let address = value::read_address(value);
                let has = |network: &Network| address.is_some_and(|address| network.has(address));
                of(networks.iter().any(has))
            }
            // Values are read by the test, so that no other pair exists.
            _ => Outcome::No,
        }
    }
}

/// The values that a qualifier goes over: a key that is one empty text is an empty set.
fn set(values: &[String]) -> &[String] {
    match values {
        [only] if only.is_empty() => &[],
        values => values,
    }
}

fn any_pattern(patterns: &[Pattern], test: Test, value: &str, context: &Context) -> Outcome {
    let is_arn = value.starts_with("arn:") && value.matches(':').count() >= 5;
    let mut outcome = Outcome::No;
    for pattern in patterns {
        let one = match test {
            Test::EqualsIgnoreCase => pattern.equals_ignoring_case(value, context),
            Test::Bool if !is_bool(value) => Outcome::No,
            Test::Bool => pattern.equals_ignoring_case(value, context),
            Test::Arn if !is_arn => Outcome::No,
            Test::Arn if pattern.is_anything() => Outcome::Yes,
            _ => pattern.matches(value, context),
        };
        match one {
            Outcome::Yes => return Outcome::Yes,
            Outcome::No => {}
            Outcome::Unresolved => outcome = Outcome::Unresolved,
        }
    }
    outcome
}

fn is_bool(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

impl Values {
    fn read(test: Test, values: &[String], has_variables: bool) -> Result<Self, Error> {
        let patterns = |syntax, has_variables| {
            let read = |text: &String| Pattern::read(text, syntax, has_variables);
            Ok(Self::Patterns(values.iter().map(read).collect()))
        };
        match test {
            Test::Equals | Test::EqualsIgnoreCase | Test::Bool => {
                patterns(Syntax::Exact, has_variables)
            }
            Test::Like => patterns(Syntax::Wildcards, has_variables),
            // A `*` alone is any ARN, though it has not six parts.
            Test::Arn => {
                let read = |text: &String| match text.as_str() {
                    "*" => Pattern::read(text, Syntax::Wildcards, false),
                    text => Pattern::read(text, Syntax::Arn, has_variables),
                };
                Ok(Self::Patterns(values.iter().map(read).collect()))
            }
            // Base 64 of the same bytes is the same text.
            Test::Binary => patterns(Syntax::Exact, false),
            // What AWS says to a value that is no number, network or boolean is not published. Refused it is
            // seen; kept it would never match, and a `Deny` would deny nothing.
            Test::Number(_) => read_all(values, Number::read, "number")
                .map(Self::Numbers)
                .map_err(Error::Syntax),
            Test::Date(_) => read_all(values, Instant::read, "date")
                .map(Self::Instants)
                .map_err(Error::Legacy),
            Test::Address => read_all(values, Network::read, "address or network")
                .map(Self::Networks)
                .map_err(Error::Syntax),
            Test::Null => read_all(values, value::read_bool, "boolean")
                .map(Self::Missing)
                .map_err(Error::Syntax),
        }
    }
}

fn read_all<T>(
    values: &[String],
    read: impl Fn(&str) -> Option<T>,
    what: &str,
) -> Result<Box<[T]>, String> {
    let one = |text: &String| read(text).ok_or_else(|| format!("`{text}` is no {what}"));
    values.iter().map(one).collect()
}

impl Comparison {
    fn holds<T: PartialOrd>(self, value: &T, than: &T) -> bool {
        match self {
            Self::Equals => value == than,
            Self::Less => value < than,
            Self::LessOrEquals => value <= than,
            Self::Greater => value > than,
            Self::GreaterOrEquals => value >= than,
        }
    }
}

#[cfg(test)]
mod tests;
