//! A template: its sections, read out of a document and checked as far as that goes without parameters.

mod capabilities;
mod parameter;
mod resource;

use indexmap::IndexMap;

use crate::document::{self, Map, Node, Value};
use crate::error::{Error, Kind};
use crate::limits::{
    CONDITIONS_MAX, DESCRIPTION_BYTES_MAX, MAPPINGS_MAX, NAME_CHARS_MAX, OUTPUTS_MAX,
    PARAMETERS_MAX, RESOURCES_MAX,
};

pub use capabilities::Capabilities;
pub(crate) use parameter::elements;
pub use parameter::{Parameter, ParameterType};
pub use resource::{DeletionPolicy, Output, Resource};

/// The name of SAM's transform.
pub const SERVERLESS: &str = "AWS::Serverless-2016-10-31";
/// The transform that adds `Fn::Length`, `Fn::ToJsonString` and defaults of `Fn::FindInMap`, which are evaluated here
/// with or without it.
pub const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

/// The sections that a template may have.
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];

/// A template of which every section has the form that CloudFormation wants.
#[derive(Debug, Clone)]
pub struct Template {
    /// What it is for.
    pub description: Option<String>,
    /// What transforms it names.
    pub transforms: Vec<String>,
    /// What its author says of it.
    pub metadata: Option<Node>,
    /// What it is to be given.
    pub parameters: IndexMap<String, Parameter>,
    /// The tables of `Fn::FindInMap`: map, first key, second key.
    pub mappings: IndexMap<String, IndexMap<String, Map>>,
    /// Booleans by name.
    pub conditions: IndexMap<String, Node>,
    /// What parameters must fulfil together.
    pub rules: IndexMap<String, Rule>,
    /// What it makes.
    pub resources: IndexMap<String, Resource>,
    /// What it tells of that.
    pub outputs: IndexMap<String, Output>,
}

/// One of `Rules`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// When it matters; always, if there is none.
    pub when: Option<Node>,
    /// What must hold, and what is said if it does not.
    pub assertions: Vec<(Node, Option<String>)>,
}

impl Template {
    /// Reads a document to which no transform is to be applied any more.
    ///
    /// # Errors
    /// A section, or a member of one, has not the form that CloudFormation wants, or there are too many.
    pub fn of(document: &Node) -> Result<Template, Error> {
        let unsupported = || Error::format("unsupported structure.").at(document.place);
        let sections = document.as_map().ok_or_else(unsupported)?;
        refuse_unknown_sections(sections)?;
        let description = description(sections)?;
        let transforms = transforms(document)?;
        for name in &transforms {
            if name != LANGUAGE_EXTENSIONS && name != SERVERLESS {
                let what = format!("The transform {name} is not supported by Kiln.");
                return Err(Error::new(Kind::Unsupported, what));
            }
        }
        let template = Template {
            description,
            transforms,
            metadata: sections.get("Metadata").cloned(),
            parameters: members(sections, "Parameters", PARAMETERS_MAX, parameter::read)?,
            mappings: members(sections, "Mappings", MAPPINGS_MAX, mapping)?,
            conditions: members(sections, "Conditions", CONDITIONS_MAX, condition)?,
            rules: members(sections, "Rules", CONDITIONS_MAX, rule)?,
            resources: members(sections, "Resources", RESOURCES_MAX, resource::read)?,
            outputs: members(sections, "Outputs", OUTPUTS_MAX, resource::output)?,
        };
        if template.resources.is_empty() {
            return Err(
                Error::format("At least one Resources member must be defined.").at(document.place),
            );
        }
        Ok(template)
    }

    /// Reads a text; see [`document::read`] and [`Template::of`].
    ///
    /// # Errors
    /// Theirs.
    pub fn read(text: &str) -> Result<Template, Error> {
        Template::of(&document::read(text)?)
    }
}

/// The transforms that a document names: one, or several in a list.
///
/// # Errors
/// `Transform` is neither a text nor a list of texts.
pub fn transforms(document: &Node) -> Result<Vec<String>, Error> {
    let Some(node) = document.get("Transform") else {
        return Ok(Vec::new());
    };
    let name = |node: &Node| {
        let wrong = || {
            Error::format("Transform must be the name of a transform or a list of names.")
                .at(node.place)
        };
        node.as_text().map(str::to_owned).ok_or_else(wrong)
    };
    match &node.value {
        Value::List(list) => list.iter().map(name).collect(),
        _ => Ok(vec![name(node)?]),
    }
}

/// Parameters alone, which a transform needs before the rest of a document is a template.
///
/// # Errors
/// One has not the form that CloudFormation wants, or there are too many.
pub fn parameters(document: &Node) -> Result<IndexMap<String, Parameter>, Error> {
    let nothing = Map::new();
    let sections = document.as_map().unwrap_or(&nothing);
    members(sections, "Parameters", PARAMETERS_MAX, parameter::read)
}

fn refuse_unknown_sections(sections: &Map) -> Result<(), Error> {
    let unknown: Vec<&str> = sections
        .keys()
        .map(String::as_str)
        .filter(|name| !SECTIONS.contains(name))
        .collect();
    if !unknown.is_empty() {
        let names = crate::error::listed(&unknown);
        let what = format!("Invalid template property or properties {names}");
        return Err(Error::new(Kind::Format, what).at(sections[unknown[0]].place));
    }
    if let Some(version) = sections.get("AWSTemplateFormatVersion")
        && version.as_text() != Some("2010-09-09")
    {
        let text = version.scalar().unwrap_or_default();
        let what = format!("[{text}] is not a supported value for AWSTemplateFormatVersion.");
        return Err(Error::format(what).at(version.place));
    }
    if let Some(hooks) = sections.get("Hooks") {
        let what = "Hooks, which are for deployments by CodeDeploy, are not supported by Kiln.";
        return Err(Error::new(Kind::Unsupported, what).at(hooks.place));
    }
    Ok(())
}

fn description(sections: &Map) -> Result<Option<String>, Error> {
    let Some(node) = sections.get("Description") else {
        return Ok(None);
    };
    let text = node.as_text().ok_or_else(|| {
        Error::format("Every Description member must be a string.").at(node.place)
    })?;
    if text.len() > DESCRIPTION_BYTES_MAX {
        let what = format!("'Description' length is greater than {DESCRIPTION_BYTES_MAX}.");
        return Err(Error::format(what).at(node.place));
    }
    Ok(Some(text.to_owned()))
}

/// The members of a section, each read by `read`, which is given its name.
fn members<T>(
    sections: &Map,
    section: &str,
    max: usize,
    read: fn(&str, &Node) -> Result<T, Error>,
) -> Result<IndexMap<String, T>, Error> {
    let Some(node) = sections.get(section) else {
        return Ok(IndexMap::new());
    };
    let map = match &node.value {
        Value::Map(map) => map,
        Value::Null if section != "Resources" => return Ok(IndexMap::new()),
        _ => return Err(Error::format(format!("{section} must be an object.")).at(node.place)),
    };
    if map.len() > max {
        let (what, count) = (section.to_lowercase(), map.len());
        let what = format!("Number of {what}, {count}, is greater than maximum allowed, {max}");
        return Err(Error::format(what).at(node.place));
    }
    let mut members = IndexMap::with_capacity(map.len());
    for (name, node) in map {
        check_name(section, name).map_err(|error| error.at(node.place))?;
        let member = read(name, node).map_err(|error| error.at(node.place))?;
        members.insert(name.clone(), member);
    }
    Ok(members)
}

fn check_name(section: &str, name: &str) -> Result<(), Error> {
    // Conditions, mappings and rules may have other characters in their names.
    let noun = match section {
        "Parameters" => "Parameter",
        "Resources" => "Resource",
        "Outputs" => "Output",
        _ => return Ok(()),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Error::format(format!(
            "{noun} name {name} is non alphanumeric."
        )));
    }
    if name.len() > NAME_CHARS_MAX {
        let what = format!("{noun} name {name} is longer than {NAME_CHARS_MAX} characters.");
        return Err(Error::format(what));
    }
    Ok(())
}

fn mapping(name: &str, node: &Node) -> Result<IndexMap<String, Map>, Error> {
    let wrong = || {
        Error::format(format!(
            "Every Mappings member {name} must be a map of maps"
        ))
    };
    let map = node.as_map().ok_or_else(wrong)?;
    map.iter()
        .map(|(key, node)| match node.as_map() {
            Some(values) => Ok((key.clone(), values.clone())),
            None => Err(wrong().at(node.place)),
        })
        .collect()
}

fn condition(_: &str, node: &Node) -> Result<Node, Error> {
    let is_boolean = node.function().is_some_and(|(name, _)| {
        matches!(
            name,
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" | "Condition"
        )
    });
    if is_boolean {
        return Ok(node.clone());
    }
    let what = "Conditions can only be boolean operations on parameters and other conditions";
    Err(Error::format(what))
}

fn rule(name: &str, node: &Node) -> Result<Rule, Error> {
    let wrong = || Error::format(format!("Rule {name} must have a list of Assertions"));
    let assertions = node
        .get("Assertions")
        .and_then(Node::as_list)
        .ok_or_else(wrong)?;
    let read = |node: &Node| {
        let assert = node
            .get("Assert")
            .cloned()
            .ok_or_else(|| wrong().at(node.place))?;
        Ok((assert, node.get("AssertDescription").and_then(Node::scalar)))
    };
    Ok(Rule {
        when: node.get("RuleCondition").cloned(),
        assertions: assertions.iter().map(read).collect::<Result<_, Error>>()?,
    })
}

#[cfg(test)]
mod tests;
