//! Resources and outputs of a template.

use crate::document::{Map, Node, Place, Value};
use crate::error::Error;

/// What a resource may have beside its type and its properties.
const ATTRIBUTES: &[&str] = &[
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "Description",
];

/// One of `Resources`.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its type, such as `AWS::Lambda::Function`.
    pub kind: String,
    /// Its properties, with functions in them.
    pub properties: Map,
    /// What must be there before it, beside what it refers to.
    pub depends_on: Vec<String>,
    /// Without it there is no such resource.
    pub condition: Option<String>,
    /// What becomes of it when the stack has it no more.
    pub deletion_policy: DeletionPolicy,
    /// What becomes of what it was when it is replaced.
    pub update_replace_policy: DeletionPolicy,
    /// What its author says of it, with functions in it.
    pub metadata: Option<Node>,
    /// Where it stands in the template.
    pub place: Place,
}

/// `DeletionPolicy` and `UpdateReplacePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// It is removed.
    #[default]
    Delete,
    /// It stays, and belongs to no stack any more.
    Retain,
    /// It stays, unless the same operation made it and failed. Of `DeletionPolicy` only.
    RetainExceptOnCreate,
    /// It is kept as a snapshot; no type that Kiln has can, so it is an error for them, as in AWS.
    Snapshot,
}

/// One of `Outputs`.
#[derive(Debug, Clone)]
pub struct Output {
    /// What it tells.
    pub value: Node,
    /// What it means.
    pub description: Option<String>,
    /// The name, with functions in it, by which other stacks import it.
    pub export: Option<Node>,
    /// Without it there is no such output.
    pub condition: Option<String>,
}

impl DeletionPolicy {
    /// Whether the resource stays when its stack has it no more.
    pub fn keeps(self) -> bool {
        self != DeletionPolicy::Delete
    }
}

pub(super) fn read(name: &str, node: &Node) -> Result<Resource, Error> {
    let malformed = || {
        Error::format(format!(
            "[/Resources/{name}] resource definition is malformed"
        ))
    };
    let map = node.as_map().ok_or_else(malformed)?;
    if let Some((attribute, node)) = map
        .iter()
        .find(|(name, _)| !ATTRIBUTES.contains(&name.as_str()))
    {
        let what = format!("Invalid template resource property '{attribute}'");
        return Err(Error::new(crate::Kind::Format, what).at(node.place));
    }
    let no_type = || {
        Error::format(format!(
            "[/Resources/{name}] Every Resources object must contain a Type member."
        ))
    };
    let kind = map.get("Type").ok_or_else(no_type)?;
    let kind = kind
        .as_text()
        .filter(|kind| !kind.is_empty())
        .ok_or_else(no_type)?;
    let properties = match map.get("Properties").map(|node| (&node.value, node.place)) {
        None | Some((Value::Null, _)) => Map::new(),
        Some((Value::Map(properties), _)) => properties.clone(),
        Some((_, place)) => {
            let what = format!(
                "[/Resources/{name}/Properties] 'null' values or lists are not allowed in templates"
            );
            return Err(Error::format(what).at(place));
        }
    };
    Ok(Resource {
        kind: kind.to_owned(),
        properties,
        depends_on: depends_on(map)?,
        condition: condition(map)?,
        deletion_policy: policy(map, "DeletionPolicy")?,
        update_replace_policy: policy(map, "UpdateReplacePolicy")?,
        metadata: map.get("Metadata").cloned(),
        place: node.place,
    })
}

pub(super) fn output(name: &str, node: &Node) -> Result<Output, Error> {
    let malformed = || Error::format("Outputs members must be objects.");
    let map = node.as_map().ok_or_else(malformed)?;
    let no_value = || {
        let what =
            format!("Output {name} is malformed. Every Outputs member must contain a Value object");
        Error::format(what)
    };
    let export = match map.get("Export") {
        None => None,
        Some(export) => {
            let no_name = || {
                Error::format(format!(
                    "Output {name} is malformed. Export must have a Name."
                ))
                .at(export.place)
            };
            Some(export.get("Name").cloned().ok_or_else(no_name)?)
        }
    };
    Ok(Output {
        value: map.get("Value").cloned().ok_or_else(no_value)?,
        description: map.get("Description").and_then(Node::scalar),
        export,
        condition: condition(map)?,
    })
}

fn depends_on(map: &Map) -> Result<Vec<String>, Error> {
    let Some(node) = map.get("DependsOn") else {
        return Ok(Vec::new());
    };
    let name = |node: &Node| {
        let wrong =
            || Error::format("DependsOn must be a string or a list of strings.").at(node.place);
        node.as_text().map(str::to_owned).ok_or_else(wrong)
    };
    match &node.value {
        Value::List(list) => list.iter().map(name).collect(),
        _ => Ok(vec![name(node)?]),
    }
}

fn condition(map: &Map) -> Result<Option<String>, Error> {
    let name = |node: &Node| {
        let wrong = || Error::format("Every Condition member must be a string.").at(node.place);
        node.as_text().map(str::to_owned).ok_or_else(wrong)
    };
    map.get("Condition").map(name).transpose()
}

fn policy(map: &Map, which: &str) -> Result<DeletionPolicy, Error> {
    let Some(node) = map.get(which) else {
        return Ok(DeletionPolicy::Delete);
    };
    match node.as_text() {
        Some("Delete") => Ok(DeletionPolicy::Delete),
        Some("Retain") => Ok(DeletionPolicy::Retain),
        Some("RetainExceptOnCreate") if which == "DeletionPolicy" => {
            Ok(DeletionPolicy::RetainExceptOnCreate)
        }
        Some("Snapshot") => Ok(DeletionPolicy::Snapshot),
        _ => {
            let what = format!("Unrecognized {which} {}", node.scalar().unwrap_or_default());
            Err(Error::format(what).at(node.place))
        }
    }
}
