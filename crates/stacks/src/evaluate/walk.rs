//! One walk over nodes, in which every function becomes what it is.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map as JsonMap, Value as Json};

use super::sub::{self, Part};
use super::{Answer, Lookup, lists};
use crate::check::{in_conditions, no_condition, no_mapping, unresolved};
use crate::document::{Node, Place, Value};
use crate::error::{Error, Kind};
use crate::limits::EVALUATION_COST_MAX;
use crate::references::Conditions;
use crate::template::Template;
use crate::values::{Pseudo, Values};

/// The functions that this has, as an error lists them.
const FUNCTIONS: &str = "[Ref, Fn::Base64, Fn::Cidr, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::ImportValue, \
    Fn::Join, Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString]";

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Got {
    Value(Json),
    /// `AWS::NoValue`: whatever has it has it not.
    Nothing,
    /// It waits for resources, which are in [`Walk::open`].
    Open,
}

pub(super) struct Walk<'a> {
    template: &'a Template,
    values: &'a Values,
    pseudo: &'a Pseudo,
    block: &'static str,
    pub(super) conditions: Option<&'a Conditions>,
    pub(super) lookup: Option<&'a dyn Lookup>,
    /// The resources that were asked for and are not known.
    pub(super) open: BTreeSet<String>,
    cost: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        template: &'a Template,
        values: &'a Values,
        pseudo: &'a Pseudo,
        block: &'static str,
    ) -> Walk<'a> {
        Walk {
            template,
            values,
            pseudo,
            block,
            conditions: None,
            lookup: None,
            open: BTreeSet::new(),
            cost: 0,
        }
    }

    /// What a node is, with every function in it evaluated.
    pub(super) fn node(&mut self, node: &Node) -> Result<Got, Error> {
        self.pay(1)?;
        match &node.value {
            Value::Null => {
                Err(Error::format("'null' values are not allowed in templates").at(node.place))
            }
            Value::Bool(_) | Value::Number(_) => Ok(Got::Value(node.to_json())),
            Value::Text(text) => {
                self.pay(text.len())?;
                Ok(Got::Value(Json::String(text.clone())))
            }
            Value::List(list) => self.list(list),
            Value::Map(map) => {
                if let Some((name, argument)) = node.function()
                    && name != "Condition"
                {
                    let got = self.function(name, argument);
                    return got.map_err(|error| error.at(node.place));
                }
                let mut values = JsonMap::new();
                let mut is_open = false;
                for (name, node) in map {
                    self.pay(name.len())?;
                    match self.node(node)? {
                        Got::Value(value) => {
                            values.insert(name.clone(), value);
                        }
                        Got::Nothing => {}
                        Got::Open => is_open = true,
                    }
                }
                Ok(if is_open {
                    Got::Open
                } else {
                    Got::Value(Json::Object(values))
                })
            }
        }
    }

    /// A node that must be a text, a number or a boolean; none if it is something else.
    ///
    /// # Errors
    /// It waits for a resource, which whoever asks believes to be there.
    pub(super) fn text(&mut self, node: &Node) -> Result<Option<String>, Error> {
        match self.node(node)? {
            Got::Value(value) => Ok(text_of(&value)),
            Got::Nothing => Ok(None),
            Got::Open => Err(unresolved(&self.open, self.block).at(node.place)),
        }
    }

    fn list(&mut self, list: &[Node]) -> Result<Got, Error> {
        let mut values = Vec::with_capacity(list.len());
        let mut is_open = false;
        for node in list {
            match self.node(node)? {
                Got::Value(value) => values.push(value),
                Got::Nothing => {}
                Got::Open => is_open = true,
            }
        }
        Ok(if is_open {
            Got::Open
        } else {
            Got::Value(Json::Array(values))
        })
    }

    fn function(&mut self, name: &str, argument: &Node) -> Result<Got, Error> {
        let list = argument.as_list().unwrap_or_default();
        match name {
            "Ref" => {
                let name = argument.as_text().filter(|name| !name.is_empty());
                let wrong =
                    || Error::evaluation("Ref requires the name of a resource or a parameter");
                self.reference(name.ok_or_else(wrong)?)
            }
            "Fn::GetAtt" => self.attribute_of(argument),
            "Fn::If" => self.branch(list),
            "Fn::Sub" => self.sub(argument),
            "Fn::FindInMap" => self.find_in_map(list),
            "Fn::Base64" => self.of_text(argument, "Fn::Base64", |_, text| {
                Ok(Json::String(STANDARD.encode(text)))
            }),
            "Fn::ImportValue" => self.of_text(argument, "Fn::ImportValue", Walk::import),
            "Fn::GetAZs" => self.of_text(argument, "Fn::GetAZs", |walk, _| {
                Ok(Json::from(walk.pseudo.zones.clone()))
            }),
            "Fn::Join" | "Fn::Split" | "Fn::Select" | "Fn::Cidr" => match self.list(list)? {
                Got::Value(Json::Array(arguments)) => {
                    let made = lists::call(name, &arguments)?;
                    self.made(made)
                }
                got => Ok(got),
            },
            "Fn::Length" | "Fn::ToJsonString" => {
                let value = match self.node(argument)? {
                    Got::Value(value) => value,
                    got => return Ok(got),
                };
                if name == "Fn::ToJsonString" {
                    return self.made(Json::String(value.to_string()));
                }
                let wrong = || Error::evaluation("Fn::Length requires a list");
                let length = value.as_array().ok_or_else(wrong)?.len();
                self.made(Json::from(length))
            }
            "Fn::Transform" | "Fn::ForEach" => {
                let what = format!("{name} is not supported by Kiln.");
                Err(Error::new(Kind::Unsupported, what))
            }
            _ => {
                let what = format!(
                    "Encountered unsupported function: {name} Supported functions are: {FUNCTIONS}"
                );
                let message = format!("Template validation error: {what}");
                Err(Error::new(Kind::Format, message))
            }
        }
    }

    /// What a name is: of a pseudo parameter, a parameter or a resource.
    fn reference(&mut self, name: &str) -> Result<Got, Error> {
        if name == "AWS::NoValue" {
            return Ok(Got::Nothing);
        }
        let known = self.pseudo.get(name).or_else(|| self.values.get(name));
        if let Some(value) = known {
            return self.made(value);
        }
        self.check_resource(name)?;
        let answer = self.lookup.map(|lookup| lookup.reference(name));
        self.answered(name, "Ref", answer)
    }

    fn attribute_of(&mut self, argument: &Node) -> Result<Got, Error> {
        let wrong = || {
            Error::evaluation(
                "Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
            )
        };
        let (name, attribute) = match (argument.as_text(), argument.as_list()) {
            (Some(text), _) => {
                let (name, attribute) = text.split_once('.').ok_or_else(wrong)?;
                (name, attribute.to_owned())
            }
            (_, Some([name, attribute])) => {
                let attribute = self.text(attribute)?.ok_or_else(wrong)?;
                (name.as_text().ok_or_else(wrong)?, attribute)
            }
            _ => return Err(wrong()),
        };
        if name.is_empty() || attribute.is_empty() {
            return Err(wrong());
        }
        self.attribute(name, &attribute)
    }

    fn attribute(&mut self, name: &str, attribute: &str) -> Result<Got, Error> {
        if self.block != "Conditions" && !self.template.resources.contains_key(name) {
            let what = format!("instance of Fn::GetAtt references undefined resource {name}");
            return Err(Error::evaluation(what));
        }
        self.check_resource(name)?;
        let answer = self.lookup.map(|lookup| lookup.attribute(name, attribute));
        self.answered(name, attribute, answer)
    }

    /// Whether there is such a resource, and in this block it may be named.
    fn check_resource(&self, name: &str) -> Result<(), Error> {
        if self.block == "Conditions" {
            return Err(in_conditions([name]));
        }
        let resource = self.template.resources.get(name);
        let condition = resource.map(|resource| resource.condition.as_ref());
        let is_there = condition.is_some_and(|condition| {
            let value = condition
                .zip(self.conditions)
                .map(|(name, all)| all.get(name) == Some(&true));
            value.unwrap_or(true)
        });
        if is_there {
            Ok(())
        } else {
            Err(unresolved([name], self.block))
        }
    }

    fn answered(
        &mut self,
        name: &str,
        attribute: &str,
        answer: Option<Answer>,
    ) -> Result<Got, Error> {
        match answer {
            Some(Answer::Known(value)) => self.made(value),
            Some(Answer::Open) | None => {
                self.open.insert(name.to_owned());
                Ok(Got::Open)
            }
            Some(Answer::Never) => {
                let what = format!(
                    "resource {name} does not support attribute type {attribute} in Fn::GetAtt"
                );
                Err(Error::evaluation(what))
            }
        }
    }

    fn branch(&mut self, list: &[Node]) -> Result<Got, Error> {
        let wrong = || {
            Error::evaluation(
                "Fn::If requires a list argument with three elements, of which the first is the name of a condition",
            )
        };
        let [condition, then, otherwise] = list else {
            return Err(wrong());
        };
        let name = condition.as_text().ok_or_else(wrong)?;
        let is = self.conditions.and_then(|conditions| conditions.get(name));
        let is = is.ok_or_else(|| no_condition(name, self.block))?;
        self.node(if *is { then } else { otherwise })
    }

    fn sub(&mut self, argument: &Node) -> Result<Got, Error> {
        let wrong = || {
            Error::evaluation(
                "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, \
                 and an optional second argument to specify a mapping of values to replace in the string",
            )
        };
        let (text, given) = match (argument.as_text(), argument.as_list()) {
            (Some(text), _) => (text, None),
            (_, Some([text])) => (text.as_text().ok_or_else(wrong)?, None),
            (_, Some([text, given])) => (
                text.as_text().ok_or_else(wrong)?,
                Some(given.as_map().ok_or_else(wrong)?),
            ),
            _ => return Err(wrong()),
        };
        let mut made = String::new();
        let mut is_open = false;
        for part in sub::parts(text) {
            let name = match part {
                Part::Text(text) => {
                    self.pay(text.len())?;
                    made.push_str(text);
                    continue;
                }
                Part::Variable(name) => name,
            };
            if !sub::is_name(name) {
                let what = "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons";
                return Err(Error::evaluation(what));
            }
            let got = match (
                given.and_then(|given| given.get(name)),
                name.split_once('.'),
            ) {
                (Some(node), _) => self.node(node)?,
                (None, Some((name, attribute))) => self.attribute(name, attribute)?,
                (None, None) => self.reference(name)?,
            };
            let value = match got {
                Got::Value(value) => text_of(&value),
                Got::Nothing => None,
                Got::Open => {
                    is_open = true;
                    continue;
                }
            };
            let no_text = || {
                Error::evaluation(format!(
                    "variable {name} in Fn::Sub expression does not resolve to a string"
                ))
            };
            made.push_str(&value.ok_or_else(no_text)?);
        }
        if is_open {
            return Ok(Got::Open);
        }
        self.made(Json::String(made))
    }

    fn find_in_map(&mut self, list: &[Node]) -> Result<Got, Error> {
        let wrong = || {
            Error::evaluation(
                "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value",
            )
        };
        let (keys, default) = match list {
            [a, b, c] => ([a, b, c], None),
            [a, b, c, default] => (
                [a, b, c],
                Some(default.get("DefaultValue").ok_or_else(wrong)?),
            ),
            _ => return Err(wrong()),
        };
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            texts.push(self.text(key)?.ok_or_else(wrong)?);
        }
        let map = self.template.mappings.get(&texts[0]);
        let found = map
            .and_then(|map| map.get(&texts[1]))
            .and_then(|map| map.get(&texts[2]));
        match (found, default) {
            (Some(node), _) => self.node(node),
            (None, Some(default)) => self.node(default),
            (None, None) if map.is_none() => Err(no_mapping(&texts[0])),
            (None, None) => Err(Error::evaluation(format!(
                "Unable to get mapping for {}",
                texts.join("::")
            ))),
        }
    }

    fn of_text(
        &mut self,
        argument: &Node,
        name: &str,
        make: fn(&mut Walk<'a>, &str) -> Result<Json, Error>,
    ) -> Result<Got, Error> {
        let value = match self.node(argument)? {
            Got::Value(value) => value,
            got => return Ok(got),
        };
        let wrong = || {
            Error::evaluation(format!(
                "every {name} object must have a String-typed value."
            ))
        };
        let made = make(self, &text_of(&value).ok_or_else(wrong)?)?;
        self.made(made)
    }

    fn import(&mut self, name: &str) -> Result<Json, Error> {
        let found = self.lookup.and_then(|lookup| lookup.import(name));
        let missing = || Error::new(Kind::Evaluation, format!("No export named {name} found."));
        found.map(Json::String).ok_or_else(missing)
    }

    fn made(&mut self, value: Json) -> Result<Got, Error> {
        self.pay(cost_of(&value))?;
        Ok(Got::Value(value))
    }

    fn pay(&mut self, cost: usize) -> Result<(), Error> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost <= EVALUATION_COST_MAX {
            return Ok(());
        }
        let block = self.block;
        Err(Error::evaluation(format!(
            "what the functions of a member of {block} make is too large"
        ))
        .at(Place::default()))
    }
}

/// The text of a text, a number or a boolean.
pub(super) fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(is) => Some(is.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Values and bytes of a value.
pub(crate) fn cost_of(value: &Json) -> usize {
    match value {
        Json::String(text) => 1 + text.len(),
        Json::Array(list) => 1 + list.iter().map(cost_of).sum::<usize>(),
        Json::Object(map) => {
            1 + map
                .iter()
                .map(|(name, value)| name.len() + cost_of(value))
                .sum::<usize>()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => 1,
    }
}
