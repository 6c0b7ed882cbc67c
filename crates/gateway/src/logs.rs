//! CloudWatch Logs, as far as clients need it to read what functions logged.

pub(crate) mod generated;

pub(crate) mod describe_log_groups;
pub(crate) mod describe_log_streams;
pub(crate) mod filter_log_events;
pub(crate) mod get_log_events;

pub(crate) mod filter;
mod group;

crate::wire::dispatch! {
    DescribeLogGroups => describe_log_groups::handle,
    DescribeLogStreams => describe_log_streams::handle,
    FilterLogEvents => filter_log_events::handle,
    GetLogEvents => get_log_events::handle,
}

/// Records for tests.
#[cfg(test)]
mod fixture {
    use std::sync::Arc;

    use kiln_types::Timestamp;
    use kiln_types::log::{LogRecord, LogStream};

    use crate::lambda::fixture::Fixture;

    /// Writes a message a millisecond into one stream, the first at 1,000 ms.
    pub(super) async fn write(fixture: &Fixture, group: &str, stream: &str, messages: &[&str]) {
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
        logs.flush().await.unwrap();
    }
}
