//! What a node refers to.

use std::collections::BTreeMap;

use crate::document::{Node, Place, Value};
use crate::evaluate::sub::{self, Part};

/// The values of a template's conditions.
pub(crate) type Conditions = BTreeMap<String, bool>;

/// Something that a node names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// By `Ref` or in `Fn::Sub`: a parameter, a pseudo parameter or a resource.
    Name(&'a str),
    /// By `Fn::GetAtt` or in `Fn::Sub`: a resource of which an attribute is wanted.
    Attribute(&'a str),
    /// By `Condition` or `Fn::If`: a condition.
    Condition(&'a str),
    /// By `Fn::FindInMap`: a mapping.
    Mapping(&'a str),
}

/// Tells `found` of everything that a node names; with conditions, of those branches of `Fn::If` alone that are taken.
pub(crate) fn visit<'a>(
    node: &'a Node,
    conditions: Option<&Conditions>,
    found: &mut dyn FnMut(Reference<'a>, Place),
) {
    match &node.value {
        Value::List(list) => {
            for node in list {
                visit(node, conditions, found);
            }
        }
        Value::Map(map) => {
            if let Some((name, argument)) = node.function()
                && function(name, argument, conditions, found)
            {
                return;
            }
            for node in map.values() {
                visit(node, conditions, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// Whether nothing is left to visit in the argument of a function.
fn function<'a>(
    name: &str,
    argument: &'a Node,
    conditions: Option<&Conditions>,
    found: &mut dyn FnMut(Reference<'a>, Place),
) -> bool {
    let place = argument.place;
    let first = argument.as_list().and_then(|list| list.first());
    let first = first.and_then(Node::as_text);
    match (name, argument.as_text(), first) {
        ("Ref", Some(name), _) => found(Reference::Name(name), place),
        ("Condition", Some(name), _) => found(Reference::Condition(name), place),
        ("Fn::GetAtt", _, Some(name)) => found(Reference::Attribute(name), place),
        ("Fn::GetAtt", Some(text), _) => {
            let (name, _) = text.split_once('.').unwrap_or((text, ""));
            found(Reference::Attribute(name), place);
        }
        ("Fn::FindInMap", _, Some(name)) => found(Reference::Mapping(name), place),
        ("Fn::Sub", Some(text), _) => variables(text, None, place, found),
        ("Fn::Sub", _, Some(text)) => {
            let given = argument.as_list().and_then(|list| list.get(1));
            variables(text, given, place, found);
        }
        ("Fn::If", _, Some(name)) => {
            found(Reference::Condition(name), place);
            let value = conditions.and_then(|conditions| conditions.get(name));
            let taken = match value {
                Some(true) => 1,
                Some(false) => 2,
                None => return false,
            };
            if let Some(node) = argument.as_list().and_then(|list| list.get(taken)) {
                visit(node, conditions, found);
            }
            return true;
        }
        _ => {}
    }
    false
}

fn variables<'a>(
    text: &'a str,
    given: Option<&Node>,
    place: Place,
    found: &mut dyn FnMut(Reference<'a>, Place),
) {
    for part in sub::parts(text) {
        let Part::Variable(name) = part else {
            continue;
        };
        if given.is_some_and(|given| given.get(name).is_some()) {
            continue;
        }
        match name.split_once('.') {
            Some((name, _)) => found(Reference::Attribute(name), place),
            None => found(Reference::Name(name), place),
        }
    }
}
