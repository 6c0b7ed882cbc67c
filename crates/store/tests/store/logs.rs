//! Logs: what was appended is found in order, page by page, both ways.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::{EventQuery, Events, FilterQuery, LogError, Page, StreamOrder, StreamSelection};
use kiln_types::Timestamp;
use kiln_types::log::{LogRecord, LogStream};

use crate::log_filter::filter_of;
use crate::log_groups::{first_page, streams_of};
use crate::sample::{Sample, account};

pub const GROUP: &str = "/aws/lambda/sum";

pub fn stream(group: &str, name: &str) -> Arc<LogStream> {
    Arc::new(LogStream {
        account: account(),
        group: group.to_owned(),
        name: name.to_owned(),
    })
}

pub fn record(stream: &Arc<LogStream>, ms: i64, message: &str) -> LogRecord {
    let time = Timestamp::from_millis(ms);
    LogRecord {
        stream: stream.clone(),
        time,
        message: message.to_owned(),
    }
}

fn events_of(stream: &str) -> EventQuery {
    EventQuery {
        account: account(),
        group: GROUP.to_owned(),
        stream: stream.to_owned(),
        start: None,
        end: None,
        token: None,
        from_head: true,
        limit: 100,
    }
}

fn messages(events: &Events) -> Vec<&str> {
    events
        .events
        .iter()
        .map(|event| event.message.as_str())
        .collect()
}

/// A stream with the events `0`, `1`, … at these times.
async fn with_events(times: &[i64]) -> Sample {
    let sample = Sample::new();
    let one = stream(GROUP, "one");
    let records = times
        .iter()
        .enumerate()
        .map(|(i, ms)| record(&one, *ms, &i.to_string()));
    sample.store.logs().append(records.collect());
    sample.store.logs().flush().await.unwrap();
    sample
}

#[tokio::test]
async fn events_are_in_order_of_time_and_equal_times_as_they_came() {
    let sample = with_events(&[30, 10, 20, 10, 20]).await;
    let events = sample.store.logs().events(events_of("one")).await.unwrap();
    assert_eq!(messages(&events), ["1", "3", "2", "4", "0"]);
    assert!(events.events.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(events.events[0].ingested.as_millis(), 1_000_000_000);
    let sample = sample.reopened().await;
    assert_eq!(
        sample.store.logs().events(events_of("one")).await.unwrap(),
        events
    );
    assert_eq!(sample.store.logs().dropped(), 0);
}

#[tokio::test]
async fn forward_tokens_read_everything_once_and_then_repeat() {
    let sample = with_events(&[1, 1, 1, 2, 3, 3, 4]).await;
    let mut query = EventQuery {
        limit: 2,
        ..events_of("one")
    };
    let mut seen = Vec::new();
    loop {
        let page = sample.store.logs().events(query.clone()).await.unwrap();
        seen.extend(messages(&page).into_iter().map(str::to_owned));
        if query.token.as_ref() == Some(&page.forward) {
            break;
        }
        assert!(page.events.len() <= 2);
        query.token = Some(page.forward);
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    let late = stream(GROUP, "one");
    sample.store.logs().append(vec![record(&late, 4, "7")]);
    sample.store.logs().flush().await.unwrap();
    let page = sample.store.logs().events(query).await.unwrap();
    assert_eq!(messages(&page), ["7"]);
}

#[tokio::test]
async fn backward_tokens_read_everything_once_and_then_repeat() {
    let sample = with_events(&[1, 1, 1, 2, 3, 3, 4]).await;
    let mut query = EventQuery {
        limit: 3,
        from_head: false,
        ..events_of("one")
    };
    let mut pages = Vec::new();
    loop {
        let page = sample.store.logs().events(query.clone()).await.unwrap();
        if query.token.as_ref() == Some(&page.backward) {
            break;
        }
        pages.push(messages(&page).join(""));
        query.token = Some(page.backward);
    }
    assert_eq!(pages, ["456", "123", "0"]);
}

#[tokio::test]
async fn one_can_turn_round_at_both_ends() {
    let sample = with_events(&[1, 2, 3]).await;
    let logs = sample.store.logs();
    let page = logs.events(events_of("one")).await.unwrap();
    let with = |token: &str| EventQuery {
        token: Some(token.to_owned()),
        ..events_of("one")
    };
    let end = logs.events(with(&page.forward)).await.unwrap();
    assert!(end.events.is_empty());
    let back = logs.events(with(&end.backward)).await.unwrap();
    assert_eq!(messages(&back), ["0", "1", "2"]);
    let beginning = logs.events(with(&page.backward)).await.unwrap();
    assert!(beginning.events.is_empty());
    let forth = logs.events(with(&beginning.forward)).await.unwrap();
    assert_eq!(messages(&forth), ["0", "1", "2"]);
}

#[tokio::test]
async fn start_is_included_and_end_is_not() {
    let sample = with_events(&[1, 2, 3, 4]).await;
    let query = EventQuery {
        start: Some(Timestamp::from_millis(2)),
        end: Some(Timestamp::from_millis(4)),
        ..events_of("one")
    };
    for from_head in [true, false] {
        let query = EventQuery {
            from_head,
            ..query.clone()
        };
        assert_eq!(
            messages(&sample.store.logs().events(query).await.unwrap()),
            ["1", "2"]
        );
    }
}

#[tokio::test]
async fn a_page_of_events_has_a_mebibyte_at_most() {
    let sample = Sample::new();
    let one = stream(GROUP, "one");
    let large = "x".repeat(400 * 1024);
    sample
        .store
        .logs()
        .append((0..5).map(|i| record(&one, i, &large)).collect());
    sample.store.logs().flush().await.unwrap();
    let page = sample.store.logs().events(events_of("one")).await.unwrap();
    assert_eq!(page.events.len(), 2);
    let all = filter_of(StreamSelection::All);
    let filtered = sample
        .store
        .logs()
        .filter(all.clone(), |_| true)
        .await
        .unwrap();
    assert_eq!(filtered.events.len(), 2);
    let next = FilterQuery {
        token: filtered.next,
        ..all
    };
    let filtered = sample.store.logs().filter(next, |_| true).await.unwrap();
    assert_eq!(filtered.events[0].time.as_millis(), 2);
}

#[tokio::test]
async fn foreign_tokens_and_unknown_names_are_told_apart() {
    let sample = with_events(&[1]).await;
    let logs = sample.store.logs();
    for token in [
        "",
        "f/1/s",
        "x",
        "f//s",
        "f/99999999999999999999999999999999999999999999999999999999/s",
    ] {
        let query = EventQuery {
            token: Some(token.to_owned()),
            ..events_of("one")
        };
        let refused = logs.events(query).await;
        assert!(
            matches!(refused, Err(LogError::BadToken)),
            "{token}: {refused:?}"
        );
    }
    let refused = logs.events(events_of("none")).await;
    assert!(matches!(refused, Err(LogError::NoSuchStream(name)) if name == "none"));
    let elsewhere = EventQuery {
        group: "/none".to_owned(),
        ..events_of("one")
    };
    assert!(matches!(
        logs.events(elsewhere).await,
        Err(LogError::NoSuchGroup(_))
    ));
    let foreign = EventQuery {
        account: "123456789012".parse().unwrap(),
        ..events_of("one")
    };
    assert!(matches!(
        logs.events(foreign).await,
        Err(LogError::NoSuchGroup(_))
    ));
    let named = filter_of(StreamSelection::Named(vec!["none".to_owned()]));
    let refused = logs.filter(named, |_| true).await;
    assert!(matches!(refused, Err(LogError::NoSuchStream(_))));
    let page = Page {
        token: Some("!".to_owned()),
        limit: 1,
    };
    let refused = logs
        .streams(streams_of(StreamOrder::Name, false, page))
        .await;
    assert!(matches!(refused, Err(LogError::BadToken)));
}

#[tokio::test]
async fn more_than_the_queue_holds_is_dropped_and_counted() {
    let sample = Sample::new();
    let one = stream(GROUP, "one");
    let large = "x".repeat(1 << 20);
    let records = (0..40).map(|i| record(&one, i, &large)).collect();
    sample.store.logs().append(records);
    sample.store.logs().flush().await.unwrap();
    assert_eq!(sample.store.logs().dropped(), 9);
    let page = streams_of(StreamOrder::Name, false, first_page(9));
    let page = sample.store.logs().streams(page).await.unwrap();
    assert_eq!(page.items[0].last_event.as_millis(), 30);
}

#[tokio::test]
async fn records_that_nobody_flushes_appear_by_themselves() {
    let sample = Sample::new();
    sample
        .store
        .logs()
        .append(vec![record(&stream(GROUP, "one"), 1, "hello")]);
    for _ in 0..500 {
        if let Ok(events) = sample.store.logs().events(events_of("one")).await {
            assert_eq!(messages(&events), ["hello"]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the record did not appear within five seconds");
}
