//! The digests that clients compare with their own (SQS developer guide, "Calculating the MD5 message
//! digest for message attributes").

use std::collections::BTreeMap;

use kiln_types::{AttributeValue, MessageAttribute};
use md5::{Digest, Md5};

const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The digest of a body.
pub(super) fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The digest of attributes; none when there are none.
pub(super) fn of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        update(&mut digest, name.as_bytes());
        update(&mut digest, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(text) => {
                digest.update([TEXT]);
                update(&mut digest, text.as_bytes());
            }
            AttributeValue::Binary(bytes) => {
                digest.update([BINARY]);
                update(&mut digest, bytes);
            }
        }
    }
    Some(hex::encode(digest.finalize()))
}

fn update(digest: &mut Md5, part: &[u8]) {
    digest.update((part.len() as u32).to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(attributes: &[(&str, &str)]) -> BTreeMap<String, MessageAttribute> {
        let attribute =
            |(name, value): &(&str, &str)| ((*name).to_owned(), MessageAttribute::string(*value));
        attributes.iter().map(attribute).collect()
    }

    /// Answers recorded from AWS.
    #[test]
    fn digests_are_awss() {
        assert_eq!(of_body("msg"), "6e2baaf3b97dbeef01c0043275f9a0e7");
        let three = texts(&[("General", "Kenobi"), ("Hello", "There"), ("Help.Me", "Me")]);
        let expected = "4c360f3fdafd970e05fae2f149d997f5";
        assert_eq!(of_attributes(&three).as_deref(), Some(expected));
        let two = texts(&[("General", "Kenobi"), ("Hello", "There")]);
        let expected = "fca026605781cb4126a1e9044df24232";
        assert_eq!(of_attributes(&two).as_deref(), Some(expected));
        let value = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
        let binary = MessageAttribute {
            data_type: "Binary".to_owned(),
            value: AttributeValue::Binary(bytes::Bytes::from_static(value)),
        };
        let binary = BTreeMap::from([("attr1".to_owned(), binary)]);
        let expected = "8cbe4db156db8a94db8b801b7addb984";
        assert_eq!(of_attributes(&binary).as_deref(), Some(expected));
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
