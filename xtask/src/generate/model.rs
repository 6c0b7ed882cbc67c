//! What is read: botocore's service models, and our list of operations.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Our list: what to generate for one service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The model's folder below botocore's `data`.
    pub model: String,
    /// The operations whose shapes are generated.
    pub operations: Vec<String>,
    /// Members that no request and no answer has: AWS reserves them.
    #[serde(default)]
    pub reserved: Vec<String>,
    /// Shapes of texts and bytes that nothing shows, and that are overwritten when they are dropped.
    #[serde(default)]
    pub secret: Vec<String>,
    /// Where recorded answers of AWS overrule the model.
    #[serde(default)]
    pub recorded: Recorded,
    /// Where Kiln takes more than AWS does.
    #[serde(default)]
    pub extended: Extended,
}

/// Recorded answers of AWS that differ from the model, by shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Enumerations whose values the operations check.
    #[serde(default)]
    pub unchecked: Vec<String>,
    /// Lists whose message does not end with `Member must not be null`.
    #[serde(default)]
    pub nullable_members: Vec<String>,
    /// Regular expressions.
    #[serde(default)]
    pub patterns: BTreeMap<String, String>,
    /// Values of enumerations, in the order of the message.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
}

/// What Kiln takes beyond the model, by shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extended {
    /// Regular expressions.
    #[serde(default)]
    pub patterns: BTreeMap<String, String>,
    /// Further values of enumerations.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
    /// Greatest lengths.
    #[serde(default)]
    pub length_max: BTreeMap<String, u64>,
}

/// A service model.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// About the service.
    pub metadata: Metadata,
    /// By name.
    pub operations: BTreeMap<String, Operation>,
    /// By name.
    pub shapes: BTreeMap<String, Shape>,
    /// Those of [`Selection::secret`].
    #[serde(skip)]
    pub secret: Vec<String>,
}

/// About the service.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// `rest-json`, `json` or `query`.
    pub protocol: String,
}

/// An operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// How it is called.
    pub http: Http,
    /// Its input.
    pub input: Option<Reference>,
    /// Its output.
    pub output: Option<Reference>,
}

/// How an operation is called.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// The method.
    pub method: String,
    /// The path, with `{Labels}` and perhaps a query string.
    pub request_uri: String,
    /// The status of success.
    #[serde(default = "ok")]
    pub response_code: u16,
}

/// A use of a shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The shape's name.
    pub shape: String,
    /// Where it travels, unless it is in the body.
    pub location: Option<String>,
    /// What it is called there.
    pub location_name: Option<String>,
}

/// A shape and its constraints.
#[derive(Debug, Deserialize)]
pub struct Shape {
    /// `structure`, `list`, `map`, `string`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// A structure's members, in order.
    #[serde(default, deserialize_with = "in_order")]
    pub members: Vec<(String, Reference)>,
    /// Which of them must be there.
    #[serde(default)]
    pub required: Vec<String>,
    /// The member that is the body as it is.
    pub payload: Option<String>,
    /// A list's member.
    pub member: Option<Reference>,
    /// A map's key.
    pub key: Option<Reference>,
    /// A map's value.
    pub value: Option<Reference>,
    /// Least length or value.
    pub min: Option<serde_json::Number>,
    /// Greatest length or value.
    pub max: Option<serde_json::Number>,
    /// A regular expression.
    pub pattern: Option<String>,
    /// The values of an enumeration.
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    /// Whether it is kept out of messages.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether it is a stream of events.
    #[serde(default)]
    pub eventstream: bool,
    /// How a time is written, where that is not as its protocol has it.
    #[serde(rename = "timestampFormat")]
    pub timestamp_format: Option<String>,
}

impl Model {
    /// Some services tell the lengths of texts by the names of their shapes alone.
    fn with_named_bounds(mut self) -> Self {
        for (name, shape) in &mut self.shapes {
            let is_bounded = shape.min.is_some() || shape.max.is_some();
            if let Some((min, max)) = named_bounds(name)
                && shape.kind == "string"
                && !is_bounded
            {
                (shape.min, shape.max) = (Some(min.into()), Some(max.into()));
            }
        }
        self
    }

    /// A shape that a reference names.
    pub fn shape(&self, name: &str) -> &Shape {
        self.shapes
            .get(name)
            .unwrap_or_else(|| panic!("the model refers to a missing shape {name}"))
    }

    /// Whether what has this shape is shown by nothing.
    pub fn is_secret(&self, name: &str) -> bool {
        self.secret.iter().any(|secret| secret == name)
    }

    /// What an operation gives, where that is one document: streams of events are not made of types.
    pub fn output<'a>(&self, operation: &'a Operation) -> Option<&'a Reference> {
        let output = operation.output.as_ref()?;
        let members = &self.shape(&output.shape).members;
        let is_streamed = |(_, member): &(String, Reference)| self.shape(&member.shape).eventstream;
        (!members.iter().any(is_streamed)).then_some(output)
    }

    /// An operation that our list names.
    pub fn operation(&self, name: &str) -> anyhow::Result<&Operation> {
        self.operations
            .get(name)
            .with_context(|| format!("the model has no operation {name}"))
    }
}

/// Our list of operations by service.
pub fn selections() -> anyhow::Result<BTreeMap<String, Selection>> {
    toml::from_str(include_str!("operations.toml")).context("read operations.toml")
}

/// Reads one model.
pub fn read(botocore: &Path, selection: &Selection) -> anyhow::Result<Model> {
    let path = botocore
        .join("data")
        .join(&selection.model)
        .join("service-2.json.gz");
    let file = std::fs::File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    let model: serde_json::Result<Model> = serde_json::from_str(&text);
    let mut model = model.with_context(|| format!("parse {}", path.display()))?;
    for shape in model.shapes.values_mut() {
        let members = &mut shape.members;
        members.retain(|(name, _)| !selection.reserved.contains(name));
    }
    for name in &selection.secret {
        ensure!(
            model.shapes.contains_key(name),
            "operations.toml: {name}: no such shape"
        );
    }
    model.secret.clone_from(&selection.secret);
    Ok(model.with_named_bounds())
}

/// The bounds that a shape's name tells, as in `StringWithLengthBetween1And128`.
fn named_bounds(name: &str) -> Option<(u64, u64)> {
    let (_, bounds) = name.split_once("WithLengthBetween")?;
    let (min, max) = bounds.split_once("And")?;
    Some((min.parse().ok()?, max.parse().ok()?))
}

/// The folder of the botocore package, and its version.
pub fn find_botocore(told: Option<&Path>) -> anyhow::Result<(PathBuf, String)> {
    let folder = match told {
        Some(folder) => folder.to_path_buf(),
        None => imported_botocore()?,
    };
    let init = folder.join("__init__.py");
    let text =
        std::fs::read_to_string(&init).with_context(|| format!("read {}", init.display()))?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "));
    let version = version.context("botocore/__init__.py names no __version__")?;
    Ok((folder, version.trim_matches(['\'', '"']).to_owned()))
}

fn imported_botocore() -> anyhow::Result<PathBuf> {
    let program = "import botocore, os; print(os.path.dirname(botocore.__file__))";
    let output = Command::new("python3")
        .args(["-c", program])
        .output()
        .context("run python3")?;
    ensure!(
        output.status.success(),
        "python3 has no botocore: `pip install botocore`, or name its folder with --botocore"
    );
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn ok() -> u16 {
    200
}

/// Members keep the order of the file: it is the order in which violations are told.
fn in_order<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, Reference)>, D::Error> {
    struct Pairs<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
        type Value = Vec<(String, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("members by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    from.deserialize_map(Pairs(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_tell_its_bounds() {
        let bounds = named_bounds("StringWithLengthBetween1And128");
        assert_eq!(bounds, Some((1, 128)));
        for name in ["StringWithLengthBetween0And32K", "Arn", "SelectionKey"] {
            assert_eq!(named_bounds(name), None, "{name}");
        }
    }
}
