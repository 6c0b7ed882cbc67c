//! `Globals`: properties that every resource of a type has, unless it says otherwise.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json};

use super::is_function;
use crate::document::Node;
use crate::error::{Error, Kind, listed};
use crate::evaluate::cost_of;
use crate::template::SERVERLESS;

const SECTIONS: &[&str] = &[
    "Api",
    "Function",
    "HttpApi",
    "LayerVersion",
    "SimpleTable",
    "StateMachine",
];

/// What of a function is its own alone.
const NOT_OF_ALL: &[&str] = &["Events", "FunctionName", "Policies", "Role"];

/// The section, by types without `AWS::Serverless::`.
pub(super) struct Globals(BTreeMap<String, JsonMap<String, Json>>);

impl Globals {
    pub(super) fn read(node: Option<&Node>) -> Result<Globals, Error> {
        let refused = |what: String| {
            let what =
                format!("Transform {SERVERLESS} failed with: 'Globals' section is invalid. {what}");
            Err(Error::new(Kind::Transform, what))
        };
        let json = match node.map(Node::to_json) {
            None | Some(Json::Null) => return Ok(Globals(BTreeMap::new())),
            Some(Json::Object(map)) => map,
            Some(_) => return refused("It must be a non-empty dictionary".to_owned()),
        };
        let mut globals = BTreeMap::new();
        for (name, value) in json {
            match value {
                Json::Object(properties) if SECTIONS.contains(&name.as_str()) => {
                    let own = NOT_OF_ALL
                        .iter()
                        .find(|own| name == "Function" && properties.contains_key(**own));
                    if let Some(own) = own {
                        return refused(format!(
                            "'{own}' is not a supported property of '{name}'."
                        ));
                    }
                    globals.insert(name, properties);
                }
                Json::Object(_) => {
                    return refused(format!(
                        "'{name}' is not supported. Must be one of the following values - {}",
                        listed(SECTIONS)
                    ));
                }
                _ => return refused(format!("Value of {name} must be a dictionary")),
            }
        }
        Ok(Globals(globals))
    }

    /// What it costs that a resource of a type has them.
    pub(super) fn cost_of(&self, kind: &str) -> usize {
        let kind = kind.trim_start_matches("AWS::Serverless::");
        let all = self.0.get(kind);
        all.map_or(0, |all| {
            all.iter()
                .map(|(name, value)| name.len() + cost_of(value))
                .sum()
        })
    }

    /// A resource's properties with what it has of all; `ignored` is `*` or a list of names that it has not.
    pub(super) fn merged(
        &self,
        kind: &str,
        own: JsonMap<String, Json>,
        ignored: Option<&Json>,
    ) -> JsonMap<String, Json> {
        let Some(all) = self.0.get(kind) else {
            return own;
        };
        let is_ignored = |name: &String| match ignored {
            Some(Json::String(all)) => all == "*",
            Some(Json::Array(names)) => names.iter().any(|ignored| ignored == name),
            _ => false,
        };
        let all: JsonMap<String, Json> = all
            .iter()
            .filter(|(name, _)| !is_ignored(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        match merge(Json::Object(all), Json::Object(own)) {
            Json::Object(merged) => merged,
            _ => JsonMap::new(),
        }
    }
}

/// Maps are merged, of lists the global one comes first, and of everything else the resource's own counts.
fn merge(all: Json, own: Json) -> Json {
    if is_function(&all) || is_function(&own) {
        return own;
    }
    match (all, own) {
        (Json::Object(mut all), Json::Object(own)) => {
            for (name, value) in own {
                let merged = match all.remove(&name) {
                    Some(global) => merge(global, value),
                    None => value,
                };
                all.insert(name, merged);
            }
            Json::Object(all)
        }
        (Json::Array(mut all), Json::Array(own)) => {
            all.extend(own);
            Json::Array(all)
        }
        (_, own) => own,
    }
}
