//! The SAM transform, `AWS::Serverless-2016-10-31`: what is serverless in a document becomes plain CloudFormation, with
//! the logical ids that SAM's own translator gives, so that a stack which that made is updated, not made again.
//!
//! Start with [`transform`]. A [`Macro`] is one resource that is being transformed, and [`Made`] is where what it becomes is
//! put. Code lies where `CodeUri` says: whoever deploys puts it into a bucket first, as `sam package` does; a path of
//! the own machine stays as the text that it is.
//!
//! AWS differs: `AWS::Serverless::Api` and events of type `Api` become an HTTP API, with payloads of version 1.0, as long as they
//! need nothing that only a REST API has. Tables, state machines, nested applications and connectors are refused.

mod authorizers;
mod code;
mod events;
mod function;
mod globals;
mod hash;
mod http_api;
mod layer;
mod policies;
mod publish;
mod role;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map as JsonMap, Value as Json, json};

use crate::document::{Map, Node, Value};
use crate::error::{Error, Kind, listed};
use crate::evaluate::cost_of;
use crate::evaluate::sub::{self, Part};
use crate::limits::{RESOURCES_MAX, TRANSFORM_COST_MAX};
use crate::template::{SERVERLESS, transforms};
use crate::values::Values;

/// Applies the transform, if a document names it. What is left names it no more.
///
/// # Errors
/// A serverless resource is malformed, or needs what Kiln has not; all of them are named.
pub fn transform(document: &Node, values: &Values) -> Result<Node, Error> {
    let names = transforms(document)?;
    if !names.iter().any(|name| name == SERVERLESS) {
        return Ok(document.clone());
    }
    let sections = document
        .as_map()
        .ok_or_else(|| Error::format("unsupported structure."))?;
    let nothing = Map::new();
    let resources = sections
        .get("Resources")
        .and_then(Node::as_map)
        .unwrap_or(&nothing);
    if resources.len() > RESOURCES_MAX {
        let count = resources.len();
        return Err(Error::format(format!(
            "Number of resources, {count}, is greater than maximum allowed, {RESOURCES_MAX}"
        )));
    }
    let globals = globals::Globals::read(sections.get("Globals"))?;
    let mut made = Made {
        implicit: globals.merged("HttpApi", JsonMap::new(), None),
        implicit_rest: globals.merged(
            "Api",
            JsonMap::from_iter([("StageName".to_owned(), json!("Prod"))]),
            None,
        ),
        ..Made::default()
    };
    made.others = resources
        .iter()
        .filter(|(_, node)| !is_serverless(node))
        .map(|(name, node)| (name.clone(), node.clone()))
        .collect();
    refuse_unsupported(resources)?;
    let mut serverless = BTreeMap::new();
    for (name, node) in resources.iter().filter(|(_, node)| is_serverless(node)) {
        let cost = globals.cost_of(kind_of(node).unwrap_or_default());
        if made.pay(cost).is_err() {
            break;
        }
        match Macro::read(name, node, &globals, values) {
            Ok(one) => _ = serverless.insert(name.as_str(), one),
            Err(reason) => made.refuse(name, &reason),
        }
    }
    // APIs before functions, whose events add routes to them.
    for kind in ["Api", "HttpApi", "LayerVersion", "Function"] {
        for one in serverless.values().filter(|one| one.kind == kind) {
            let result = match kind {
                "Function" => function::transform(one, &mut made),
                "LayerVersion" => layer::transform(one, &mut made),
                _ => http_api::open(one, &mut made),
            };
            if let Err(reason) = result {
                made.refuse(&one.name, &reason);
            }
        }
    }
    http_api::close(values, &mut made);
    made.verdict()?;
    Ok(assemble(document, sections, names, made))
}

/// A reason why a resource cannot be transformed.
type Reason = String;

/// A serverless resource.
struct Macro<'a> {
    name: String,
    /// Its type without `AWS::Serverless::`.
    kind: String,
    /// Its properties, those of `Globals` among them.
    properties: JsonMap<String, Json>,
    /// Its attributes, such as `DependsOn`.
    attributes: JsonMap<String, Json>,
    values: &'a Values,
}

/// What the transform makes.
#[derive(Default)]
struct Made {
    /// Resources that it makes.
    resources: IndexMap<String, Json>,
    /// Resources that are not serverless; a bucket among them gets notifications.
    others: IndexMap<String, Node>,
    /// What a `Ref` is of now: `F.Version` and layers have other names.
    renamed: BTreeMap<String, String>,
    /// What the API has that events without one are routed by, and that of events of type `Api`.
    implicit: JsonMap<String, Json>,
    implicit_rest: JsonMap<String, Json>,
    /// HTTP APIs that routes are added to.
    apis: IndexMap<String, http_api::Api>,
    errors: Vec<String>,
    cost: usize,
}

impl<'a> Macro<'a> {
    fn read(
        name: &str,
        node: &Node,
        globals: &globals::Globals,
        values: &'a Values,
    ) -> Result<Macro<'a>, Reason> {
        let kind = kind_of(node)
            .unwrap_or_default()
            .trim_start_matches("AWS::Serverless::")
            .to_owned();
        let mut attributes = match node.to_json() {
            Json::Object(map) => map,
            _ => JsonMap::new(),
        };
        attributes.remove("Type");
        if attributes.remove("Connectors").is_some() {
            return Err(
                "Connectors are not supported by Kiln: write the policies that they stand for."
                    .to_owned(),
            );
        }
        let ignored = attributes.remove("IgnoreGlobals");
        let properties = match attributes.remove("Properties") {
            Some(Json::Object(properties)) => properties,
            None => JsonMap::new(),
            Some(_) => return Err("Properties should be a map.".to_owned()),
        };
        let properties = globals.merged(&kind, properties, ignored.as_ref());
        Ok(Macro {
            name: name.to_owned(),
            kind,
            properties,
            attributes,
            values,
        })
    }

    /// A property that is there and is not `AWS::NoValue`.
    fn get(&self, name: &str) -> Option<&Json> {
        let is_nothing =
            |value: &&Json| value.is_null() || **value == json!({"Ref": "AWS::NoValue"});
        self.properties.get(name).filter(|value| !is_nothing(value))
    }

    /// A property with references to parameters written out: a text.
    fn resolved(&self, name: &str) -> Result<Option<String>, Reason> {
        let value = self.get(name).map(|value| resolve(value, self.values));
        match value {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!(
                "'{name}' must be a string or a Ref to a template parameter"
            )),
        }
    }

    /// Refuses properties of other names.
    fn allow(&self, names: &[&str]) -> Result<(), Reason> {
        match self
            .properties
            .keys()
            .find(|name| !names.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => Err(format!(
                "property {name} not defined for resource of type AWS::Serverless::{}, or not supported by Kiln",
                self.kind
            )),
        }
    }

    /// The attributes that everything made of it has as well.
    fn passed_on(&self) -> JsonMap<String, Json> {
        let is_passed_on =
            |name: &str| matches!(name, "Condition" | "DeletionPolicy" | "UpdateReplacePolicy");
        let passed = self
            .attributes
            .iter()
            .filter(|(name, _)| is_passed_on(name));
        passed
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// A resource that is made of it.
    fn resource(&self, kind: &str, properties: JsonMap<String, Json>) -> Json {
        let mut resource = self.passed_on();
        resource.insert("Type".to_owned(), kind.into());
        resource.insert("Properties".to_owned(), properties.into());
        Json::Object(resource)
    }
}

impl Made {
    fn refuse(&mut self, name: &str, reason: &str) {
        self.errors
            .push(format!("Resource with id [{name}] is invalid. {reason}"));
    }

    /// Pays for something that is written out.
    fn pay(&mut self, cost: usize) -> Result<(), Reason> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost <= TRANSFORM_COST_MAX {
            return Ok(());
        }
        Err("What the transform makes is too large.".to_owned())
    }

    /// Adds a resource, unless everything has become too large, which [`Made::verdict`] says.
    fn insert(&mut self, name: String, resource: Json) {
        if self.pay(cost_of(&resource)).is_ok() {
            self.resources.insert(name, resource);
        }
    }

    /// Adds a resource that is made of a macro.
    fn add(&mut self, of: &Macro<'_>, name: &str, kind: &str, properties: Json) {
        let properties = match properties {
            Json::Object(properties) => properties
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
            _ => JsonMap::new(),
        };
        let resource = of.resource(kind, properties);
        self.insert(name.to_owned(), resource);
    }

    fn verdict(&mut self) -> Result<(), Error> {
        if let Err(reason) = self.pay(0) {
            let what = format!("Transform {SERVERLESS} failed with: {reason}");
            return Err(Error::new(Kind::Transform, what));
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        let (count, errors) = (self.errors.len(), self.errors.join(" "));
        let what = format!(
            "Transform {SERVERLESS} failed with: Invalid Serverless Application Specification document. \
             Number of errors found: {count}. {errors}"
        );
        Err(Error::new(Kind::Transform, what))
    }
}

fn kind_of(node: &Node) -> Option<&str> {
    node.get("Type").and_then(Node::as_text)
}

fn is_serverless(node: &Node) -> bool {
    kind_of(node).is_some_and(|kind| kind.starts_with("AWS::Serverless::"))
}

fn refuse_unsupported(resources: &Map) -> Result<(), Error> {
    let kinds: std::collections::BTreeSet<&str> = resources
        .values()
        .filter_map(kind_of)
        .filter(|kind| {
            let name = kind.strip_prefix("AWS::Serverless::");
            name.is_some_and(|name| {
                !matches!(name, "Function" | "HttpApi" | "Api" | "LayerVersion")
            })
        })
        .collect();
    if kinds.is_empty() {
        return Ok(());
    }
    let what = format!(
        "Transform {SERVERLESS} failed with: Kiln does not support resources of types {}",
        listed(kinds)
    );
    Err(Error::new(Kind::Unsupported, what))
}

/// The document with what was made, and without the transform.
fn assemble(document: &Node, sections: &Map, mut names: Vec<String>, made: Made) -> Node {
    names.retain(|name| name != SERVERLESS);
    let mut resources: Map = made.others;
    for (name, resource) in &made.resources {
        resources.insert(name.clone(), Node::of_json(resource));
    }
    let mut assembled = Map::new();
    for (name, node) in sections {
        match name.as_str() {
            "Globals" | "Resources" => {}
            "Transform" if names.is_empty() => {}
            "Transform" => {
                let names: Vec<Node> = names.iter().map(|name| Node::from(name.as_str())).collect();
                assembled.insert(name.clone(), Node::from(names));
            }
            _ => _ = assembled.insert(name.clone(), node.clone()),
        }
    }
    assembled.insert("Resources".to_owned(), Node::from(resources));
    let mut assembled = Node {
        value: Value::Map(assembled),
        place: document.place,
    };
    rename(&mut assembled, &made.renamed);
    assembled
}

/// Gives what is referred to by its old name the name that it has now.
fn rename(node: &mut Node, renamed: &BTreeMap<String, String>) {
    if let Some((function, argument)) = node.function() {
        let new = match (function, argument.as_text(), argument.as_list()) {
            ("Ref", Some(name), _) => renamed.get(name).map(|name| Node::from(name.as_str())),
            ("Fn::Sub", Some(text), _) => renamed_in(text, renamed).map(Node::from),
            ("Fn::Sub", _, Some([text, given])) => text
                .as_text()
                .and_then(|text| renamed_in(text, renamed))
                .map(|text| {
                    let mut given = given.clone();
                    rename(&mut given, renamed);
                    Node::from(vec![Node::from(text), given])
                }),
            ("Fn::GetAtt", _, Some([name, attribute])) => {
                // `!GetAtt F.Version.Version`: the version that SAM made of F.
                let text = attribute
                    .as_text()
                    .and_then(|attribute| attribute.split_once('.'));
                let long = name
                    .as_text()
                    .zip(text)
                    .map(|(name, (inner, rest))| (format!("{name}.{inner}"), rest));
                long.and_then(|(name, rest)| {
                    let new = renamed.get(&name)?;
                    Some(Node::from(vec![Node::from(new.as_str()), Node::from(rest)]))
                })
            }
            _ => None,
        };
        if let Some(new) = new {
            let (function, place) = (function.to_owned(), node.place);
            *node = Node::call(&function, new);
            node.place = place;
            return;
        }
    }
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|node| rename(node, renamed)),
        Value::Map(map) => map.values_mut().for_each(|node| rename(node, renamed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

fn renamed_in(text: &str, renamed: &BTreeMap<String, String>) -> Option<String> {
    let is_renamed =
        |part: &Part<'_>| matches!(part, Part::Variable(name) if renamed.contains_key(*name));
    let parts = sub::parts(text);
    if !parts.iter().any(is_renamed) {
        return None;
    }
    let mut new = String::new();
    for part in parts {
        match part {
            // A literal comes as three texts; its mark must be written again.
            Part::Text("${") => new.push_str("${!"),
            Part::Text(text) => new.push_str(text),
            Part::Variable(name) => {
                let name = renamed.get(name).map_or(name, String::as_str);
                new.push_str(&format!("${{{name}}}"));
            }
        }
    }
    Some(new)
}

/// A value with references to parameters written out, also in `Fn::Sub`; everything else stays.
fn resolve(value: &Json, values: &Values) -> Json {
    match value {
        Json::Array(list) => list.iter().map(|value| resolve(value, values)).collect(),
        Json::Object(map) => {
            if let (1, Some(Json::String(name))) = (map.len(), map.get("Ref")) {
                return values.get(name).unwrap_or_else(|| value.clone());
            }
            let resolved = map
                .iter()
                .map(|(name, value)| (name.clone(), resolve(value, values)));
            Json::Object(resolved.collect())
        }
        _ => value.clone(),
    }
}

/// Whether a value is a call of a function.
fn is_function(value: &Json) -> bool {
    let name = value
        .as_object()
        .filter(|map| map.len() == 1)
        .and_then(|map| map.keys().next());
    name.is_some_and(|name| name == "Ref" || name == "Condition" || name.starts_with("Fn::"))
}

#[cfg(test)]
mod tests;
