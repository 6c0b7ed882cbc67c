//! `DescribeLogStreams`: the streams of a group, by name or by their latest event.

use kiln_store::{Page, StreamOrder, StreamQuery, StreamSummary};

use super::generated::{
    DescribeLogStreamsRequest as Input, DescribeLogStreamsResponse as Output, LogStream,
};
use super::group::{arn, invalid, limit, named, refusal};
use super::up_to_date;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let group = named(context, input.log_group_name, input.log_group_identifier)?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let query = StreamQuery {
        account: context.caller.account.clone(),
        group: group.clone(),
        prefix: input.log_stream_name_prefix.unwrap_or_default(),
        order: if by_time {
            StreamOrder::LastEvent
        } else {
            StreamOrder::Name
        },
        descending: input.descending.unwrap_or(false),
        page: Page {
            token: input.next_token,
            limit: limit(input.limit, 50),
        },
    };
    let found = up_to_date(context)
        .await?
        .streams(query)
        .await
        .map_err(refusal)?;
    let group_arn = arn(context, &group);
    let streams = found.items.iter().map(|stream| render(&group_arn, stream));
    Ok(Output {
        log_streams: Some(streams.collect()),
        next_token: found.next,
    })
}

/// `storedBytes` is always zero: AWS stopped counting bytes per stream in 2019.
fn render(group_arn: &str, stream: &StreamSummary) -> LogStream {
    LogStream {
        log_stream_name: Some(stream.name.clone()),
        creation_time: Some(stream.created.as_millis()),
        first_event_timestamp: Some(stream.first_event.as_millis()),
        last_event_timestamp: Some(stream.last_event.as_millis()),
        last_ingestion_time: Some(stream.last_ingestion.as_millis()),
        arn: Some(format!("{group_arn}:log-stream:{}", stream.name)),
        stored_bytes: Some(0),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    async fn names(fixture: &Fixture, input: Input) -> Vec<String> {
        let input = Input {
            log_group_name: Some("/g".into()),
            ..input
        };
        let output = handle(&fixture.context, input).await.unwrap();
        output
            .log_streams
            .unwrap()
            .into_iter()
            .filter_map(|s| s.log_stream_name)
            .collect()
    }

    #[tokio::test]
    async fn streams_are_ordered_by_name_or_latest_event() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "a", &["1", "2", "3"]);
        write(&fixture, "/g", "b", &["1"]);
        assert_eq!(names(&fixture, Input::default()).await, ["a", "b"]);
        let descending = Input {
            descending: Some(true),
            ..Default::default()
        };
        assert_eq!(names(&fixture, descending).await, ["b", "a"]);
        let latest = Input {
            order_by: Some("LastEventTime".into()),
            ..Default::default()
        };
        assert_eq!(names(&fixture, latest.clone()).await, ["b", "a"]);
        let prefix = Input {
            log_stream_name_prefix: Some("b".into()),
            ..Default::default()
        };
        assert_eq!(names(&fixture, prefix).await, ["b"]);
        let both = Input {
            log_group_name: Some("/g".into()),
            log_stream_name_prefix: Some("b".into()),
            ..latest
        };
        let refused = handle(&fixture.context, both).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameter);
    }

    #[tokio::test]
    async fn a_stream_is_shown_with_its_times() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "2026/11/23/[$LATEST]a", &["1", "2"]);
        let input = Input {
            log_group_name: Some("/g".into()),
            ..Default::default()
        };
        let output = handle(&fixture.context, input).await.unwrap();
        let stream = &output.log_streams.unwrap()[0];
        assert_eq!(stream.first_event_timestamp, Some(1_000));
        assert_eq!(stream.last_event_timestamp, Some(1_001));
        assert!(
            stream
                .arn
                .as_ref()
                .unwrap()
                .ends_with(":log-group:/g:log-stream:2026/11/23/[$LATEST]a")
        );
    }

    #[tokio::test]
    async fn an_unknown_group_is_not_found() {
        let fixture = Fixture::new().await;
        let input = Input {
            log_group_name: Some("/g".into()),
            ..Default::default()
        };
        let refused = handle(&fixture.context, input).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert_eq!(refused.message, "The specified log group does not exist.");
    }
}
