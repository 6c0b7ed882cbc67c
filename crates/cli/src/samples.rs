//! Events as each source sends them, to try a function with: `kiln invoke NAME --event sample:s3-put`.

use anyhow::{Result, bail};

/// What stands before a sample's name where a file's could be.
const PREFIX: &str = "sample:";

macro_rules! samples {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("samples/", $name, ".json")))),+]
    };
}

/// Names and events.
const SAMPLES: &[(&str, &str)] = samples![
    "url",
    "http-api",
    "http-api-v1",
    "schedule",
    "scheduled-rule",
    "event",
    "s3-put",
    "s3-delete",
    "sqs",
    "sqs-fifo",
    "sns",
    "postgresql-insert",
    "postgresql-update",
    "postgresql-delete",
    "mariadb-insert",
    "mariadb-update",
    "mariadb-delete",
    "redis",
    "nats",
    "mqtt",
    "rabbitmq",
    "kafka",
];

/// The sample that is meant by a text which could name a file; none where it is not one's name.
pub(crate) fn find(text: &str) -> Result<Option<&'static str>> {
    let Some(name) = text.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    let found = SAMPLES.iter().find(|(known, _)| *known == name);
    match found {
        Some((_, event)) => Ok(Some(event)),
        None => bail!(
            "there is no sample event '{name}'\n  next: use one of {}",
            names()
        ),
    }
}

/// All names.
fn names() -> String {
    let names: Vec<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_sample_is_an_event_and_every_file_is_a_sample() {
        for (name, event) in SAMPLES {
            let event: Value = serde_json::from_str(event).unwrap();
            assert!(event.is_object(), "{name}");
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/samples"));
        assert_eq!(files.unwrap().count(), SAMPLES.len());
    }

    #[test]
    fn a_sample_is_found_by_its_name_and_a_file_is_none() {
        let event = find("sample:s3-put").unwrap().unwrap();
        assert!(event.contains("ObjectCreated:Put"));
        assert_eq!(find("s3-put").unwrap(), None);
        let refused = find("sample:kinesis").unwrap_err().to_string();
        assert!(refused.contains("rabbitmq"), "{refused}");
    }
}
