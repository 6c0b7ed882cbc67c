//! What matches in many streams of a group.

use kiln_store::{FilterQuery, Filtered, StreamSelection};
use kiln_types::Timestamp;

use crate::logs::{GROUP, record, stream};
use crate::sample::{Sample, account};

pub fn filter_of(streams: StreamSelection) -> FilterQuery {
    FilterQuery {
        account: account(),
        group: GROUP.to_owned(),
        streams,
        start: None,
        end: None,
        token: None,
        limit: 100,
    }
}

pub fn texts(filtered: &Filtered) -> Vec<&str> {
    filtered
        .events
        .iter()
        .map(|event| event.message.as_str())
        .collect()
}

/// Three streams whose events take turns: `a0 b1 c2 a3 b4 c5 …`.
pub async fn with_streams(count: i64) -> Sample {
    let sample = Sample::new();
    let streams = ["a", "b", "ca"].map(|name| stream(GROUP, name));
    let records = (0..count).map(|i| {
        let stream = &streams[i as usize % 3];
        record(stream, i, &format!("{}{i}", &stream.name[..1]))
    });
    sample.store.logs().append(records.collect());
    sample.store.logs().flush().await.unwrap();
    sample
}

#[tokio::test]
async fn a_filter_merges_the_streams_it_names() {
    let sample = with_streams(7).await;
    let select = async |streams| {
        let filtered = sample
            .store
            .logs()
            .filter(filter_of(streams), |_| true)
            .await
            .unwrap();
        assert_eq!(filtered.next, None);
        texts(&filtered).join(" ")
    };
    assert_eq!(select(StreamSelection::All).await, "a0 b1 c2 a3 b4 c5 a6");
    let named = StreamSelection::Named(vec!["b".to_owned(), "ca".to_owned()]);
    assert_eq!(select(named).await, "b1 c2 b4 c5");
    assert_eq!(
        select(StreamSelection::Prefix("c".to_owned())).await,
        "c2 c5"
    );
    assert_eq!(select(StreamSelection::Prefix("zzz".to_owned())).await, "");
}

#[tokio::test]
async fn a_filter_keeps_what_matches_within_times_that_are_both_included() {
    let sample = with_streams(9).await;
    let query = FilterQuery {
        start: Some(Timestamp::from_millis(1)),
        end: Some(Timestamp::from_millis(6)),
        ..filter_of(StreamSelection::All)
    };
    let matches = |message: &str| message.starts_with('a') || message.ends_with('5');
    let filtered = sample.store.logs().filter(query, matches).await.unwrap();
    assert_eq!(texts(&filtered), ["a3", "c5", "a6"]);
    assert_eq!(filtered.events[1].stream, "ca");
}

#[tokio::test]
async fn a_page_ends_after_a_bounded_number_of_bytes_read() {
    let sample = Sample::new();
    let long = "x".repeat(256 * 1024 - 26);
    let written = stream(GROUP, "a");
    for i in 0..200 {
        sample.store.logs().append(vec![record(&written, i, &long)]);
        sample.store.logs().flush().await.unwrap();
    }
    let mut query = filter_of(StreamSelection::All);
    let first = sample
        .store
        .logs()
        .filter(query.clone(), |_| false)
        .await
        .unwrap();
    assert!(first.events.is_empty() && first.next.is_some());
    query.token = first.next;
    let rest = sample.store.logs().filter(query, |_| false).await.unwrap();
    assert_eq!(rest.next, None);
}

#[tokio::test]
async fn filter_tokens_read_everything_once() {
    let sample = with_streams(6_000).await;
    let mut query = FilterQuery {
        limit: 700,
        ..filter_of(StreamSelection::All)
    };
    let mut seen = Vec::new();
    loop {
        let matches = |message: &str| message.starts_with('b');
        let page = sample
            .store
            .logs()
            .filter(query.clone(), matches)
            .await
            .unwrap();
        seen.extend(page.events.into_iter().map(|event| event.message));
        query.token = page.next;
        if query.token.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..2_000).map(|i| format!("b{}", i * 3 + 1)).collect();
    assert_eq!(seen, expected);
}
