//! Tags of buckets and objects.

use std::collections::BTreeMap;

use super::fault::{Fault, Result, malformed_xml};
use super::xml::{Element, Xml};
use crate::wire::percent;

/// Tags of an object, at most.
pub(super) const OF_OBJECT_MAX: usize = 10;
/// Tags of a bucket, at most.
pub(super) const OF_BUCKET_MAX: usize = 50;
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// Reads a document of tags.
pub(super) fn read(document: &[u8], count_max: usize) -> Result<BTreeMap<String, String>> {
    let tagging = Element::read(document, "Tagging")?;
    let set = tagging.child("TagSet").ok_or_else(malformed_xml)?;
    let mut tags = BTreeMap::new();
    for tag in set.all("Tag") {
        add(&mut tags, tag.need("Key")?, tag.need("Value")?)?;
    }
    within(tags, count_max)
}

/// Reads the tags of an object that is being put.
pub(super) fn of_query(text: &str) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in percent::pairs(text) {
        add(&mut tags, &key, &value)?;
    }
    within(tags, OF_OBJECT_MAX)
}

/// The document.
pub(super) fn write(tags: &BTreeMap<String, String>) -> Xml {
    let mut xml = Xml::answer("Tagging");
    xml.open("TagSet");
    for (key, value) in tags {
        xml.open("Tag")
            .leaf("Key", key)
            .leaf("Value", value)
            .close();
    }
    xml.close();
    xml
}

fn add(tags: &mut BTreeMap<String, String>, key: &str, value: &str) -> Result<()> {
    let is_text = |text: &str| {
        text.chars()
            .all(|letter| letter.is_alphanumeric() || " +-=._:/@".contains(letter))
    };
    let length = key.chars().count();
    if !(1..=KEY_LENGTH_MAX).contains(&length) || key.starts_with("aws:") || !is_text(key) {
        return Err(invalid("The TagKey you have provided is invalid").of("TagKey", key));
    }
    if value.chars().count() > VALUE_LENGTH_MAX || !is_text(value) {
        return Err(invalid("The TagValue you have provided is invalid").of("TagKey", key));
    }
    match tags.insert(key.to_owned(), value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(invalid("Cannot provide multiple Tags with the same key").of("TagKey", key)),
    }
}

fn within(tags: BTreeMap<String, String>, count_max: usize) -> Result<BTreeMap<String, String>> {
    if tags.len() <= count_max {
        return Ok(tags);
    }
    let message = match count_max {
        OF_OBJECT_MAX => "Object tags cannot be greater than 10",
        _ => "Bucket tag count cannot be greater than 50",
    };
    Err(Fault::new("BadRequest", 400, message))
}

fn invalid(message: &'static str) -> Fault {
    Fault::new("InvalidTag", 400, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_they_are_read() {
        let tags = of_query("team=a%2Bb&empty=&plus=c+d").unwrap();
        assert_eq!(tags["team"], "a+b");
        assert_eq!(tags["plus"], "c d");
        assert_eq!(read(&write(&tags).finish(), OF_OBJECT_MAX).unwrap(), tags);
    }

    #[test]
    fn too_many_doubled_and_overlong_tags_are_refused() {
        let many: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        let long = format!("{}=v", "k".repeat(129));
        let strange = "a=%3Cb%3E".to_owned();
        for text in [
            many.join("&"),
            "a=1&a=2".to_owned(),
            long,
            "=v".to_owned(),
            strange,
        ] {
            assert!(of_query(&text).is_err(), "{text}");
        }
    }
}
