//! Parameters of a template: what they are and what values they take.

use fancy_regex::{Regex, RegexBuilder};

use crate::document::{Node, Value};
use crate::error::{Error, Kind};

/// Steps that a pattern with look-around may take: it comes from outside, and so does what it is matched with.
const PATTERN_STEPS_MAX: usize = 5_000;
/// Bytes of a pattern, and of the memory that it is compiled to.
const PATTERN_BYTES_MAX: usize = 4_096;
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Elements of a list that are matched with a pattern.
const MATCHED_ELEMENTS_MAX: usize = 100;

/// One of `Parameters`.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// What its values are.
    pub kind: ParameterType,
    /// The value if none is given.
    pub default: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether its value is never shown.
    pub no_echo: bool,
    /// The values it may have; any, if there is none.
    pub allowed_values: Vec<String>,
    allowed_pattern: Option<String>,
    constraint_description: Option<String>,
    lengths: (Option<u64>, Option<u64>),
    numbers: (Option<f64>, Option<f64>),
}

/// `Type` of a [`Parameter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// A text; so are names and ids of AWS's resources.
    Text,
    /// A number.
    Number,
    /// Texts with commas between them.
    List,
    /// Numbers with commas between them.
    NumberList,
    /// The name of a parameter of Systems Manager; what that holds is the value. Whether it holds a list.
    Stored {
        /// Whether its value is a list.
        is_list: bool,
    },
}

impl ParameterType {
    fn read(name: &str) -> Option<ParameterType> {
        let is_of_aws = |name: &str| {
            let mut parts = name.split("::");
            parts.next() == Some("AWS")
                && parts.clone().count() == 3
                && parts.all(|part| {
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
                })
        };
        let inner = |name: &str, before: &str| {
            let rest = name.strip_prefix(before)?.strip_suffix('>')?;
            Some(rest.to_owned())
        };
        match name {
            "String" => Some(ParameterType::Text),
            "Number" => Some(ParameterType::Number),
            "List<Number>" => Some(ParameterType::NumberList),
            "CommaDelimitedList" | "List<String>" => Some(ParameterType::List),
            "AWS::SSM::Parameter::Name" => Some(ParameterType::Text),
            _ => {
                if let Some(of) = inner(name, "AWS::SSM::Parameter::Value<") {
                    let is_list = of == "CommaDelimitedList" || of.starts_with("List<");
                    let element = inner(&of, "List<").unwrap_or_else(|| of.clone());
                    let is_known =
                        of == "CommaDelimitedList" || element == "String" || is_of_aws(&element);
                    return is_known.then_some(ParameterType::Stored { is_list });
                }
                if let Some(of) = inner(name, "List<") {
                    return is_of_aws(&of).then_some(ParameterType::List);
                }
                is_of_aws(name).then_some(ParameterType::Text)
            }
        }
    }

    /// Whether `Ref` of it is a list.
    pub fn is_list(&self) -> bool {
        use ParameterType::{List, NumberList, Stored};
        matches!(self, List | NumberList | Stored { is_list: true })
    }
}

pub(super) fn read(name: &str, node: &Node) -> Result<Parameter, Error> {
    let no_type = || Error::format("Every Parameters object must contain a Type member.");
    let kind_text = node
        .get("Type")
        .and_then(Node::as_text)
        .ok_or_else(no_type)?;
    let unknown = || Error::format(format!("Unrecognized parameter type: {kind_text}"));
    let kind = ParameterType::read(kind_text).ok_or_else(unknown)?;
    let text = |which: &str| match node.get(which) {
        None => Ok(None),
        Some(node) => match node.scalar() {
            Some(text) => Ok(Some(text)),
            None => {
                Err(Error::format(format!("Every {which} member must be a string.")).at(node.place))
            }
        },
    };
    let allowed_values = match node
        .get("AllowedValues")
        .map(|node| (&node.value, node.place))
    {
        None => Vec::new(),
        Some((Value::List(list), _)) => list.iter().filter_map(Node::scalar).collect(),
        Some((_, place)) => {
            return Err(Error::format("Every AllowedValues member must be a list.").at(place));
        }
    };
    let whole = |which: &str| number::<u64>(node, which);
    let parameter = Parameter {
        kind,
        default: text("Default")?,
        description: text("Description")?,
        no_echo: text("NoEcho")?.is_some_and(|text| text.eq_ignore_ascii_case("true")),
        allowed_values,
        allowed_pattern: text("AllowedPattern")?,
        constraint_description: text("ConstraintDescription")?,
        lengths: (whole("MinLength")?, whole("MaxLength")?),
        numbers: (number(node, "MinValue")?, number(node, "MaxValue")?),
    };
    if let Some(default) = &parameter.default
        && !matches!(parameter.kind, ParameterType::Stored { .. })
    {
        parameter
            .check(name, default)
            .map_err(|error| match error.kind() {
                Kind::Parameter => Error::format(error),
                _ => error,
            })?;
    }
    Ok(parameter)
}

fn number<T: std::str::FromStr>(node: &Node, which: &str) -> Result<Option<T>, Error> {
    let Some(node) = node.get(which) else {
        return Ok(None);
    };
    let number = node.scalar().and_then(|text| text.parse().ok());
    let wrong = || Error::format(format!("{which} must be a number.")).at(node.place);
    number.map(Some).ok_or_else(wrong)
}

impl Parameter {
    /// Whether it may have a value.
    ///
    /// # Errors
    /// What the value fails, in CloudFormation's words, or the parameter's own `ConstraintDescription`.
    pub fn check(&self, name: &str, value: &str) -> Result<(), Error> {
        if value.len() > crate::limits::PARAMETER_BYTES_MAX {
            let max = crate::limits::PARAMETER_BYTES_MAX;
            let what = format!("Parameter '{name}' must contain at most {max} bytes");
            return Err(Error::new(Kind::Parameter, what));
        }
        let pattern = self.pattern(name)?;
        let failed = match self.kind {
            ParameterType::List | ParameterType::NumberList => {
                let elements = elements(value);
                if pattern.is_some() && elements.len() > MATCHED_ELEMENTS_MAX {
                    let what = format!(
                        "Parameter '{name}' has an AllowedPattern and must have at most {MATCHED_ELEMENTS_MAX} elements"
                    );
                    return Err(Error::new(Kind::Parameter, what));
                }
                elements
                    .iter()
                    .find_map(|element| self.failed(name, element, pattern.as_ref()).transpose())
            }
            ParameterType::Text | ParameterType::Number | ParameterType::Stored { .. } => {
                self.failed(name, value, pattern.as_ref()).transpose()
            }
        };
        let Some(failed) = failed.transpose()? else {
            return Ok(());
        };
        let what = match &self.constraint_description {
            Some(text) => format!("Parameter {name} failed to satisfy constraint: {text}"),
            None => failed,
        };
        Err(Error::new(Kind::Parameter, what))
    }

    /// What one value, or one of a list, fails.
    fn failed(
        &self,
        name: &str,
        value: &str,
        pattern: Option<&Regex>,
    ) -> Result<Option<String>, Error> {
        if matches!(self.kind, ParameterType::Number | ParameterType::NumberList) {
            let number = value
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite());
            let Some(number) = number else {
                return Ok(Some(format!("Parameter '{name}' must be a number.")));
            };
            if let Some(min) = self.numbers.0.filter(|min| number < *min) {
                return Ok(Some(format!(
                    "Parameter '{name}' must be a number not less than {min}"
                )));
            }
            if let Some(max) = self.numbers.1.filter(|max| number > *max) {
                return Ok(Some(format!(
                    "Parameter '{name}' must be a number not greater than {max}"
                )));
            }
        }
        let is_among = self.allowed_values.iter().any(|allowed| allowed == value);
        if !self.allowed_values.is_empty() && !is_among {
            return Ok(Some(format!(
                "Parameter '{name}' must be one of AllowedValues"
            )));
        }
        let length = value.chars().count() as u64;
        if let Some(min) = self.lengths.0.filter(|min| length < *min) {
            return Ok(Some(format!(
                "Parameter '{name}' must contain at least {min} characters"
            )));
        }
        if let Some(max) = self.lengths.1.filter(|max| length > *max) {
            return Ok(Some(format!(
                "Parameter '{name}' must contain at most {max} characters"
            )));
        }
        match pattern.map(|pattern| pattern.is_match(value)) {
            None | Some(Ok(true)) => Ok(None),
            Some(Ok(false)) => {
                let pattern = self.allowed_pattern.as_deref().unwrap_or_default();
                Ok(Some(format!(
                    "Parameter '{name}' must match pattern {pattern}"
                )))
            }
            Some(Err(_)) => Err(self.refused_pattern(name)),
        }
    }

    /// AWS takes Java's regular expressions and matches the whole value.
    fn pattern(&self, name: &str) -> Result<Option<Regex>, Error> {
        let Some(pattern) = &self.allowed_pattern else {
            return Ok(None);
        };
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(self.refused_pattern(name));
        }
        let built = RegexBuilder::new(&format!("^(?:{pattern})$"))
            .backtrack_limit(PATTERN_STEPS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .build();
        built.map(Some).map_err(|_| self.refused_pattern(name))
    }

    fn refused_pattern(&self, name: &str) -> Error {
        let pattern = self.allowed_pattern.as_deref().unwrap_or_default();
        Error::format(format!(
            "AllowedPattern of parameter {name} is not a valid or too costly regular expression: {pattern}"
        ))
    }
}

/// The elements of a list that was given as one text.
pub(crate) fn elements(value: &str) -> Vec<&str> {
    if value.is_empty() {
        return Vec::new();
    }
    value.split(',').map(str::trim).collect()
}
