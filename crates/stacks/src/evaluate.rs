//! What the functions in a template are, once parameters are known and as far as resources are.
//!
//! An [`Evaluator`] knows the conditions, and with them which resources there are and what each waits for. What a
//! resource is and has is asked of a [`Lookup`]; what it does not know yet stays open, and the answer says for whom
//! it waits.

mod cidr;
mod conditional;
mod lists;
pub(crate) mod sub;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json};

use crate::check::unresolved;
use crate::error::{Error, Kind, listed};
use crate::graph::Graph;
use crate::references::{Conditions, Reference, visit};
use crate::template::Template;
use crate::values::{Pseudo, Values};

pub(crate) use conditional::Conditional;
pub(crate) use walk::cost_of;
use walk::{Got, Walk};

/// What is known of resources and of other stacks.
pub trait Lookup {
    /// What `Ref` of a resource is.
    fn reference(&self, logical_id: &str) -> Answer;
    /// What `Fn::GetAtt` of a resource is.
    fn attribute(&self, logical_id: &str, name: &str) -> Answer;
    /// What another stack exports by a name.
    fn import(&self, export: &str) -> Option<String>;
}

/// What a [`Lookup`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is this.
    Known(Json),
    /// The resource is not there yet, or may become another.
    Open,
    /// Resources of its type have no such attribute.
    Never,
}

/// What a resource's properties are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Properties {
    /// Those that are known.
    pub known: JsonMap<String, Json>,
    /// Those that are not, and the resources that they wait for.
    pub open: BTreeMap<String, BTreeSet<String>>,
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// What it tells.
    pub value: String,
    /// What it means.
    pub description: Option<String>,
    /// The name by which other stacks import it.
    pub export: Option<String>,
}

/// A template with its parameters: what is there, what waits for what, and what the functions are.
#[derive(Debug)]
pub struct Evaluator<'a> {
    template: &'a Template,
    values: &'a Values,
    pseudo: &'a Pseudo,
    conditions: Conditions,
    names: Vec<&'a str>,
    graph: Graph,
}

impl<'a> Evaluator<'a> {
    /// Evaluates the conditions and finds what each resource waits for.
    ///
    /// # Errors
    /// A condition cannot be evaluated; a resource refers to one that there is not, without or because of its
    /// condition; resources wait for each other.
    pub fn new(
        template: &'a Template,
        values: &'a Values,
        pseudo: &'a Pseudo,
    ) -> Result<Evaluator<'a>, Error> {
        template.check()?;
        let conditions = Conditional::new(template, values, pseudo).conditions()?;
        let is_there = |condition: Option<&String>| {
            condition.is_none_or(|name| conditions.get(name) == Some(&true))
        };
        let names = template
            .resources
            .iter()
            .filter(|(_, resource)| is_there(resource.condition.as_ref()))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut evaluator = Evaluator {
            template,
            values,
            pseudo,
            conditions,
            names,
            graph: Graph::default(),
        };
        evaluator.graph = evaluator.dependencies()?;
        evaluator.order()?;
        Ok(evaluator)
    }

    /// The values of the template's conditions.
    pub fn conditions(&self) -> &BTreeMap<String, bool> {
        &self.conditions
    }

    /// The resources that there are, in an order in which each comes after what it waits for.
    ///
    /// # Errors
    /// Resources wait for each other. [`Evaluator::new`] has refused that already.
    pub fn order(&self) -> Result<Vec<&'a str>, Error> {
        let order = self.graph.order().map_err(|circle| {
            let names = listed(circle.iter().map(|at| self.names[*at]));
            let what = format!("Circular dependency between resources: {names}");
            Error::new(Kind::Format, what)
        })?;
        Ok(order.into_iter().map(|at| self.names[at]).collect())
    }

    /// What must be there before each resource that there is.
    pub fn waits_for(&self) -> impl Iterator<Item = (&'a str, Vec<&'a str>)> {
        let names = |before: &Vec<usize>| before.iter().map(|at| self.names[*at]).collect();
        self.names
            .iter()
            .copied()
            .zip(self.graph.before.iter().map(names))
    }

    /// What the properties of a resource are.
    ///
    /// # Errors
    /// A function cannot be evaluated, or they are larger than a resource's properties may be.
    pub fn properties(&self, logical_id: &str, lookup: &dyn Lookup) -> Result<Properties, Error> {
        let mut properties = Properties::default();
        let Some(resource) = self.template.resources.get(logical_id) else {
            return Ok(properties);
        };
        let mut walk = self.walk(lookup, "Resources");
        for (name, node) in &resource.properties {
            match walk.node(node)? {
                Got::Value(value) => {
                    properties.known.insert(name.clone(), value);
                }
                Got::Nothing => {}
                Got::Open => {
                    let waits_for = std::mem::take(&mut walk.open);
                    properties.open.insert(name.clone(), waits_for);
                }
            }
        }
        Ok(properties)
    }

    /// What the outputs are. All resources are there by then.
    ///
    /// # Errors
    /// A function cannot be evaluated, one is not a text, or a resource is not known.
    pub fn outputs(&self, lookup: &dyn Lookup) -> Result<Vec<Told>, Error> {
        let mut walk = self.walk(lookup, "Outputs");
        let mut outputs = Vec::new();
        for (name, output) in &self.template.outputs {
            let condition = output.condition.as_ref();
            if condition.is_some_and(|name| self.conditions.get(name) != Some(&true)) {
                continue;
            }
            let malformed = || {
                let what = format!(
                    "Output {name} is malformed. The Value field of every Outputs member must evaluate to a String."
                );
                Error::format(what).at(output.value.place)
            };
            let value = walk.text(&output.value)?.ok_or_else(malformed)?;
            let export = match &output.export {
                Some(export) => Some(walk.text(export)?.ok_or_else(malformed)?),
                None => None,
            };
            outputs.push(Told {
                name: name.clone(),
                value,
                description: output.description.clone(),
                export,
            });
        }
        Ok(outputs)
    }

    fn walk<'w>(&'w self, lookup: &'w dyn Lookup, block: &'static str) -> Walk<'w> {
        let mut walk = Walk::new(self.template, self.values, self.pseudo, block);
        walk.conditions = Some(&self.conditions);
        walk.lookup = Some(lookup);
        walk
    }

    fn dependencies(&self) -> Result<Graph, Error> {
        let places: BTreeMap<&str, usize> = self
            .names
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, at))
            .collect();
        let mut graph = Graph::default();
        let mut missing = BTreeSet::new();
        let mut before = BTreeSet::new();
        for name in &self.names {
            let resource = &self.template.resources[*name];
            let mut wants = |name: &'a str| match places.get(name) {
                Some(at) => {
                    before.insert(*at);
                }
                None if self.template.resources.contains_key(name) => {
                    missing.insert(name);
                }
                None => {}
            };
            for node in resource.properties.values().chain(&resource.metadata) {
                visit(
                    node,
                    Some(&self.conditions),
                    &mut |reference, _| match reference {
                        Reference::Name(name) | Reference::Attribute(name) => wants(name),
                        Reference::Condition(_) | Reference::Mapping(_) => {}
                    },
                );
            }
            // What a resource only depends on may be missing by its condition: AWS passes over it.
            before.extend(
                resource
                    .depends_on
                    .iter()
                    .filter_map(|name| places.get(name.as_str())),
            );
            graph
                .before
                .push(std::mem::take(&mut before).into_iter().collect());
        }
        if !missing.is_empty() {
            return Err(unresolved(missing, "Resources"));
        }
        Ok(graph)
    }
}

#[cfg(test)]
mod tests;
