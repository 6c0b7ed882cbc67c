//! `GetLogEvents`: the events of one stream, in both directions.

use kiln_store::{EventQuery, LogEvent};
use kiln_types::Timestamp;

use super::generated::{
    GetLogEventsRequest as Input, GetLogEventsResponse as Output, OutputLogEvent,
};
use super::group::{limit, named, refusal};
use super::up_to_date;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let query = EventQuery {
        account: context.caller.account.clone(),
        group: named(context, input.log_group_name, input.log_group_identifier)?,
        stream: input.log_stream_name,
        start: input.start_time.map(Timestamp::from_millis),
        end: input.end_time.map(Timestamp::from_millis),
        token: input.next_token,
        from_head: input.start_from_head.unwrap_or(false),
        limit: limit(input.limit, 10_000),
    };
    let found = up_to_date(context)
        .await?
        .events(query)
        .await
        .map_err(refusal)?;
    Ok(Output {
        events: Some(found.events.into_iter().map(render).collect()),
        next_forward_token: Some(found.forward),
        next_backward_token: Some(found.backward),
    })
}

fn render(event: LogEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(event.time.as_millis()),
        message: Some(event.message),
        ingestion_time: Some(event.ingested.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    fn get() -> Input {
        Input {
            log_group_name: Some("/g".into()),
            log_stream_name: "s".into(),
            start_from_head: Some(true),
            ..Default::default()
        }
    }

    fn messages(output: &Output) -> Vec<&str> {
        output
            .events
            .iter()
            .flatten()
            .filter_map(|event| event.message.as_deref())
            .collect()
    }

    #[tokio::test]
    async fn events_are_paged_until_the_token_repeats() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["a", "b", "c"]);
        let first = Input {
            limit: Some(2),
            ..get()
        };
        let first = handle(&fixture.context, first).await.unwrap();
        assert_eq!(messages(&first), ["a", "b"]);
        let rest = Input {
            next_token: first.next_forward_token,
            ..get()
        };
        let rest = handle(&fixture.context, rest).await.unwrap();
        assert_eq!(messages(&rest), ["c"]);
        let end = Input {
            next_token: rest.next_forward_token.clone(),
            ..get()
        };
        let end = handle(&fixture.context, end).await.unwrap();
        assert!(messages(&end).is_empty());
        assert_eq!(end.next_forward_token, rest.next_forward_token);
    }

    #[tokio::test]
    async fn the_latest_events_come_first_unless_asked_otherwise() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["a", "b", "c"]);
        let latest = Input {
            limit: Some(2),
            start_from_head: None,
            ..get()
        };
        let output = handle(&fixture.context, latest).await.unwrap();
        assert_eq!(messages(&output), ["b", "c"]);
        let between = Input {
            start_time: Some(1_001),
            end_time: Some(1_002),
            ..get()
        };
        assert_eq!(
            messages(&handle(&fixture.context, between).await.unwrap()),
            ["b"]
        );
    }

    #[tokio::test]
    async fn an_unknown_stream_is_not_found() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "other", &["a"]);
        let refused = handle(&fixture.context, get()).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert_eq!(refused.message, "The specified log stream does not exist.");
    }
}
