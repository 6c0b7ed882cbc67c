//! Operations on how asynchronous events of a version or an alias are handled.
//!
//! AWS differs: destinations are functions, standard queues and topics, buses and buckets of the same account and region
//! only. A bucket is told of failures only, as on AWS.

use kiln_types::units::{EventAgeSecs, Retries};
use kiln_types::{Destination, EventInvokeConfig, Function, FunctionArn, Qualifier, Version};

use super::destination;
use super::generated as wire;
use super::refusal::{invalid, not_found};
use super::target::Target;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::wire::seconds;

pub(crate) mod delete_function_event_invoke_config;
pub(crate) mod get_function_event_invoke_config;
pub(crate) mod list_function_event_invoke_configs;
pub(crate) mod put_function_event_invoke_config;
pub(crate) mod update_function_event_invoke_config;

/// The version or alias that is meant: `$LATEST` unless told.
struct Meant {
    target: Target,
    qualifier: String,
}

impl Meant {
    fn read(context: &Context, name: &str, qualifier: Option<&str>) -> Result<Self> {
        let target = Target::read(context, name, qualifier)?;
        let qualifier = target.qualifier.clone();
        Ok(Self {
            qualifier: qualifier.unwrap_or_else(|| Version::Latest.to_string()),
            target,
        })
    }

    /// The key it is kept under, if the function has such a version or alias.
    fn key(&self, function: &Function) -> Option<Qualifier> {
        let qualifier: Qualifier = self.qualifier.parse().ok()?;
        let version = function.version_of(Some(&qualifier))?;
        function.version(version).map(|_| qualifier)
    }

    fn no_config(&self) -> ApiError {
        let (arn, qualifier) = (&self.target.arn, &self.qualifier);
        not_found(format!(
            "The function {arn}:{qualifier} doesn't have an EventInvokeConfig"
        ))
    }
}

/// What is to be changed; none leaves a setting as it is.
struct Change {
    retries: Option<Retries>,
    age_max: Option<EventAgeSecs>,
    /// None inside takes a destination away.
    on_success: Option<Option<Destination>>,
    on_failure: Option<Option<Destination>>,
}

impl Change {
    fn read(
        context: &Context,
        target: &Target,
        retries: Option<i64>,
        age_max: Option<i64>,
        destinations: Option<wire::DestinationConfig>,
    ) -> Result<Self> {
        if retries.is_none() && age_max.is_none() && destinations.is_none() {
            return Err(invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        let destinations = destinations.unwrap_or_default();
        check_services(&destinations)?;
        let read = |arn: Option<String>| {
            let read = |arn: String| read_destination(context, target, &arn);
            arn.map(read).transpose()
        };
        // The service model has checked both ranges.
        let number = |number: i64| u64::try_from(number).ok();
        Ok(Self {
            retries: retries.and_then(number).and_then(|n| Retries::new(n).ok()),
            age_max: age_max
                .and_then(number)
                .and_then(|n| EventAgeSecs::new(n).ok()),
            on_success: read(destinations.on_success.and_then(|to| to.destination))?,
            on_failure: read(destinations.on_failure.and_then(|to| to.destination))?,
        })
    }

    fn apply(self, to: &mut EventInvokeConfig) {
        to.retries = self.retries.or(to.retries);
        to.age_max = self.age_max.or(to.age_max);
        if let Some(on_success) = self.on_success {
            to.on_success = on_success;
        }
        if let Some(on_failure) = self.on_failure {
            to.on_failure = on_failure;
        }
    }
}

/// The services that AWS delivers to.
const SERVICES: [&str; 5] = ["lambda", "sqs", "sns", "events", "s3"];

/// Refuses destinations of services that are none, and buckets that are to be told of successes, in AWS's words.
fn check_services(config: &wire::DestinationConfig) -> Result<()> {
    let on_success = config.on_success.as_ref();
    let on_success = on_success.and_then(|to| to.destination.as_deref());
    let on_failure = config.on_failure.as_ref();
    let on_failure = on_failure.and_then(|to| to.destination.as_deref());
    let is_none = |text: &&str| !text.is_empty() && !SERVICES.contains(&service(text));
    let is_bucket = |text: &&str| service(text) == "s3";
    let is_wrong = [on_success, on_failure].iter().flatten().any(is_none);
    if !is_wrong && !on_success.as_ref().is_some_and(is_bucket) {
        return Ok(());
    }
    let shown = |name: &str, to: Option<&str>| match to {
        Some(to) => format!("{name}(destination={to})"),
        None => "null".to_owned(),
    };
    Err(invalid(format!(
        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
        shown("OnSuccess", on_success),
        shown("OnFailure", on_failure)
    )))
}

fn service(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or(arn)
}

/// Reads a destination; an empty text is none.
fn read_destination(context: &Context, target: &Target, text: &str) -> Result<Option<Destination>> {
    if text.is_empty() {
        return Ok(None);
    }
    destination::read(context, &target.arn, text).map(Some)
}

/// As the API shows it.
fn shown(
    arn: &FunctionArn,
    qualifier: &Qualifier,
    config: &EventInvokeConfig,
) -> wire::FunctionEventInvokeConfig {
    let text = |to: &Option<Destination>| to.as_ref().map(ToString::to_string);
    wire::FunctionEventInvokeConfig {
        last_modified: Some(seconds(config.modified)),
        function_arn: Some(arn.clone().qualified(Some(qualifier.clone())).to_string()),
        maximum_retry_attempts: config.retries.map(|retries| retries.get().into()),
        maximum_event_age_in_seconds: config.age_max.map(|age| age.get().into()),
        destination_config: Some(wire::DestinationConfig {
            on_success: Some(wire::OnSuccess {
                destination: text(&config.on_success),
            }),
            on_failure: Some(wire::OnFailure {
                destination: text(&config.on_failure),
            }),
        }),
    }
}

#[cfg(test)]
mod tests;
