//! Writes the Rust types: one struct per structure, fields named on the wire as the model says.

use std::fmt::Write;

use anyhow::bail;

use super::model::{Model, Reference, Selection, Shape};
use super::names;
use super::reach::{Directions, Reached};

/// Every reached structure as a struct, and how inputs are read and outputs written.
pub fn write(model: &Model, selection: &Selection, reached: &Reached) -> anyhow::Result<String> {
    let mut code = String::new();
    for (name, directions) in reached {
        let shape = model.shape(name);
        if shape.kind == "structure" {
            code += &structure(model, name, shape, *directions)?;
        }
    }
    let mut outputs = Vec::new();
    for operation in &selection.operations {
        let operation = model.operation(operation)?;
        if let Some(input) = &operation.input {
            code += &input_impl(model, &input.shape);
        }
        if let Some(output) = model.output(operation)
            && !outputs.contains(&&output.shape)
        {
            outputs.push(&output.shape);
            code += &output_impl(model, &output.shape)?;
        }
    }
    Ok(code)
}

fn structure(
    model: &Model,
    name: &str,
    shape: &Shape,
    directions: Directions,
) -> anyhow::Result<String> {
    let mut code = String::from("\n#[derive(Debug, Clone, Default, PartialEq");
    if directions.input {
        code += ", Deserialize";
    }
    if directions.output {
        code += ", Serialize";
    }
    writeln!(code, ")]\npub(crate) struct {} {{", names::type_name(name))?;
    for (member, reference) in &shape.members {
        code += &field(model, shape, member, reference, directions)?;
    }
    Ok(code + "}\n")
}

fn field(
    model: &Model,
    shape: &Shape,
    member: &str,
    reference: &Reference,
    directions: Directions,
) -> anyhow::Result<String> {
    // A payload is the whole body, which every request has.
    let is_payload = shape.payload.as_deref() == Some(member);
    let in_body = reference.location.is_none() && !is_payload;
    let required = !is_payload && shape.required.iter().any(|name| name == member);
    let mut attributes = Vec::new();
    if !in_body && (directions.output || is_payload) {
        attributes.push("skip".to_owned());
    } else {
        attributes.push(format!("rename = \"{}\"", wire_name(member, reference)));
        if directions.output && !required {
            attributes.push("skip_serializing_if = \"Option::is_none\"".to_owned());
        }
        if model.shape(&reference.shape).kind == "blob" && !model.is_secret(&reference.shape) {
            if required {
                bail!("required blobs such as {member} have no reader yet");
            }
            attributes.push("default, with = \"crate::wire::blob\"".to_owned());
        }
    }
    let kind = rust_type(model, &reference.shape)?;
    let kind = if required {
        kind
    } else {
        format!("Option<{kind}>")
    };
    let attributes = attributes.join(", ");
    Ok(format!(
        "    #[serde({attributes})]\n    pub(crate) {}: {kind},\n",
        names::field(member)
    ))
}

/// The name in JSON. Members that travel elsewhere are gathered under their member's name.
pub fn wire_name<'m>(member: &'m str, reference: &'m Reference) -> &'m str {
    match (&reference.location, &reference.location_name) {
        (None, Some(name)) => name,
        _ => member,
    }
}

fn rust_type(model: &Model, name: &str) -> anyhow::Result<String> {
    let shape = model.shape(name);
    let part = |part: &Option<Reference>| match part {
        Some(reference) => rust_type(model, &reference.shape),
        None => bail!("{name} does not say what it holds"),
    };
    let is_secret = model.is_secret(name);
    Ok(match shape.kind.as_str() {
        "structure" => names::type_name(name),
        "string" if is_secret => "SecretText".to_owned(),
        "blob" if is_secret => "SecretBytes".to_owned(),
        "string" => "String".to_owned(),
        "integer" | "long" => "i64".to_owned(),
        "float" | "double" => "f64".to_owned(),
        "timestamp" => match shape.timestamp_format.as_deref() {
            // Seconds since 1970, as JSON has it.
            None if model.metadata.protocol != "query" => "f64".to_owned(),
            None | Some("iso8601") => "String".to_owned(),
            Some(other) => bail!("{name} is written as {other}, which is new"),
        },
        "boolean" => "bool".to_owned(),
        "blob" => "Bytes".to_owned(),
        "list" => format!("Vec<{}>", part(&shape.member)?),
        "map" => format!("BTreeMap<{}, {}>", part(&shape.key)?, part(&shape.value)?),
        other => bail!("{name} is a {other}, which the generator does not know yet"),
    })
}

fn input_impl(model: &Model, name: &str) -> String {
    let shape = model.shape(name);
    let (type_name, table) = (names::type_name(name), names::constant(name));
    let payload = match &shape.payload {
        Some(member) => format!(
            "\n    fn set_payload(&mut self, payload: Bytes) {{ self.{} = Some(payload); }}\n",
            names::field(member)
        ),
        None => String::new(),
    };
    format!(
        "\nimpl Input for {type_name} {{\n    \
             const STRUCTURE: &'static Structure = &{table};\n{payload}}}\n"
    )
}

fn output_impl(model: &Model, name: &str) -> anyhow::Result<String> {
    let shape = model.shape(name);
    let mut body = String::new();
    for (member, reference) in &shape.members {
        let field = names::field(member);
        match (reference.location.as_deref(), &reference.location_name) {
            (Some("statusCode"), _) => writeln!(body, "reply.status(self.{field});")?,
            (Some("header"), Some(header)) => {
                let header = header.to_ascii_lowercase();
                writeln!(body, "reply.header(\"{header}\", self.{field}.as_deref());")?;
            }
            (Some(other), _) => bail!("{name}.{member} travels in {other}, which is new"),
            (None, _) => {}
        }
    }
    let has_body = shape
        .members
        .iter()
        .any(|(_, reference)| reference.location.is_none());
    match &shape.payload {
        Some(member) => writeln!(body, "reply.payload(self.{});", names::field(member))?,
        None if has_body || shape.members.is_empty() => writeln!(body, "reply.body(&self);")?,
        None => {}
    }
    let type_name = names::type_name(name);
    Ok(format!(
        "\nimpl Output for {type_name} {{\n    \
             fn render(self, reply: &mut Reply) {{\n{body}}}\n}}\n"
    ))
}
