//! What things of accounts are called.

use std::collections::BTreeMap;

/// By the tables that have them. What is not here is a part of something else, or Kiln's own.
const KINDS: [(&str, &str); 30] = [
    ("access_key", "accessKeys"),
    ("api", "httpApis"),
    ("archive", "archives"),
    ("archived", "archivedEvents"),
    ("bucket", "buckets"),
    ("bus", "buses"),
    ("bus_rule", "rules"),
    ("code_signing_config", "codeSigningConfigs"),
    ("dead", "deadLetters"),
    ("event", "events"),
    ("event_source_mapping", "eventSourceMappings"),
    ("function", "functions"),
    ("function_url", "functionUrls"),
    ("identity", "identities"),
    ("layer_version", "layerVersions"),
    ("log_event", "logEvents"),
    ("log_group", "logGroups"),
    ("log_stream", "logStreams"),
    ("message", "messages"),
    ("message_queue", "queues"),
    ("object", "objectVersions"),
    ("package", "codePackages"),
    ("parameter", "parameters"),
    ("post", "posts"),
    ("schedule", "schedules"),
    ("secret", "secrets"),
    ("signing_profile", "signingProfiles"),
    ("subscription", "subscriptions"),
    ("topic", "topics"),
    ("usage", "usageRecords"),
];

/// Counts by kind, of counts by table.
pub(super) fn of_tables(counts: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let named = KINDS.iter().filter_map(|(table, kind)| {
        let count = counts.get(*table)?;
        Some(((*kind).to_owned(), *count))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_and_parts_are_not() {
        let counts = [("function", 2), ("identity_change", 7), ("dead", 1)];
        let counts = counts
            .map(|(table, count)| (table.to_owned(), count))
            .into();
        let expected = [("functions", 2), ("deadLetters", 1)];
        let expected = expected
            .map(|(kind, count)| (kind.to_owned(), count))
            .into();
        assert_eq!(of_tables(counts), expected);
    }
}
