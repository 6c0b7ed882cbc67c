//! S3's documents: written, and read into a tree.

use std::fmt::{Display, Write};

use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::fault::{Result, malformed_xml};
use crate::wire::escape;

/// The namespace of all of them.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// How deep a document may go. None of S3's goes deeper than eight.
const DEPTH_MAX: usize = 16;
/// Elements of a document, at most: the largest ends an upload of 10,000 parts, each with its number, tag and checksums.
const ELEMENTS_MAX: usize = 100_000;

/// A document in the making.
pub(super) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

/// An element of a document that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Xml {
    /// An answer.
    pub(super) fn answer(root: &'static str) -> Self {
        let mut xml = Self::bare(root);
        xml.text.truncate(xml.text.len() - 1);
        write!(xml.text, " xmlns=\"{NAMESPACE}\">").expect("writing to a string cannot fail");
        xml
    }

    /// The same without a namespace, as errors are.
    pub(super) fn bare(root: &'static str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>");
        Self {
            text,
            open: vec![root],
        }
    }

    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str) -> &mut Self {
        write!(self.text, "<{name}>").expect("writing to a string cannot fail");
        self.open.push(name);
        self
    }

    /// Ends the element that began last.
    pub(super) fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            write!(self.text, "</{name}>").expect("writing to a string cannot fail");
        }
        self
    }

    /// A text in the element that is open.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.text.push_str(&escape(value));
        self
    }

    /// An element that holds a text.
    pub(super) fn leaf(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = escape(&value.to_string());
        write!(self.text, "<{name}>{value}</{name}>").expect("writing to a string cannot fail");
        self
    }

    /// The same, where there is a text.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// The document.
    pub(super) fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        self.text.into()
    }
}

impl Element {
    /// Reads a document whose root has this name.
    pub(super) fn read(document: &[u8], root: &str) -> Result<Self> {
        let element = read(document).ok_or_else(malformed_xml)?;
        match element.name == root {
            true => Ok(element),
            false => Err(malformed_xml()),
        }
    }

    /// The children of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The same, which must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(malformed_xml)
    }
}

/// A document's root; none when it is not well-formed. Definitions of types and entities are none of S3's.
fn read(document: &[u8]) -> Option<Element> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
    let mut path: Vec<Element> = Vec::new();
    let (mut root, mut count) = (None, 0);
    loop {
        let event = reader.read_event().ok()?;
        if matches!(event, Event::Start(_) | Event::Empty(_)) {
            count += 1;
            if root.is_some() || path.len() == DEPTH_MAX || count > ELEMENTS_MAX {
                return None;
            }
        }
        match event {
            Event::Start(start) => path.push(element(&start)),
            Event::Empty(start) => {
                let element = element(&start);
                match path.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::End(_) => {
                let mut element = path.pop()?;
                if !element.children.is_empty() {
                    element.text.clear();
                }
                match path.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Text(text) => match path.last_mut() {
                Some(element) => element.text.push_str(&text),
                None if text.trim().is_empty() => {}
                None => return None,
            },
            Event::CData(text) => path.last_mut()?.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let letter = match reference.resolve_char_ref().ok()? {
                    Some(letter) => letter,
                    None => match &*reference {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return None,
                    },
                };
                path.last_mut()?.text.push(letter);
            }
            Event::Eof => return root.filter(|_| path.is_empty()),
            Event::DocType(_) => return None,
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    Element {
        name: start.local_name().as_ref().to_owned(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut xml = Xml::answer("Delete");
        xml.open("Object").leaf("Key", "a<b>&\"c' d").close();
        xml.maybe("Quiet", Some(true)).maybe("None", None::<&str>);
        let element = Element::read(&xml.finish(), "Delete").unwrap();
        let object = element.child("Object").unwrap();
        assert_eq!(object.get("Key"), Some("a<b>&\"c' d"));
        assert_eq!(element.get("Quiet"), Some("true"));
        assert_eq!(element.get("None"), None);
    }

    #[test]
    fn references_comments_and_prefixes_are_understood() {
        let text = b"<?xml version='1.0'?><!-- x --><s:A xmlns:s='y'><s:B>&#65;&#x42;<![CDATA[<&]]></s:B><C/></s:A>";
        let element = Element::read(text, "A").unwrap();
        assert_eq!(element.get("B"), Some("AB<&"));
        assert_eq!(element.get("C"), Some(""));
    }

    #[test]
    fn what_is_not_well_formed_or_expands_is_refused() {
        let deep = "<A>".repeat(20) + &"</A>".repeat(20);
        for text in [
            "",
            "<A>",
            "<A></B>",
            "<A/><A/>",
            "text",
            "<A>&unknown;</A>",
            "<!DOCTYPE A [<!ENTITY x 'y'>]><A>&x;</A>",
            &deep,
        ] {
            assert!(Element::read(text.as_bytes(), "A").is_err(), "{text}");
        }
        assert!(Element::read(b"<B/>", "A").is_err());
    }
}
