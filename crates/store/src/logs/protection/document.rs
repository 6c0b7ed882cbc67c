//! The document of a data protection policy.
//!
//! Source: "Create a data protection policy for a single log group" and "Custom data identifier constraints" in the user
//! guide of CloudWatch Logs.

use serde::Deserialize;

use super::identifier::Identifier;

/// Characters of a document.
const DOCUMENT_LENGTH_MAX: usize = 30_720;
const VERSION: &str = "2021-06-01";
/// What the ARNs of AWS's own identifiers begin with.
const MANAGED: &str = "arn:aws:dataprotection::aws:data-identifier/";
const CUSTOM_MAX: usize = 10;
const CUSTOM_NAME_LENGTH_MAX: usize = 128;
const CUSTOM_REGEX_LENGTH_MAX: usize = 200;

/// What a document is refused for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidProtection(pub(super) String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Name")]
    _name: String,
    #[serde(rename = "Description")]
    _description: Option<String>,
    version: String,
    configuration: Option<Configuration>,
    statement: Vec<Statement>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Configuration {
    custom_data_identifier: Vec<Custom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Custom {
    name: String,
    regex: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    data_identifier: Vec<String>,
    operation: Operation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Operation {
    /// Where findings go, which is nowhere here.
    Audit {
        #[serde(rename = "FindingsDestination")]
        _destination: serde_json::Value,
    },
    Deidentify {
        #[serde(rename = "MaskConfig")]
        _mask: Empty,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// What a document has masked.
pub(super) fn identifiers(text: &str) -> Result<Vec<Identifier>, InvalidProtection> {
    if text.chars().count() > DOCUMENT_LENGTH_MAX {
        return Err(invalid(format!(
            "the policy has more than {DOCUMENT_LENGTH_MAX} characters"
        )));
    }
    if !text.trim_start().starts_with('{') {
        return Err(invalid("the policy is no JSON object"));
    }
    let document: Document = serde_json::from_str(text)
        .map_err(|error| invalid(format!("the policy cannot be read: {error}")))?;
    if document.version != VERSION {
        return Err(invalid(format!("Version must be {VERSION}")));
    }
    let [audit, mask] = &document.statement[..] else {
        return Err(invalid(
            "Statement must have two members: one that audits, and one that masks",
        ));
    };
    if !matches!(audit.operation, Operation::Audit { .. })
        || !matches!(mask.operation, Operation::Deidentify { .. })
    {
        return Err(invalid(
            "the first statement's operation must be Audit, the second one's Deidentify",
        ));
    }
    if audit.data_identifier != mask.data_identifier {
        return Err(invalid(
            "both statements must have the same DataIdentifier list",
        ));
    }
    let mut named = mask.data_identifier.clone();
    named.sort();
    named.dedup();
    if named.is_empty() {
        return Err(invalid("DataIdentifier must name something to mask"));
    }
    let custom = customs(document.configuration.unwrap_or_default())?;
    let named = named.iter();
    named.map(|name| identifier(name, &custom)).collect()
}

fn customs(configuration: Configuration) -> Result<Vec<Custom>, InvalidProtection> {
    let custom = configuration.custom_data_identifier;
    if custom.len() > CUSTOM_MAX {
        return Err(invalid(format!(
            "a policy has at most {CUSTOM_MAX} custom data identifiers"
        )));
    }
    for (index, Custom { name, regex }) in custom.iter().enumerate() {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=CUSTOM_NAME_LENGTH_MAX).contains(&name.len()) || !name.bytes().all(is_name) {
            return Err(invalid(format!(
                "the name of a custom data identifier is 1-{CUSTOM_NAME_LENGTH_MAX} letters, digits, _ and -"
            )));
        }
        if custom[..index].iter().any(|other| other.name == *name) {
            return Err(invalid(format!("there are two identifiers named {name}")));
        }
        if !(1..=CUSTOM_REGEX_LENGTH_MAX).contains(&regex.chars().count()) {
            return Err(invalid(format!(
                "the regex of {name} must have 1-{CUSTOM_REGEX_LENGTH_MAX} characters"
            )));
        }
    }
    Ok(custom)
}

fn identifier(name: &str, custom: &[Custom]) -> Result<Identifier, InvalidProtection> {
    if let Some(managed) = name.strip_prefix(MANAGED) {
        return Identifier::managed(managed);
    }
    let Some(found) = custom.iter().find(|custom| custom.name == name) else {
        return Err(invalid(format!(
            "{name} is neither the ARN of a managed data identifier ({MANAGED}EmailAddress) nor the name of one in Configuration"
        )));
    };
    Identifier::custom(&found.name, &found.regex)
}

pub(super) fn invalid(why: impl Into<String>) -> InvalidProtection {
    InvalidProtection(why.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        let statement =
            |operation: Value| json!({"DataIdentifier": ["Order"], "Operation": operation});
        json!({
            "Name": "p",
            "Version": "2021-06-01",
            "Configuration": {"CustomDataIdentifier": [{"Name": "Order", "Regex": "ORD"}]},
            "Statement": [
                statement(json!({"Audit": {"FindingsDestination": {}}})),
                statement(json!({"Deidentify": {"MaskConfig": {}}})),
            ],
        })
    }

    /// Why a document is refused after a change of it.
    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut document = document();
        change(&mut document);
        identifiers(&document.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn documents_are_read_and_refused_with_the_reason() {
        assert_eq!(identifiers(&document().to_string()).unwrap().len(), 1);
        let why = refused(|policy| policy["Version"] = "2012-10-17".into());
        assert_eq!(why, "Version must be 2021-06-01");
        let why = refused(|policy| policy["Statement"].as_array_mut().unwrap().truncate(1));
        assert!(why.contains("two members"), "{why}");
        let why = refused(|policy| policy["Statement"].as_array_mut().unwrap().reverse());
        assert!(why.contains("must be Audit"), "{why}");
        let why = refused(|policy| policy["Statement"][1]["DataIdentifier"] = json!(["Other"]));
        assert!(why.contains("same DataIdentifier"), "{why}");
        let why = refused(|policy| policy["Configuration"] = Value::Null);
        assert!(why.starts_with("Order is neither"), "{why}");
        let why = refused(|policy| {
            policy["Configuration"]["CustomDataIdentifier"][0]["Regex"] = "(".into()
        });
        assert!(why.contains("Order"), "{why}");
        let why = refused(|policy| policy["Extra"] = 1.into());
        assert!(why.contains("Extra"), "{why}");
        let mask = "Operation";
        let why = refused(|policy| {
            policy["Statement"][1][mask]["Deidentify"]["MaskConfig"] = json!({"With": "#"});
        });
        assert!(why.contains("With"), "{why}");
        let why = identifiers(&" ".repeat(DOCUMENT_LENGTH_MAX + 1)).unwrap_err();
        assert!(why.to_string().contains("30720"), "{why}");
    }
}
