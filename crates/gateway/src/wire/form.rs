//! Reads a form of the query protocol along its shape.
//!
//! Structures, lists and maps are flattened into names: `Tags.member.1.Key`, or where a service says so
//! `Tag.1.Key`. Members that the shape does not have are skipped, as AWS does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{from_text, refusal};
use super::percent;
use super::shape::{Shape, Structure};
use crate::error::Result;

/// Pairs of a form, which bounds what is kept of it. Ten messages with ten attributes have 400.
const PAIRS_MAX: usize = 4_096;
/// Levels of a name.
const DEPTH_MAX: usize = 8;

/// How a service names the elements of a list or the entries of a map in a form and in XML, where it does so in its
/// own way: most without the level that other services have around them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flat {
    /// The member.
    pub(crate) member: &'static str,
    /// Its elements; `{}` stands for the operation. A dot parts what is around them from what they are called.
    pub(crate) element: &'static str,
    /// A map's keys and values.
    pub(crate) entry: Option<(&'static str, &'static str)>,
}

/// The names of a service, and the operation that is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) flat: &'static [Flat],
    pub(crate) operation: &'static str,
}

impl Names {
    /// How a member's elements are called, if it stands flat.
    pub(crate) fn of(
        &self,
        member: &str,
    ) -> Option<(String, Option<(&'static str, &'static str)>)> {
        let flat = self.flat.iter().find(|flat| flat.member == member)?;
        Some((flat.element.replace("{}", self.operation), flat.entry))
    }
}

/// What stands at a name of a form and below it.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    below: BTreeMap<String, Node>,
}

impl Node {
    fn read(form: &str) -> Result<Self> {
        let mut root = Self::default();
        for (index, (name, text)) in percent::pairs(form).enumerate() {
            if index >= PAIRS_MAX {
                return Err(refusal("The form has too many parameters"));
            }
            let mut node = &mut root;
            for (level, part) in name.split('.').enumerate() {
                if level >= DEPTH_MAX {
                    return Err(refusal("A parameter's name has too many parts"));
                }
                node = node.below.entry(part.to_owned()).or_default();
            }
            node.text.get_or_insert_with(|| text.into_owned());
        }
        Ok(root)
    }

    /// What stands below under numbers, in their order.
    fn numbered(&self) -> impl Iterator<Item = &Node> {
        let number = |(name, node)| {
            let name: &String = name;
            Some((name.parse::<u32>().ok()?, node))
        };
        let mut numbered: Vec<(u32, &Node)> = self.below.iter().filter_map(number).collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, node)| node)
    }
}

/// The members of a structure.
pub(crate) fn members(
    form: &str,
    structure: &'static Structure,
    names: Names,
) -> Result<Map<String, Value>> {
    members_of(&Node::read(form)?, structure, names)
}

fn members_of(node: &Node, structure: &Structure, names: Names) -> Result<Map<String, Value>> {
    let mut members = Map::new();
    for member in structure.members {
        let value = match member.shape {
            Shape::List(_) | Shape::Map(_) => group(node, member.name, member.shape, names)?,
            shape => match node.below.get(member.name) {
                Some(node) => one(node, shape, names)?,
                None => None,
            },
        };
        if let Some(value) = value {
            members.insert(member.name.to_owned(), value);
        }
    }
    Ok(members)
}

/// A list or a map; nothing when it is not there. An empty one stands under the member's own name.
fn group(node: &Node, member: &str, shape: &Shape, names: Names) -> Result<Option<Value>> {
    let own = node.below.get(member);
    let flat = names.of(member);
    let (element, entry) = match &flat {
        Some((element, entry)) => {
            let mut levels = element.split('.');
            let elements = levels.try_fold(node, |node, level| node.below.get(level));
            (elements, *entry)
        }
        None => {
            let inner = match shape {
                Shape::Map(_) => "entry",
                _ => "member",
            };
            (own.and_then(|own| own.below.get(inner)), None)
        }
    };
    if element.is_none() && own.is_none() {
        return Ok(None);
    }
    let numbered = element.into_iter().flat_map(Node::numbered);
    match shape {
        Shape::Map(map) => {
            let (key, value) = entry.unwrap_or(("key", "value"));
            let mut entries = Map::new();
            for node in numbered {
                let key = node.below.get(key).and_then(|node| node.text.clone());
                let value = node.below.get(value);
                let value = value
                    .map(|value| one(value, map.value, names))
                    .transpose()?;
                entries.insert(key.unwrap_or_default(), value.flatten().unwrap_or_default());
            }
            Ok(Some(entries.into()))
        }
        Shape::List(list) => {
            let values = numbered.map(|node| one(node, list.member, names));
            let values: Vec<Option<Value>> = values.collect::<Result<_>>()?;
            Ok(Some(values.into_iter().flatten().collect()))
        }
        _ => Ok(None),
    }
}

fn one(node: &Node, shape: &Shape, names: Names) -> Result<Option<Value>> {
    match shape {
        Shape::Structure(structure) => Ok(Some(members_of(node, structure, names)?.into())),
        Shape::List(_) | Shape::Map(_) => Err(refusal("A list of lists cannot be in a form")),
        shape => match &node.text {
            Some(text) => from_text(text, shape).map(Some),
            None => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sqs::{self, generated};
    use crate::wire::Input;

    fn read<I: Input>(operation: &'static str, form: &str) -> Value {
        let names = Names {
            flat: sqs::FLAT,
            operation,
        };
        members(form, I::STRUCTURE, names).unwrap().into()
    }

    #[test]
    fn messages_and_their_attributes_stand_flat() {
        let form = "Action=SendMessageBatch&QueueUrl=http%3A%2F%2Fh%2F1%2Fq\
            &SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=x+y\
            &SendMessageBatchRequestEntry.10.Id=c&SendMessageBatchRequestEntry.10.MessageBody=z\
            &SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=%26\
            &SendMessageBatchRequestEntry.1.DelaySeconds=5\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Binary\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=AA%3D%3D\
            &Unknown.1=x";
        let expected = json!({
            "QueueUrl": "http://h/1/q",
            "Entries": [
                {
                    "Id": "a", "MessageBody": "&", "DelaySeconds": 5,
                    "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": "AA=="}},
                },
                {"Id": "b", "MessageBody": "x y"},
                {"Id": "c", "MessageBody": "z"},
            ],
        });
        let read = read::<generated::SendMessageBatchRequest>("SendMessageBatch", form);
        assert_eq!(read, expected);
    }

    #[test]
    fn attributes_and_tags_have_names_of_their_own() {
        let form = "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5\
            &Tag.1.Key=a&Tag.1.Value=b&Tag.2.Key=empty&Tag.2.Value=";
        let expected = json!({
            "QueueName": "q", "Attributes": {"DelaySeconds": "5"}, "tags": {"a": "b", "empty": ""},
        });
        assert_eq!(
            read::<generated::CreateQueueRequest>("CreateQueue", form),
            expected
        );
        let form = "QueueUrl=q&AttributeName.1=All&AttributeName.2=Policy";
        let expected = json!({"QueueUrl": "q", "AttributeNames": ["All", "Policy"]});
        let read = read::<generated::GetQueueAttributesRequest>("GetQueueAttributes", form);
        assert_eq!(read, expected);
    }

    #[test]
    fn an_empty_list_is_there_and_empty() {
        let form = "QueueUrl=q&Entries=";
        let read = read::<generated::SendMessageBatchRequest>("SendMessageBatch", form);
        assert_eq!(read, json!({"QueueUrl": "q", "Entries": []}));
    }

    #[test]
    fn forms_that_are_too_large_are_refused() {
        let names = Names {
            flat: sqs::FLAT,
            operation: "ListQueues",
        };
        let structure = generated::ListQueuesRequest::STRUCTURE;
        let many = "a=b&".repeat(PAIRS_MAX + 1);
        assert!(members(&many, structure, names).is_err());
        let deep = "a.".repeat(DEPTH_MAX) + "a=b";
        assert!(members(&deep, structure, names).is_err());
        let number = members("MaxResults=x", structure, names);
        assert!(number.is_err());
    }
}
