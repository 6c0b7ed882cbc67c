//! What a stack is given: the values of its parameters, and what is known of its surroundings.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::error::{Error, Kind, listed};
use crate::template::{Parameter, ParameterType, Rule, Template};

/// The pseudo parameters: what a stack knows of where it is.
#[derive(Debug, Clone)]
pub struct Pseudo {
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::Partition`.
    pub partition: String,
    /// `AWS::StackId`.
    pub stack_id: String,
    /// `AWS::StackName`.
    pub stack_name: String,
    /// `AWS::URLSuffix`.
    pub url_suffix: String,
    /// `AWS::NotificationARNs`.
    pub notification_arns: Vec<String>,
    /// What `Fn::GetAZs` gives.
    pub zones: Vec<String>,
}

/// The values of all parameters of a template, each allowed.
#[derive(Debug, Clone, Default)]
pub struct Values {
    values: IndexMap<String, Given>,
}

#[derive(Debug, Clone)]
struct Given {
    kind: ParameterType,
    text: String,
    /// What the parameter of Systems Manager that `text` names holds.
    stored: Option<String>,
    no_echo: bool,
}

impl Pseudo {
    /// The value of a pseudo parameter; none for `AWS::NoValue`, which has none, and for other names.
    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        let text = match name {
            "AWS::AccountId" => &self.account,
            "AWS::Region" => &self.region,
            "AWS::Partition" => &self.partition,
            "AWS::StackId" => &self.stack_id,
            "AWS::StackName" => &self.stack_name,
            "AWS::URLSuffix" => &self.url_suffix,
            "AWS::NotificationARNs" => return Some(Json::from(self.notification_arns.clone())),
            _ => return None,
        };
        Some(Json::String(text.clone()))
    }

    /// Whether a name is one of a pseudo parameter.
    pub(crate) fn has(name: &str) -> bool {
        matches!(
            name,
            "AWS::AccountId"
                | "AWS::Region"
                | "AWS::Partition"
                | "AWS::StackId"
                | "AWS::StackName"
                | "AWS::URLSuffix"
                | "AWS::NotificationARNs"
                | "AWS::NoValue"
        )
    }
}

impl Values {
    /// Checks what is given against what a template asks for; what is not given has its default.
    ///
    /// # Errors
    /// A name is not a parameter's, a parameter without a default is not given, or a value is not allowed.
    pub fn check(
        parameters: &IndexMap<String, Parameter>,
        given: &BTreeMap<String, String>,
    ) -> Result<Values, Error> {
        let refused = |what: String| Err(Error::new(Kind::Parameter, what));
        let unknown: Vec<&String> = given
            .keys()
            .filter(|name| !parameters.contains_key(*name))
            .collect();
        if !unknown.is_empty() {
            return refused(format!(
                "Parameters: {} do not exist in the template",
                listed(unknown)
            ));
        }
        let is_missing = |(name, parameter): &(&String, &Parameter)| {
            parameter.default.is_none() && !given.contains_key(*name)
        };
        let missing: Vec<&String> = parameters
            .iter()
            .filter(is_missing)
            .map(|(name, _)| name)
            .collect();
        if !missing.is_empty() {
            return refused(format!("Parameters: {} must have values", listed(missing)));
        }
        let mut values = IndexMap::with_capacity(parameters.len());
        for (name, parameter) in parameters {
            let text = given
                .get(name)
                .or(parameter.default.as_ref())
                .cloned()
                .unwrap_or_default();
            parameter.check(name, &text)?;
            let given = Given {
                kind: parameter.kind.clone(),
                text,
                stored: None,
                no_echo: parameter.no_echo,
            };
            values.insert(name.clone(), given);
        }
        Ok(Values { values })
    }

    /// The parameters whose value must be fetched, and the name of the parameter of Systems Manager that holds it.
    pub fn to_fetch(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_missing = |given: &Given| {
            matches!(given.kind, ParameterType::Stored { .. }) && given.stored.is_none()
        };
        self.values
            .iter()
            .filter(move |(_, given)| is_missing(given))
            .map(|(name, given)| (name.as_str(), given.text.as_str()))
    }

    /// What was fetched for one of [`Values::to_fetch`]. Other names are passed over.
    pub fn fetched(&mut self, parameter: &str, value: impl Into<String>) {
        if let Some(given) = self.values.get_mut(parameter) {
            given.stored = Some(value.into());
        }
    }

    /// What a parameter was given, as `DescribeStacks` shows it: `****` if its value is never shown. The second is
    /// what was fetched.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.values.iter().map(|(name, given)| {
            let text = if given.no_echo {
                "****"
            } else {
                given.text.as_str()
            };
            (name.as_str(), text, given.stored.as_deref())
        })
    }

    /// What `Ref` of a parameter is. A number is a text, as in AWS; what takes it reads it.
    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        let given = self.values.get(name)?;
        let text = match given.kind {
            ParameterType::Stored { .. } => given.stored.as_deref().unwrap_or_default(),
            _ => &given.text,
        };
        Some(if given.kind.is_list() {
            Json::from(crate::template::elements(text))
        } else {
            Json::from(text)
        })
    }
}

/// Asks every rule of a template whether the parameters fulfil it.
///
/// # Errors
/// One does not, or cannot be evaluated.
pub fn check_rules(template: &Template, values: &Values, pseudo: &Pseudo) -> Result<(), Error> {
    let evaluator = crate::evaluate::Conditional::new(template, values, pseudo);
    for (name, Rule { when, assertions }) in &template.rules {
        let matters = match when {
            Some(when) => evaluator.boolean(when)?,
            None => true,
        };
        for (assert, description) in assertions.iter().filter(|_| matters) {
            if evaluator.boolean(assert)? {
                continue;
            }
            let said = description
                .as_deref()
                .unwrap_or("an assertion does not hold");
            let what = format!("Template error: rule {name} failed: {said}");
            return Err(Error::new(Kind::Rule, what).at(assert.place));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
