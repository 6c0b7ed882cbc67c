//! Conditions and rules: booleans of parameters.

use crate::check::{in_conditions, no_condition};
use crate::document::Node;
use crate::error::Error;
use crate::graph::Graph;
use crate::references::{Conditions, Reference, visit};
use crate::template::Template;
use crate::values::{Pseudo, Values};

use super::walk::{Got, Walk, text_of};

/// Evaluates booleans.
pub(crate) struct Conditional<'a> {
    template: &'a Template,
    values: &'a Values,
    pseudo: &'a Pseudo,
    known: Conditions,
}

impl<'a> Conditional<'a> {
    pub(crate) fn new(
        template: &'a Template,
        values: &'a Values,
        pseudo: &'a Pseudo,
    ) -> Conditional<'a> {
        Conditional {
            template,
            values,
            pseudo,
            known: Conditions::new(),
        }
    }

    /// All conditions of the template, each after those that it names: a chain of them costs no stack.
    pub(crate) fn conditions(mut self) -> Result<Conditions, Error> {
        let mut graph = Graph::default();
        for node in self.template.conditions.values() {
            let mut before = Vec::new();
            visit(node, None, &mut |reference, _| {
                if let Reference::Condition(name) = reference {
                    before.extend(self.template.conditions.get_index_of(name));
                }
            });
            before.sort_unstable();
            before.dedup();
            graph.before.push(before);
        }
        let named = |at: usize| self.template.conditions.get_index(at);
        let order = graph.order().map_err(|circle| {
            let name =
                |at: Option<&usize>| at.and_then(|at| named(*at)).map_or("", |(name, _)| name);
            let (one, other) = (name(circle.first()), name(circle.get(1).or(circle.first())));
            Error::format(format!(
                "Found circular condition dependency between {one} and {other}"
            ))
        })?;
        for at in order {
            if let Some((name, node)) = named(at) {
                let is = self.boolean(node)?;
                self.known.insert(name.clone(), is);
            }
        }
        Ok(self.known)
    }

    /// What a boolean is.
    pub(crate) fn boolean(&self, node: &Node) -> Result<bool, Error> {
        let cannot = || {
            let what =
                "Conditions can only be boolean operations on parameters and other conditions";
            Error::format(what).at(node.place)
        };
        let (name, argument) = node.function().ok_or_else(cannot)?;
        let list = argument.as_list().unwrap_or_default();
        let wants = |what: &str| {
            Error::evaluation(format!("every {name} object requires {what}")).at(node.place)
        };
        match name {
            "Fn::Equals" => match list {
                [one, other] => Ok(self.value(one)? == self.value(other)?),
                _ => Err(wants("a list of 2 string parameters.")),
            },
            "Fn::Not" => match list {
                [one] => Ok(!self.boolean(one)?),
                _ => Err(wants("one boolean parameter.")),
            },
            "Fn::And" | "Fn::Or" => {
                if !(2..=10).contains(&list.len()) {
                    return Err(wants(
                        "a list of at least 2 and at most 10 boolean parameters.",
                    ));
                }
                let mut all = list.iter().map(|node| self.boolean(node));
                let found = all.try_fold(name == "Fn::And", |so_far, is| {
                    let is = is?;
                    Ok::<_, Error>(if name == "Fn::And" {
                        so_far && is
                    } else {
                        so_far || is
                    })
                })?;
                Ok(found)
            }
            "Condition" => {
                let name = argument.as_text().ok_or_else(cannot)?;
                let known = self.known.get(name).copied();
                known.ok_or_else(|| no_condition(name, "Conditions").at(node.place))
            }
            "Fn::Contains" | "Fn::EachMemberEquals" | "Fn::EachMemberIn" => {
                let [one, other] = list else {
                    return Err(wants("a list of two elements."));
                };
                self.members(name, one, other)
            }
            _ => Err(cannot()),
        }
    }

    fn members(&self, name: &str, one: &Node, other: &Node) -> Result<bool, Error> {
        let (one, other) = (self.value(one)?, self.value(other)?);
        Ok(match name {
            "Fn::Contains" => other.first().is_some_and(|wanted| one.contains(wanted)),
            "Fn::EachMemberEquals" => one.iter().all(|member| Some(member) == other.first()),
            _ => one.iter().all(|member| other.contains(member)),
        })
    }

    /// A text, or the texts of a list.
    fn value(&self, node: &Node) -> Result<Vec<String>, Error> {
        let mut walk = Walk::new(self.template, self.values, self.pseudo, "Conditions");
        walk.conditions = Some(&self.known);
        let no_text = || {
            Error::evaluation("every Fn::Equals object requires a list of 2 string parameters.")
                .at(node.place)
        };
        match walk.node(node)? {
            Got::Value(serde_json::Value::Array(list)) => list
                .iter()
                .map(|value| text_of(value).ok_or_else(no_text))
                .collect(),
            Got::Value(value) => Ok(vec![text_of(&value).ok_or_else(no_text)?]),
            Got::Nothing => Ok(vec![String::new()]),
            Got::Open => Err(in_conditions(&walk.open).at(node.place)),
        }
    }
}
