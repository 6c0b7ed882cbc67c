//! How a bus is named and shown.

use std::collections::BTreeMap;

use kiln_types::{Bus, BusArn, BusId, BusName};
use serde_json::{Value, json};

use super::generated as wire;
use super::refusal::{invalid, no_bus};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::page;

/// What `kept` has of a bus's settings.
const KEY: &str = "KmsKeyIdentifier";
const DEAD_LETTERS: &str = "DeadLetterConfig";
const LOGGING: &str = "LogConfig";

/// Entries of a page, at most (service model, `LimitMax100`).
const PAGE_MAX: usize = 100;

/// The bus that a caller names, by name or ARN; the default one when none is named.
pub(super) fn named(context: &Context, name: Option<&str>) -> Result<BusId> {
    let account = context.caller.account.clone();
    let Some(text) = name else {
        return Ok(BusId::default_of(account));
    };
    if !text.starts_with("arn:") {
        let name = text
            .parse()
            .map_err(|_| invalid(format!("Parameter EventBusName is not valid: {text}.")))?;
        return Ok(BusId { account, name });
    }
    let arn: BusArn = text.parse().map_err(|_| {
        invalid(format!(
            "Parameter {text} is not valid. Reason: Provided Arn is not in correct format."
        ))
    })?;
    if arn.bus.account != account || arn.region != context.config.region {
        // Whether others have such a bus is not told.
        return Err(no_bus(&arn.bus.name));
    }
    Ok(arn.bus)
}

/// A new bus's name.
pub(super) fn new_name(text: &str) -> Result<BusName> {
    let wrong = |why: &str| invalid(format!("Parameter Name is not valid. Reason: {why}."));
    if text.contains('/') {
        // It would be a partner's.
        return Err(wrong(
            "a name with a slash is that of a partner event source",
        ));
    }
    text.parse().map_err(|_| wrong("it is no name of a bus"))
}

/// What is kept of a bus's settings, and given back.
pub(super) fn kept(
    key: Option<String>,
    dead_letters: Option<wire::DeadLetterConfig>,
    logging: Option<wire::LogConfig>,
) -> BTreeMap<String, Value> {
    let dead_letters = dead_letters.and_then(|config| config.arn);
    let logging = logging.map(|config| {
        let wire::LogConfig {
            include_detail,
            level,
        } = config;
        json!({"IncludeDetail": include_detail, "Level": level})
    });
    let all = [
        (KEY, key.map(Value::from)),
        (DEAD_LETTERS, dead_letters.map(Value::from)),
        (LOGGING, logging),
    ];
    let given = all.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

pub(super) fn key(bus: &Bus) -> Option<String> {
    Some(bus.kept.get(KEY)?.as_str()?.to_owned())
}

pub(super) fn dead_letters(bus: &Bus) -> Option<wire::DeadLetterConfig> {
    let arn = bus.kept.get(DEAD_LETTERS)?.as_str()?.to_owned();
    Some(wire::DeadLetterConfig { arn: Some(arn) })
}

pub(super) fn logging(bus: &Bus) -> Option<wire::LogConfig> {
    let kept = bus.kept.get(LOGGING)?;
    let text = |name: &str| kept[name].as_str().map(str::to_owned);
    Some(wire::LogConfig {
        include_detail: text("IncludeDetail"),
        level: text("Level"),
    })
}

/// Its resource policy as a document, if it has one.
pub(crate) fn policy(bus: &Bus) -> Option<String> {
    let document = json!({"Version": "2012-10-17", "Statement": bus.policy});
    (!bus.policy.is_empty()).then(|| document.to_string())
}

/// Cuts a page out of a list that is ordered by `key`.
pub(super) fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> &str,
    token: Option<&str>,
    limit: Option<i64>,
) -> Result<page::Page<T>> {
    let wrong = |_| {
        let message = "NextToken is not valid: pass on that of the page before, or none.";
        ApiError::new(Exception::Validation, message)
    };
    page::page(items, key, token, page::size(limit, PAGE_MAX)).map_err(wrong)
}
