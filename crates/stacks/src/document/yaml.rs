//! YAML to a document, without recursion: what is open lies on a stack of its own.
//!
//! AWS differs: CloudFormation refuses aliases; here they and merge keys (`<<`) are written out, within the cost of
//! a document, as `aws cloudformation package` and `sam build` do before AWS sees a template.

use std::collections::HashMap;

use indexmap::map::Entry;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{Map, Node, Place, Value, not_well_formed, scalar};
use crate::error::{Error, Kind};
use crate::limits::{DEPTH_MAX, DOCUMENT_COST_MAX};

/// The functions with a short form that is `!` and their name without `Fn::`.
const SHORT: &[&str] = &[
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
];

pub(super) fn read(text: &str) -> Result<Node, Error> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => reader.on(event, span)?,
            Err(error) => return Err(refused(error.info(), place(*error.marker()))),
        }
    }
    let nothing = || Error::format("unsupported structure.");
    reader.root.ok_or_else(nothing)
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
    cost: usize,
    /// Lists and maps that what comes next is inside of, those of short forms among them.
    depth: usize,
    documents: usize,
}

/// A list or a map of which the end has not been seen.
struct Open {
    holds: Holds,
    place: Place,
    anchor: usize,
    tag: Option<String>,
    depth: usize,
}

enum Holds {
    List(Vec<Node>),
    Map {
        map: Map,
        key: Option<(String, bool, Place)>,
        merged: Vec<Node>,
    },
}

/// What an alias stands for, and what writing it out costs.
struct Anchored {
    node: Node,
    cost: usize,
    depth: usize,
}

impl Reader {
    fn on(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let at = place(span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(refused("a template is one document", at));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                if tag.is_none() && self.takes_key(&text, is_plain, at) {
                    return Ok(());
                }
                // `!GetAtt A.b` is a map and a list.
                self.refuse_deeper(if tag.is_some() { 2 } else { 0 }, at)?;
                let node = scalar_of(&text, is_plain, tag.as_deref(), at)?;
                self.pay(1 + text.len(), at)?;
                self.remember(anchor, &node);
                self.put(node, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Holds::List(Vec::new()), anchor, tag.as_deref(), at)?;
            }
            Event::MappingStart(anchor, tag) => {
                let holds = Holds::Map {
                    map: Map::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(holds, anchor, tag.as_deref(), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at)?,
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Whether a scalar is the next key of the map that is open, which then has it.
    fn takes_key(&mut self, text: &str, is_plain: bool, at: Place) -> bool {
        self.cost += text.len();
        match self.open.last_mut() {
            Some(Open {
                holds: Holds::Map { key, .. },
                ..
            }) if key.is_none() => {
                *key = Some((text.to_owned(), is_plain, at));
                true
            }
            _ => false,
        }
    }

    fn begin(
        &mut self,
        holds: Holds,
        anchor: usize,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), Error> {
        self.pay(1, place)?;
        let is_list = matches!(holds, Holds::List(_));
        let tag = match tag {
            None => None,
            Some(tag) if tag.is_yaml_core_schema() => match (tag.suffix.as_str(), is_list) {
                ("map", false) | ("seq", true) => None,
                _ => return Err(unknown_tag(tag, place)),
            },
            Some(tag) => Some(function(tag, place)?),
        };
        let depth = 1 + usize::from(tag.is_some());
        self.refuse_deeper(depth, place)?;
        self.depth += depth;
        self.open.push(Open {
            holds,
            place,
            anchor,
            tag,
            depth,
        });
        Ok(())
    }

    fn end(&mut self, at: Place) -> Result<(), Error> {
        let Some(open) = self.open.pop() else {
            return Err(refused("an end without a beginning", at));
        };
        self.depth -= open.depth;
        let value = match open.holds {
            Holds::List(list) => Value::List(list),
            Holds::Map {
                mut map, merged, ..
            } => {
                for node in merged {
                    merge(&mut map, node)?;
                }
                Value::Map(map)
            }
        };
        let mut node = Node {
            value,
            place: open.place,
        };
        if let Some(function) = open.tag {
            node = call(&function, node);
        }
        self.remember(open.anchor, &node);
        self.put(node, open.place)
    }

    fn alias(&mut self, anchor: usize, at: Place) -> Result<(), Error> {
        let Some(known) = self.anchors.get(&anchor) else {
            return Err(refused("an alias inside of what it stands for", at));
        };
        let (cost, depth) = (known.cost, known.depth);
        self.refuse_deeper(depth, at)?;
        self.pay(cost, at)?;
        match self.anchors.get(&anchor).map(|known| known.node.clone()) {
            Some(node) => self.put(node, at),
            None => Ok(()),
        }
    }

    fn refuse_deeper(&self, depth: usize, at: Place) -> Result<(), Error> {
        if self.depth + depth <= DEPTH_MAX {
            return Ok(());
        }
        let what = format!("more than {DEPTH_MAX} lists and maps inside each other");
        Err(refused(&what, at))
    }

    /// Puts a finished value where it belongs: into what is open, or as the document itself.
    fn put(&mut self, node: Node, at: Place) -> Result<(), Error> {
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.root = Some(node),
            Some(Holds::List(list)) => list.push(node),
            Some(Holds::Map { map, key, merged }) => match key.take() {
                None => return Err(refused("a key that is no text", at)),
                Some((name, true, _)) if name == "<<" => merged.push(node),
                Some((name, _, place)) => match map.entry(name) {
                    Entry::Occupied(entry) => {
                        let what = format!("\"{}\" is there twice", entry.key());
                        return Err(refused(&what, place));
                    }
                    Entry::Vacant(entry) => {
                        entry.insert(node);
                    }
                },
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            let (cost, depth) = measure(node);
            let node = node.clone();
            // The copy that waits for its aliases is memory as well.
            self.cost += cost;
            self.anchors.insert(anchor, Anchored { node, cost, depth });
        }
    }

    fn pay(&mut self, cost: usize, at: Place) -> Result<(), Error> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost <= DOCUMENT_COST_MAX {
            return Ok(());
        }
        let what = "Template is too large once its aliases are written out: use fewer of them";
        Err(Error::new(Kind::Text, what).at(at))
    }
}

fn scalar_of(text: &str, is_plain: bool, tag: Option<&Tag>, place: Place) -> Result<Node, Error> {
    let text_node = |place| Node {
        value: Value::Text(text.to_owned()),
        place,
    };
    let Some(tag) = tag else {
        let value = if is_plain {
            scalar::plain(text)
        } else {
            Value::Text(text.to_owned())
        };
        return Ok(Node { value, place });
    };
    if !tag.is_yaml_core_schema() {
        return Ok(call(&function(tag, place)?, text_node(place)));
    }
    let value = scalar::plain(text);
    match (tag.suffix.as_str(), &value) {
        ("str", _) => Ok(text_node(place)),
        ("int" | "float", Value::Number(_)) | ("bool", Value::Bool(_)) | ("null", Value::Null) => {
            Ok(Node { value, place })
        }
        _ => Err(unknown_tag(tag, place)),
    }
}

/// The function that a tag is short for.
fn function(tag: &Tag, at: Place) -> Result<String, Error> {
    let name = tag.suffix.as_str();
    match tag.handle.as_str() {
        "!" if name == "Ref" || name == "Condition" => Ok(name.to_owned()),
        "!" if SHORT.contains(&name) => Ok(format!("Fn::{name}")),
        _ => Err(unknown_tag(tag, at)),
    }
}

/// A function and its argument; `!GetAtt A.b` has two in one text.
fn call(function: &str, argument: Node) -> Node {
    let place = argument.place;
    let mut argument = argument;
    if let (true, Some(text)) = (function == "Fn::GetAtt", argument.as_text())
        && let Some((resource, attribute)) = text.split_once('.')
    {
        let part = |text: &str| Node {
            value: Value::from(text),
            place,
        };
        argument.value = Value::List(vec![part(resource), part(attribute)]);
    }
    let value = Value::Map(Map::from_iter([(function.to_owned(), argument)]));
    Node { value, place }
}

/// What a merge key brings: names that the map does not have, the first of several maps before the next.
fn merge(map: &mut Map, node: Node) -> Result<(), Error> {
    let place = node.place;
    let several = match node.value {
        Value::Map(more) => vec![more],
        Value::List(list) => list
            .into_iter()
            .map(|node| match node.value {
                Value::Map(more) => Ok(more),
                _ => Err(refused("what is merged is no map", node.place)),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(refused("what is merged is no map", place)),
    };
    for (name, node) in several.into_iter().flatten() {
        map.entry(name).or_insert(node);
    }
    Ok(())
}

/// Values and bytes of a node, and how many lists and maps are inside each other.
fn measure(node: &Node) -> (usize, usize) {
    match &node.value {
        Value::List(list) => list.iter().map(measure).fold((1, 1), outer),
        Value::Map(map) => map.iter().fold((1, 1), |sum, (name, node)| {
            let (cost, depth) = measure(node);
            outer(sum, (cost + name.len(), depth))
        }),
        Value::Text(text) | Value::Number(text) => (1 + text.len(), 0),
        Value::Null | Value::Bool(_) => (1, 0),
    }
}

fn outer(sum: (usize, usize), inner: (usize, usize)) -> (usize, usize) {
    (sum.0 + inner.0, sum.1.max(inner.1 + 1))
}

fn place(marker: Marker) -> Place {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Place {
        line: number(marker.line()),
        column: number(marker.col().saturating_add(1)),
    }
}

fn refused(reason: &str, at: Place) -> Error {
    not_well_formed("YAML", reason, at)
}

fn unknown_tag(tag: &Tag, at: Place) -> Error {
    refused(&format!("unknown or misplaced tag {tag}"), at)
}
