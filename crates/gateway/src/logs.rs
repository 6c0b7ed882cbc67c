//! CloudWatch Logs, as far as clients need it to read what functions logged, and to say how long it
//! is kept and what of it is masked.

pub(crate) mod generated;

pub(crate) mod create_log_group;
pub(crate) mod delete_data_protection_policy;
pub(crate) mod delete_log_group;
pub(crate) mod delete_retention_policy;
pub(crate) mod describe_log_groups;
pub(crate) mod describe_log_streams;
pub(crate) mod filter_log_events;
pub(crate) mod get_data_protection_policy;
pub(crate) mod get_log_events;
pub(crate) mod put_data_protection_policy;
pub(crate) mod put_retention_policy;

pub(crate) mod filter;
mod group;
mod needs;

use kiln_store::Logs;

use crate::context::Context;
use crate::error::Result;

crate::wire::dispatch! {
    CreateLogGroup => create_log_group::handle,
    DeleteDataProtectionPolicy => delete_data_protection_policy::handle,
    DeleteLogGroup => delete_log_group::handle,
    DeleteRetentionPolicy => delete_retention_policy::handle,
    DescribeLogGroups => describe_log_groups::handle,
    DescribeLogStreams => describe_log_streams::handle,
    FilterLogEvents => filter_log_events::handle,
    GetDataProtectionPolicy => get_data_protection_policy::handle,
    GetLogEvents => get_log_events::handle,
    PutDataProtectionPolicy => put_data_protection_policy::handle,
    PutRetentionPolicy => put_retention_policy::handle,
}

/// The logs down to what was appended a moment ago: who invokes a function and then looks for what
/// it said must find it.
async fn up_to_date(context: &Context) -> Result<&Logs> {
    let logs = context.deps.store.logs();
    logs.flush().await?;
    Ok(logs)
}

/// Records for tests.
#[cfg(test)]
mod fixture {
    use std::sync::Arc;

    use kiln_types::Timestamp;
    use kiln_types::log::{LogRecord, LogStream};

    use crate::lambda::fixture::Fixture;

    /// Appends a message a millisecond to one stream, the first at 1,000 ms, as an instance does:
    /// without waiting until they are written.
    pub(super) fn write(fixture: &Fixture, group: &str, stream: &str, messages: &[&str]) {
        let stream = Arc::new(LogStream {
            account: fixture.context.caller.account.clone(),
            group: group.into(),
            name: stream.into(),
        });
        let record = |(index, message): (usize, &&str)| LogRecord {
            stream: stream.clone(),
            time: Timestamp::from_millis(1_000 + index as i64),
            message: (*message).into(),
        };
        let logs = fixture.context.deps.store.logs();
        logs.append(messages.iter().enumerate().map(record).collect());
    }
}
