//! Writes the constraint tables: the shapes of every reached input as data.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, bail};
use serde_json::Number;

use super::model::{Extended, Model, Recorded, Reference, Selection, Shape};
use super::names;
use super::reach::Reached;
use super::types::wire_name;

/// The tables of one service.
pub fn write(model: &Model, selection: &Selection, reached: &Reached) -> anyhow::Result<String> {
    let tables = Tables {
        model,
        recorded: &selection.recorded,
        extended: &selection.extended,
    };
    tables.check_lists()?;
    let mut code = String::new();
    for (name, directions) in reached {
        if directions.input {
            code += &tables.table(name)?;
        }
    }
    Ok(code)
}

struct Tables<'a> {
    model: &'a Model,
    recorded: &'a Recorded,
    extended: &'a Extended,
}

impl Tables<'_> {
    /// A shape that the model no longer has is a mistake in our list.
    fn check_lists(&self) -> anyhow::Result<()> {
        let (recorded, extended) = (self.recorded, self.extended);
        let lists = recorded.unchecked.iter().chain(&recorded.nullable_members);
        let names = lists
            .chain(recorded.patterns.keys())
            .chain(recorded.values.keys())
            .chain(extended.patterns.keys())
            .chain(extended.values.keys())
            .chain(extended.length_max.keys());
        for name in names.collect::<BTreeSet<_>>() {
            self.model
                .shapes
                .get(name)
                .with_context(|| format!("operations.toml: {name}: no such shape"))?;
        }
        Ok(())
    }

    fn table(&self, name: &str) -> anyhow::Result<String> {
        let shape = self.model.shape(name);
        if shape.kind == "structure" {
            return self.structure(name, shape);
        }
        if self.is_plain(name) {
            return Ok(String::new());
        }
        let mut code = String::new();
        let constant = names::constant(name);
        if let Some(pattern) = self.pattern(name) {
            writeln!(
                code,
                "static {constant}_REGEX: Pattern = Pattern::new({});",
                literal(pattern)
            )?;
        }
        writeln!(
            code,
            "static {constant}: Shape = {};\n",
            self.rules(name, shape)?
        )?;
        Ok(code)
    }

    fn structure(&self, name: &str, shape: &Shape) -> anyhow::Result<String> {
        let constant = names::constant(name);
        let mut code = format!("static {constant}: Structure = Structure {{ members: &[\n");
        for (member, reference) in &shape.members {
            let is_payload = shape.payload.as_deref() == Some(member.as_str());
            // A payload is the whole body, which every request has.
            let required = !is_payload && shape.required.iter().any(|name| name == member);
            let at = if is_payload {
                "At::Payload".to_owned()
            } else {
                at(member, reference)?
            };
            let (name, held) = (
                wire_name(member, reference),
                self.reference(&reference.shape),
            );
            let required = if required { ".required()" } else { "" };
            writeln!(code, "Member::new({name:?}, {at}, &{held}){required},")?;
        }
        writeln!(code, "] }};")?;
        if self.is_nested(name) {
            writeln!(
                code,
                "static {constant}_SHAPE: Shape = Shape::Structure(&{constant});"
            )?;
        }
        Ok(code + "\n")
    }

    /// Whether some other shape holds this structure.
    fn is_nested(&self, name: &str) -> bool {
        self.model.shapes.values().any(|shape| {
            let members = shape.members.iter().map(|(_, reference)| reference);
            let rest = [&shape.member, &shape.value].into_iter().flatten();
            members.chain(rest).any(|reference| reference.shape == name)
        })
    }

    /// How a table refers to a shape.
    fn reference(&self, name: &str) -> String {
        let shape = self.model.shape(name);
        if shape.kind == "structure" {
            return format!("{}_SHAPE", names::constant(name));
        }
        if !self.is_plain(name) {
            return names::constant(name);
        }
        match shape.kind.as_str() {
            "boolean" => "shape::BOOLEAN".to_owned(),
            "blob" => "shape::BLOB".to_owned(),
            "integer" | "long" => "shape::INTEGER".to_owned(),
            _ => "shape::TEXT".to_owned(),
        }
    }

    /// Whether a shape has no rules of its own.
    fn is_plain(&self, name: &str) -> bool {
        let shape = self.model.shape(name);
        let is_leaf = ["boolean", "blob", "integer", "long", "string"].contains(&&*shape.kind);
        let has_bounds = shape.min.is_some() || shape.max.is_some();
        let has_text_rules =
            self.pattern(name).is_some() || !self.values(name, shape).is_empty() || shape.sensitive;
        is_leaf && !has_bounds && (!has_text_rules || shape.kind == "blob")
    }

    fn rules(&self, name: &str, shape: &Shape) -> anyhow::Result<String> {
        // A number's bounds are not lengths, and need not be whole.
        let length = || -> anyhow::Result<String> {
            let (min, max) = (whole(&shape.min)?, whole(&shape.max)?);
            let max = match self.extended.length_max.get(name) {
                Some(longer) => format!("Some({longer})"),
                None => max,
            };
            Ok(format!("Length::new({min}, {max})"))
        };
        let part = |part: &Option<Reference>| match part {
            Some(reference) => Ok(self.reference(&reference.shape)),
            None => bail!("{name} does not say what it holds"),
        };
        Ok(match shape.kind.as_str() {
            "string" => self.text(name, shape, &length()?),
            "integer" | "long" => {
                let (min, max) = (whole(&shape.min)?, whole(&shape.max)?);
                format!("Shape::Integer(Range::new({min}, {max}))")
            }
            // Seconds since 1970 and their fractions.
            "float" | "double" | "timestamp" => {
                let (min, max) = (decimal(&shape.min)?, decimal(&shape.max)?);
                format!("Shape::Float(Range::new({min}, {max}))")
            }
            "blob" => format!("Shape::Blob({})", length()?),
            "list" => format!(
                "Shape::List(List {{ length: {}, member: &{}, says_not_null: {} }})",
                length()?,
                part(&shape.member)?,
                !self
                    .recorded
                    .nullable_members
                    .iter()
                    .any(|nullable| nullable == name),
            ),
            "map" => format!(
                "Shape::Map(Map {{ length: {}, key: &{}, value: &{}, sensitive: {} }})",
                length()?,
                part(&shape.key)?,
                part(&shape.value)?,
                shape.sensitive,
            ),
            other => bail!("{name} is a {other}, which the generator does not know yet"),
        })
    }

    fn text(&self, name: &str, shape: &Shape, length: &str) -> String {
        let mut fields = Vec::new();
        if shape.min.is_some() || shape.max.is_some() {
            fields.push(format!("length: {length}"));
        }
        if self.pattern(name).is_some() {
            fields.push(format!("pattern: Some(&{}_REGEX)", names::constant(name)));
        }
        let values = self.values(name, shape);
        if !values.is_empty() {
            fields.push(format!("values: &{values:?}"));
        }
        if shape.sensitive {
            fields.push("sensitive: true".to_owned());
        }
        let rest = if fields.len() < 4 {
            ", ..Text::ANY"
        } else {
            ""
        };
        format!("Shape::Text(Text {{ {}{rest} }})", fields.join(", "))
    }

    fn pattern(&self, name: &str) -> Option<&str> {
        let modelled = self.model.shape(name).pattern.as_deref();
        let ours = self.extended.patterns.get(name);
        ours.or_else(|| self.recorded.patterns.get(name))
            .map(String::as_str)
            .or(modelled)
    }

    fn values(&self, name: &str, shape: &Shape) -> Vec<String> {
        if self
            .recorded
            .unchecked
            .iter()
            .any(|unchecked| unchecked == name)
        {
            return Vec::new();
        }
        let known = self.recorded.values.get(name).unwrap_or(&shape.values);
        let ours = self.extended.values.get(name).into_iter().flatten();
        known.iter().chain(ours).cloned().collect()
    }
}

fn at(member: &str, reference: &Reference) -> anyhow::Result<String> {
    let name = reference.location_name.as_deref().unwrap_or(member);
    Ok(match reference.location.as_deref() {
        None => "At::Body".to_owned(),
        Some("uri") => format!("At::Path({name:?})"),
        Some("querystring") => format!("At::Query({name:?})"),
        Some("header") => format!("At::Header({:?})", name.to_ascii_lowercase()),
        Some(other) => bail!("{member} travels in {other}, which is new"),
    })
}

fn whole(number: &Option<Number>) -> anyhow::Result<String> {
    let Some(number) = number else {
        return Ok("None".to_owned());
    };
    let number = number.as_i64().context("a bound is not a whole number")?;
    Ok(format!("Some({number})"))
}

fn decimal(number: &Option<Number>) -> anyhow::Result<String> {
    let Some(number) = number else {
        return Ok("None".to_owned());
    };
    Ok(format!(
        "Some({:?})",
        number.as_f64().context("a bound is not a number")?
    ))
}

/// A raw literal, as the patterns are full of backslashes.
fn literal(text: &str) -> String {
    if text.contains('"') {
        format!("r#\"{text}\"#")
    } else {
        format!("r\"{text}\"")
    }
}
