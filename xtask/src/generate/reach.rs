//! Which shapes the chosen operations reach, and in which direction they travel.

use std::collections::BTreeMap;

use super::model::{Model, Selection, Shape};

/// The reached shapes by name.
pub type Reached = BTreeMap<String, Directions>;

/// In which directions a shape travels.
#[derive(Debug, Default, Clone, Copy)]
pub struct Directions {
    /// From the caller.
    pub input: bool,
    /// To the caller.
    pub output: bool,
}

/// Walks every chosen operation's input and output.
pub fn reach(model: &Model, selection: &Selection) -> anyhow::Result<Reached> {
    let mut reached = Reached::new();
    for name in &selection.operations {
        let operation = model.operation(name)?;
        if let Some(input) = &operation.input {
            walk(
                model,
                &input.shape,
                |directions| &mut directions.input,
                &mut reached,
            );
        }
        if let Some(output) = model.output(operation) {
            walk(
                model,
                &output.shape,
                |directions| &mut directions.output,
                &mut reached,
            );
        }
    }
    Ok(reached)
}

fn walk(model: &Model, name: &str, flag: fn(&mut Directions) -> &mut bool, reached: &mut Reached) {
    let flag_of_shape = flag(reached.entry(name.to_owned()).or_default());
    if std::mem::replace(flag_of_shape, true) {
        return;
    }
    for part in parts(model.shape(name)) {
        walk(model, part, flag, reached);
    }
}

/// The shapes that a shape is made of.
fn parts(shape: &Shape) -> impl Iterator<Item = &str> {
    let members = shape.members.iter().map(|(_, reference)| reference);
    let rest = [&shape.member, &shape.key, &shape.value]
        .into_iter()
        .flatten();
    members
        .chain(rest)
        .map(|reference| reference.shape.as_str())
}
