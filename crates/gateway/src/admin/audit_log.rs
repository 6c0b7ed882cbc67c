//! `/_kiln/audit`: what was changed and what was refused, and whether all of it is still there.

use kiln_store::audit::{AuditQuery, Head};
use kiln_types::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::parameter;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// Records of a page, at most and unless told.
const PAGE_MAX: u32 = 1_000;
const PAGE: u32 = 100;

/// A page of records, the latest first.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    records: Vec<Record>,
    /// What `before` must be for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Record {
    number: i64,
    hash: String,
    record: Box<RawValue>,
}

/// What came of reading the whole chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verified {
    is_intact: bool,
    /// The last record, to be noted and given next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// Where it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

/// `GET /_kiln/audit`.
pub(super) async fn list(context: &Context, query: &str) -> Result<Listed> {
    let time = |name: &str, default: Timestamp| -> Result<Timestamp> {
        let read = number::<i64>(query, name)?;
        Ok(read.map_or(default, Timestamp::from_millis))
    };
    let count_max = number::<u32>(query, "limit")?.unwrap_or(PAGE).min(PAGE_MAX);
    let query = AuditQuery {
        account: context.caller.account.clone(),
        before: number::<i64>(query, "before")?,
        since: time("since", Timestamp::from_millis(0))?,
        until: time("until", Timestamp::from_millis(i64::MAX))?,
        count_max,
    };
    let found = context.deps.store.audit().list(query).await?;
    let is_full = found.len() == count_max as usize;
    let next = found.last().filter(|_| is_full).map(|last| last.number);
    let records = found.into_iter().map(|found| {
        let record = RawValue::from_string(found.record).map_err(|_| ApiError::internal())?;
        Ok(Record {
            number: found.number,
            hash: found.hash.to_string(),
            record,
        })
    });
    Ok(Listed {
        records: records.collect::<Result<_>>()?,
        next,
    })
}

/// `GET /_kiln/audit/verify`.
pub(super) async fn verify(context: &Context, query: &str) -> Result<Verified> {
    let known: Option<Head> = match parameter(query, "head") {
        Some(text) => Some(text.parse().map_err(invalid)?),
        None => None,
    };
    Ok(match context.deps.store.audit().verify(known).await? {
        Ok(head) => Verified {
            is_intact: true,
            head: Some(head.to_string()),
            broken: None,
        },
        Err(broken) => Verified {
            is_intact: false,
            head: None,
            broken: Some(broken.to_string()),
        },
    })
}

fn number<N: std::str::FromStr>(query: &str, name: &str) -> Result<Option<N>> {
    let text = parameter(query, name);
    let read = text.map(|text| {
        text.parse()
            .map_err(|_| invalid(format!("{name} must be a number, not '{text}'")))
    });
    read.transpose()
}

fn invalid(message: String) -> ApiError {
    ApiError::new(Exception::InvalidParameterValue, format!("{message}."))
}
