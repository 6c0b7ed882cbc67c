//! `FilterLogEvents`: the events of a group's streams that match a filter pattern.

use kiln_store::{FilterQuery, LogEvent, StreamSelection};
use kiln_types::Timestamp;

use super::filter::Filter;
use super::generated::{
    FilterLogEventsRequest as Input, FilterLogEventsResponse as Output, FilteredLogEvent,
};
use super::group::{invalid, limit, named, refusal};
use super::up_to_date;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let streams = match (input.log_stream_names, input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
            ));
        }
        (Some(names), None) => StreamSelection::Named(names),
        (None, Some(prefix)) => StreamSelection::Prefix(prefix),
        (None, None) => StreamSelection::All,
    };
    let pattern = input.filter_pattern.unwrap_or_default();
    let filter: Filter = pattern
        .parse()
        .map_err(|error: super::filter::InvalidFilter| invalid(error.to_string()))?;
    let query = FilterQuery {
        account: context.caller.account.clone(),
        group: named(context, input.log_group_name, input.log_group_identifier)?,
        streams,
        start: input.start_time.map(Timestamp::from_millis),
        end: input.end_time.map(Timestamp::from_millis),
        token: input.next_token,
        limit: limit(input.limit, 10_000),
    };
    let matches = move |message: &str| filter.matches(message);
    let found = up_to_date(context)
        .await?
        .filter(query, matches)
        .await
        .map_err(refusal)?;
    Ok(Output {
        events: Some(found.events.into_iter().map(render).collect()),
        // AWS has returned none since 2019.
        searched_log_streams: Some(Vec::new()),
        next_token: found.next,
    })
}

fn render(event: LogEvent) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: Some(event.stream),
        timestamp: Some(event.time.as_millis()),
        message: Some(event.message),
        ingestion_time: Some(event.ingested.as_millis()),
        event_id: Some(event.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    fn filter(pattern: &str) -> Input {
        Input {
            log_group_name: Some("/g".into()),
            filter_pattern: Some(pattern.into()),
            ..Default::default()
        }
    }

    async fn messages(fixture: &Fixture, input: Input) -> Vec<String> {
        let output = handle(&fixture.context, input).await.unwrap();
        output
            .events
            .unwrap()
            .into_iter()
            .filter_map(|event| event.message)
            .collect()
    }

    #[tokio::test]
    async fn matching_events_of_all_streams_are_found() {
        let fixture = Fixture::new().await;
        write(
            &fixture,
            "/g",
            "a",
            &["ERROR one", "fine", r#"{"level":"ERROR"}"#],
        );
        write(&fixture, "/g", "b", &["ERROR two"]);
        // Both are of one millisecond, in which streams have no order.
        let mut found = messages(&fixture, filter("ERROR -level")).await;
        found.sort();
        assert_eq!(found, ["ERROR one", "ERROR two"]);
        let json = filter(r#"{ $.level = "ERROR" }"#);
        assert_eq!(messages(&fixture, json).await, [r#"{"level":"ERROR"}"#]);
        assert_eq!(messages(&fixture, filter("")).await.len(), 4);
        let named = Input {
            log_stream_names: Some(vec!["b".into()]),
            ..filter("ERROR")
        };
        assert_eq!(messages(&fixture, named).await, ["ERROR two"]);
        let prefix = Input {
            log_stream_name_prefix: Some("a".into()),
            ..filter("one")
        };
        assert_eq!(messages(&fixture, prefix).await, ["ERROR one"]);
    }

    #[tokio::test]
    async fn events_have_their_stream_and_an_id_of_their_own() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "a", &["x", "x"]);
        let events = handle(&fixture.context, filter("x"))
            .await
            .unwrap()
            .events
            .unwrap();
        assert_eq!(events[0].log_stream_name.as_deref(), Some("a"));
        assert_ne!(events[0].event_id, events[1].event_id);
    }

    #[tokio::test]
    async fn pages_follow_each_other() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "a", &["x1", "y", "x2", "x3"]);
        let first = Input {
            limit: Some(2),
            ..filter("%^x%")
        };
        let first = handle(&fixture.context, first).await.unwrap();
        assert_eq!(first.events.as_ref().unwrap().len(), 2);
        let rest = Input {
            next_token: first.next_token,
            ..filter("%^x%")
        };
        assert_eq!(messages(&fixture, rest).await, ["x3"]);
    }

    #[tokio::test]
    async fn bad_patterns_and_selections_are_refused() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "a", &["x"]);
        let both = Input {
            log_stream_names: Some(vec!["a".into()]),
            log_stream_name_prefix: Some("a".into()),
            ..filter("")
        };
        for input in [filter("[ip, user]"), filter("{ $.a }"), both] {
            let refused = handle(&fixture.context, input).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameter);
        }
        let missing = Input {
            log_group_name: Some("/h".into()),
            ..filter("")
        };
        let refused = handle(&fixture.context, missing).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
