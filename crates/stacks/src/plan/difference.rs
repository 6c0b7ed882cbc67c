//! Which properties of a resource differ, and what that takes.

use serde_json::Value as Json;

use super::{Action, Existing, kinds};
use crate::error::{Error, Kind};
use crate::evaluate::Properties;

/// A property that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub property: String,
    /// Whether that takes another resource.
    pub replacement: Replacement,
    /// Whether it only may differ: it waits for a resource that is not known yet.
    pub is_open: bool,
}

/// Whether another resource takes the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replacement {
    /// It is updated itself.
    Never,
    /// That is known when what it refers to is: `Conditional` of a change set.
    Perhaps,
    /// Another is made.
    Always,
}

/// What becomes of a resource that is there and is to have these properties.
///
/// # Errors
/// It has a name of its own, is to keep it, and must be replaced: two cannot have it.
pub(super) fn between(existing: &Existing, new: &Properties) -> Result<Action, Error> {
    let kind = existing.kind.as_str();
    let replaced = kinds::replaced_by(kind);
    let needs = |name: &str, is_open: bool| match (replaced.contains(&name), is_open) {
        (false, _) => Replacement::Never,
        (true, true) => Replacement::Perhaps,
        (true, false) => Replacement::Always,
    };
    let mut differs = Vec::new();
    let mut found = |name: &String, is_open: bool| {
        differs.push(Difference {
            property: name.clone(),
            replacement: needs(name, is_open),
            is_open,
        });
    };
    for (name, value) in &new.known {
        let is_same = existing
            .properties
            .get(name)
            .is_some_and(|old| is_same(old, value));
        if !is_same {
            found(name, false);
        }
    }
    for name in new.open.keys() {
        found(name, true);
    }
    for name in existing.properties.keys() {
        if !new.known.contains_key(name) && !new.open.contains_key(name) {
            found(name, false);
        }
    }
    differs.sort_by(|one, other| one.property.cmp(&other.property));
    let Some(replacement) = differs
        .iter()
        .map(|difference| difference.replacement)
        .max()
    else {
        return Ok(Action::Keep);
    };
    if replacement == Replacement::Always {
        refuse_same_name(kind, existing, new)?;
    }
    Ok(Action::Update {
        differs,
        replacement,
    })
}

fn refuse_same_name(kind: &str, existing: &Existing, new: &Properties) -> Result<(), Error> {
    let Some(property) = kinds::name_of(kind) else {
        return Ok(());
    };
    let (old, new) = (existing.properties.get(property), new.known.get(property));
    match old.zip(new) {
        Some((old, new)) if is_same(old, new) => {
            let name = new.as_str().unwrap_or_default();
            let what = format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. \
                 Rename {name} and update the stack again."
            );
            Err(Error::new(Kind::Format, what))
        }
        _ => Ok(()),
    }
}

/// Whether two values mean the same: a number or a boolean is what its text is, as what takes properties reads both.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let has_same = |(name, one): (&String, &Json)| {
                other.get(name).is_some_and(|other| is_same(one, other))
            };
            one.len() == other.len() && one.iter().all(has_same)
        }
        (Json::Null, Json::Null) => true,
        (
            Json::Number(_) | Json::Bool(_) | Json::String(_),
            Json::Number(_) | Json::Bool(_) | Json::String(_),
        ) => one == other || text(one) == text(other),
        _ => false,
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
