//! Notifications of a bucket, as documents have them.
//!
//! AWS differs: queues' and topics' policies are not asked, as nowhere in Kiln. What AWS tells of what
//! does not happen here (restoring, replication, expiry) may be asked for and is never told.

use kiln_types::{NotificationRule, Notifications, Recipient, RequestId};

use super::super::fault::{self, Fault, Result};
use super::super::xml::{Element, Xml};

/// Kinds of events, and what there is of each.
const EVENTS: [(&str, &[&str]); 9] = [
    (
        "ObjectCreated",
        &["*", "Put", "Post", "Copy", "CompleteMultipartUpload"],
    ),
    ("ObjectRemoved", &["*", "Delete", "DeleteMarkerCreated"]),
    ("ObjectTagging", &["*", "Put", "Delete"]),
    ("ObjectRestore", &["*", "Post", "Completed", "Delete"]),
    (
        "Replication",
        &[
            "*",
            "OperationFailedReplication",
            "OperationMissedThreshold",
            "OperationReplicatedAfterThreshold",
            "OperationNotTracked",
        ],
    ),
    (
        "LifecycleExpiration",
        &["*", "Delete", "DeleteMarkerCreated"],
    ),
    ("LifecycleTransition", &[]),
    ("IntelligentTiering", &[]),
    ("ObjectAcl", &["Put"]),
];

/// Reads the document.
pub(in super::super) fn read(document: &[u8]) -> Result<Notifications> {
    let wanted = Element::read(document, "NotificationConfiguration")?;
    let mut rules = Vec::new();
    for child in &wanted.children {
        match child.name.as_str() {
            "TopicConfiguration" => rules.push(rule(child, "Topic", "sns")?),
            "QueueConfiguration" => rules.push(rule(child, "Queue", "sqs")?),
            "CloudFunctionConfiguration" => rules.push(rule(child, "CloudFunction", "lambda")?),
            "EventBridgeConfiguration" => {}
            _ => return Err(fault::malformed_xml()),
        }
    }
    check_together(&rules)?;
    Ok(Notifications {
        rules,
        on_bus: wanted.child("EventBridgeConfiguration").is_some(),
    })
}

/// The document.
pub(in super::super) fn write(notifications: &Notifications) -> Xml {
    let mut xml = Xml::answer("NotificationConfiguration");
    for rule in &notifications.rules {
        let (element, name) = match rule.to {
            Recipient::Function(_) => ("CloudFunctionConfiguration", "CloudFunction"),
            Recipient::Topic(_) => ("TopicConfiguration", "Topic"),
            _ => ("QueueConfiguration", "Queue"),
        };
        xml.open(element).leaf("Id", &rule.id).leaf(name, &rule.to);
        for event in &rule.events {
            xml.leaf("Event", event);
        }
        let filters = [("Prefix", &rule.prefix), ("Suffix", &rule.suffix)];
        if filters.iter().any(|(_, value)| value.is_some()) {
            xml.open("Filter").open("S3Key");
            for (name, value) in filters {
                if let Some(value) = value {
                    xml.open("FilterRule")
                        .leaf("Name", name)
                        .leaf("Value", value)
                        .close();
                }
            }
            xml.close().close();
        }
        xml.close();
    }
    if notifications.on_bus {
        xml.open("EventBridgeConfiguration").close();
    }
    xml
}

fn rule(element: &Element, name: &str, service: &str) -> Result<NotificationRule> {
    let arn = element.need(name)?;
    let to = arn
        .parse::<Recipient>()
        .ok()
        .filter(|_| arn.split(':').nth(2) == Some(service));
    let to = to.ok_or_else(|| {
        fault::invalid_argument("The ARN could not be parsed")
            .of("ArgumentName", name)
            .of("ArgumentValue", arn)
    })?;
    let events: Vec<String> = element
        .all("Event")
        .map(|event| event.text.clone())
        .collect();
    if events.is_empty() {
        return Err(fault::malformed_xml());
    }
    if let Some(unknown) = events.iter().find(|event| !is_known(event)) {
        let message = "The event is not supported for notifications";
        return Err(fault::invalid_argument(message)
            .of("ArgumentName", "Event")
            .of("ArgumentValue", unknown));
    }
    let (mut prefix, mut suffix) = (None, None);
    let filter = element
        .child("Filter")
        .and_then(|filter| filter.child("S3Key"));
    for rule in filter
        .into_iter()
        .flat_map(|filter| filter.all("FilterRule"))
    {
        let place = match rule.need("Name")?.to_ascii_lowercase().as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => {
                return Err(fault::invalid_argument(
                    "filter rule name must be either prefix or suffix",
                ));
            }
        };
        let value = rule.get("Value").unwrap_or_default();
        if place.replace(value.to_owned()).is_some() {
            let message =
                "Cannot specify more than one prefix rule and one suffix rule in a filter.";
            return Err(fault::invalid_argument(message));
        }
    }
    let id = element.get("Id").filter(|id| !id.is_empty());
    Ok(NotificationRule {
        id: id.map_or_else(|| RequestId::random().to_string(), str::to_owned),
        to,
        events,
        prefix,
        suffix,
    })
}

fn is_known(event: &str) -> bool {
    let Some(event) = event.strip_prefix("s3:") else {
        return false;
    };
    let (kind, what) = event.split_once(':').unwrap_or((event, ""));
    let is_kind = |(name, whats): &(&str, &[&str])| {
        *name == kind && (whats.contains(&what) || (whats.is_empty() && what.is_empty()))
    };
    EVENTS.iter().any(is_kind) || event == "ReducedRedundancyLostObject"
}

/// Refuses what would tell two of the same.
fn check_together(rules: &[NotificationRule]) -> Result<()> {
    for (index, rule) in rules.iter().enumerate() {
        for other in &rules[..index] {
            if rule.id == other.id {
                let message = "Same ID used for multiple configurations. IDs must be unique";
                return Err(fault::invalid_argument(message));
            }
            if overlap(rule, other) {
                let message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules \
                               if the prefixes are overlapping for the same event type.";
                return Err(fault::invalid_argument(message));
            }
        }
    }
    Ok(())
}

fn overlap(a: &NotificationRule, b: &NotificationRule) -> bool {
    let covers = |a: &String, b: &String| match a.strip_suffix('*') {
        Some(kind) => b.starts_with(kind),
        None => a == b,
    };
    let shares = a
        .events
        .iter()
        .any(|a| b.events.iter().any(|b| covers(a, b) || covers(b, a)));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (prefix, other) = (text(&a.prefix), text(&b.prefix));
    let prefixes = prefix.starts_with(&other) || other.starts_with(&prefix);
    let (suffix, other) = (text(&a.suffix), text(&b.suffix));
    let suffixes = suffix.ends_with(&other) || other.ends_with(&suffix);
    shares && prefixes && suffixes
}

/// What is said of destinations that cannot be told: each with why.
pub(super) fn not_validated(failures: &[(String, String)]) -> Fault {
    let message = "Unable to validate the following destination configurations";
    let mut fault = fault::invalid_argument(message);
    // The names of the elements are numbered; only the first few are named here.
    const NAMES: [(&str, &str); 3] = [
        ("ArgumentName1", "ArgumentValue1"),
        ("ArgumentName2", "ArgumentValue2"),
        ("ArgumentName3", "ArgumentValue3"),
    ];
    for ((name, value), (arn, why)) in NAMES.iter().zip(failures) {
        fault = fault.of(name, format!("{arn}, null")).of(value, why);
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rules: &str) -> Vec<u8> {
        format!("<NotificationConfiguration>{rules}</NotificationConfiguration>").into_bytes()
    }

    fn queue(id: &str, event: &str, prefix: &str) -> String {
        format!(
            "<QueueConfiguration><Id>{id}</Id><Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue><Event>{event}</Event>\
             <Filter><S3Key><FilterRule><Name>Prefix</Name><Value>{prefix}</Value></FilterRule></S3Key></Filter>\
             </QueueConfiguration>"
        )
    }

    #[test]
    fn what_is_written_is_read_again() {
        let topic = queue("b", "s3:ObjectRemoved:*", "in/")
            .replace("Queue", "Topic")
            .replace(":sqs:", ":sns:");
        let text = queue("a", "s3:ObjectCreated:*", "in/") + &topic + "<EventBridgeConfiguration/>";
        let notifications = read(&document(&text)).unwrap();
        assert!(notifications.on_bus);
        assert_eq!(notifications.rules[0].prefix.as_deref(), Some("in/"));
        assert_eq!(
            read(&write(&notifications).finish()).unwrap(),
            notifications
        );
    }

    #[test]
    fn rules_that_overlap_are_refused_and_others_are_not() {
        let put = queue("a", "s3:ObjectCreated:Put", "in/");
        for (other, is_fine) in [
            (queue("b", "s3:ObjectCreated:*", "in/a"), false),
            (queue("b", "s3:ObjectCreated:*", "out/"), true),
            (queue("b", "s3:ObjectRemoved:*", "in/"), true),
            (queue("a", "s3:ObjectRemoved:*", "in/"), false),
        ] {
            let read = read(&document(&(put.clone() + &other)));
            assert_eq!(read.is_ok(), is_fine, "{other}");
        }
    }

    #[test]
    fn unknown_events_and_arns_are_refused() {
        let other = queue("a", "s3:ObjectCreated:*", "").replace(":sqs:", ":sns:");
        for text in [
            queue("a", "s3:Nonsense", ""),
            queue("a", "ObjectCreated:*", ""),
            queue("a", "s3:ObjectCreated:*", "").replace("QueueConf", "TopicConf"),
            other,
        ] {
            assert!(read(&document(&text)).is_err(), "{text}");
        }
    }
}
