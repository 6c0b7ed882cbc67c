//! The part of JSONPath that EventBridge understands: `$`, names after dots, indices, and `*` for either.
//!
//! AWS differs: it takes letters, digits, `-`, `_` and `/` in names; Kiln whatever cannot be mistaken for another part
//! of a path.

use std::borrow::Cow;

use serde_json::Value;

use super::PATH_MAX;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    All,
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.chars().count() > PATH_MAX {
            return Err("is longer than 256 characters");
        }
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err("does not begin with '$'");
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => {
                    let (index, after) = inner.split_once(']').ok_or("has a '[' without ']'")?;
                    (Step::index(index)?, after)
                }
                None => {
                    let name = rest
                        .strip_prefix('.')
                        .ok_or("has neither '.' nor '[' before a name")?;
                    let end = name.find(['.', '[']).unwrap_or(name.len());
                    (Step::name(&name[..end])?, &name[end..])
                }
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self { steps })
    }

    /// What the path leads to; with a `*`, the list of all that it does.
    pub(super) fn find<'a>(&self, event: &'a Value) -> Option<Cow<'a, Value>> {
        let mut found = vec![event];
        for step in &self.steps {
            found = found
                .into_iter()
                .flat_map(|value| step.take(value))
                .collect();
        }
        match self.steps.contains(&Step::All) {
            true => Some(Cow::Owned(found.into_iter().cloned().collect())),
            false => found.first().copied().map(Cow::Borrowed),
        }
    }
}

impl Step {
    fn index(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => Ok(Self::All),
            _ => text
                .parse()
                .map(Self::Index)
                .map_err(|_| "has an index that is neither a number nor '*'"),
        }
    }

    fn name(text: &str) -> Result<Self, &'static str> {
        let is_odd = |c: char| c.is_whitespace() || "]\"'()?<>$".contains(c);
        match text {
            "" => Err("has no name after a '.'"),
            "*" => Ok(Self::All),
            _ if text.contains(is_odd) => Err("has a character that no name may have"),
            _ => Ok(Self::Name(text.to_owned())),
        }
    }

    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(object)) => object.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(array)) => array.get(*index).into_iter().collect(),
            (Self::All, Value::Object(object)) => object.values().collect(),
            (Self::All, Value::Array(array)) => array.iter().collect(),
            _ => vec![],
        }
    }
}
