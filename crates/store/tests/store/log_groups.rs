//! Log groups and streams: listed page by page, and forgotten when they should be.

use kiln_store::{LogError, Page, StreamOrder, StreamQuery, StreamSelection};
use kiln_types::Timestamp;

use crate::log_filter::{filter_of, texts, with_streams};
use crate::logs::{GROUP, record, stream};
use crate::sample::{Sample, account};

pub fn first_page(limit: usize) -> Page {
    Page { token: None, limit }
}

pub fn streams_of(order: StreamOrder, descending: bool, page: Page) -> StreamQuery {
    StreamQuery {
        account: account(),
        group: GROUP.to_owned(),
        prefix: String::new(),
        order,
        descending,
        page,
    }
}

#[tokio::test]
async fn groups_are_listed_by_name_prefix_and_page() {
    let sample = Sample::new();
    let logs = sample.store.logs();
    for name in ["/b", "/a", "/ab", "/ac", "x"] {
        logs.append(vec![record(&stream(name, "s"), 5, "four")]);
    }
    logs.flush().await.unwrap();
    assert!(logs.create_group(&account(), "/empty").await.unwrap());
    assert!(!logs.create_group(&account(), "/a").await.unwrap());
    let page = logs.groups(&account(), "/a", first_page(2)).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["/a", "/ab"]);
    assert_eq!(page.items[0].stored_bytes, 30);
    assert_eq!(page.items[0].created.as_millis(), 1_000_000_000);
    let page = logs
        .groups(
            &account(),
            "/a",
            Page {
                token: page.next,
                limit: 2,
            },
        )
        .await
        .unwrap();
    assert_eq!((page.items[0].name.as_str(), page.next), ("/ac", None));
    assert_eq!(
        logs.groups(&account(), "", first_page(50))
            .await
            .unwrap()
            .items
            .len(),
        6
    );
    let foreign = "123456789012".parse().unwrap();
    assert!(
        logs.groups(&foreign, "", first_page(50))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn streams_are_listed_in_both_orders_and_directions_page_by_page() {
    let sample = Sample::new();
    let logs = sample.store.logs();
    for (name, ms) in [("b", 10), ("a", 20), ("d", 10), ("c", 5)] {
        logs.append(vec![record(&stream(GROUP, name), ms, "first")]);
        // Written apart, so that the second must find and widen what the first made.
        logs.flush().await.unwrap();
        logs.append(vec![record(&stream(GROUP, name), ms - 1, "second")]);
    }
    logs.flush().await.unwrap();
    for (order, descending, expected) in [
        (StreamOrder::Name, false, "abcd"),
        (StreamOrder::Name, true, "dcba"),
        (StreamOrder::LastEvent, false, "cbda"),
        (StreamOrder::LastEvent, true, "adbc"),
    ] {
        let (mut seen, mut token) = (String::new(), None);
        loop {
            let page = Page { token, limit: 1 };
            let page = logs
                .streams(streams_of(order, descending, page))
                .await
                .unwrap();
            seen.extend(page.items.iter().map(|stream| stream.name.clone()));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{order:?} {descending}");
    }
    let query = StreamQuery {
        prefix: "a".to_owned(),
        ..streams_of(StreamOrder::Name, false, first_page(9))
    };
    let page = logs.streams(query).await.unwrap();
    let [a] = page.items.as_slice() else {
        panic!("one stream: {page:?}")
    };
    let times = [a.first_event, a.last_event, a.created, a.last_ingestion];
    assert_eq!(
        times.map(Timestamp::as_millis),
        [19, 20, 1_000_000_000, 1_000_000_000]
    );
    assert_eq!(a.stored_bytes, 5 + 6 + 2 * 26);
}

#[tokio::test]
async fn a_deleted_group_is_gone_and_can_come_again() {
    let sample = with_streams(9).await;
    let logs = sample.store.logs();
    logs.append(vec![record(&stream("/other", "a"), 1, "stays")]);
    logs.delete_group(&account(), GROUP).await.unwrap();
    let again = logs.delete_group(&account(), GROUP).await;
    assert!(matches!(again, Err(LogError::NoSuchGroup(_))));
    logs.append(vec![record(&stream(GROUP, "a"), 100, "new")]);
    logs.flush().await.unwrap();
    let filtered = logs
        .filter(filter_of(StreamSelection::All), |_| true)
        .await
        .unwrap();
    assert_eq!(texts(&filtered), ["new"]);
    assert_eq!(
        logs.groups(&account(), "", first_page(9))
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

#[tokio::test]
async fn events_expire_after_the_days_of_their_group() {
    const DAY_MS: i64 = 86_400_000;
    let sample = Sample::new();
    let logs = sample.store.logs();
    let (old, young) = (stream(GROUP, "old"), stream(GROUP, "young"));
    logs.append(vec![
        record(&old, 0, "o"),
        record(&young, 1, "oo"),
        record(&young, DAY_MS, "y"),
    ]);
    logs.append(vec![record(&stream("/kept", "s"), 0, "k")]);
    logs.flush().await.unwrap();
    assert_eq!(
        logs.expire(Timestamp::from_millis(100 * DAY_MS), None)
            .await
            .unwrap(),
        0
    );
    logs.set_retention(&account(), GROUP, Some(3))
        .await
        .unwrap();
    let missing = logs.set_retention(&account(), "/none", Some(3)).await;
    assert!(matches!(missing, Err(LogError::NoSuchGroup(_))));
    assert_eq!(
        logs.expire(Timestamp::from_millis(4 * DAY_MS), None)
            .await
            .unwrap(),
        2
    );
    let filtered = logs
        .filter(filter_of(StreamSelection::All), |_| true)
        .await
        .unwrap();
    assert_eq!(texts(&filtered), ["y"]);
    let page = streams_of(StreamOrder::Name, false, first_page(9));
    let page = logs.streams(page).await.unwrap();
    let [left] = page.items.as_slice() else {
        panic!("one stream is left: {page:?}")
    };
    assert_eq!((left.name.as_str(), left.stored_bytes), ("young", 27));
    assert_eq!(left.first_event.as_millis(), DAY_MS);
    let groups = logs
        .groups(&account(), "", first_page(9))
        .await
        .unwrap()
        .items;
    let found: Vec<_> = groups
        .iter()
        .map(|g| (g.retention_days, g.stored_bytes))
        .collect();
    assert_eq!(found, [(Some(3), 27), (None, 27)]);
}

#[tokio::test]
async fn groups_that_say_nothing_keep_events_for_the_days_of_the_server() {
    const DAY_MS: i64 = 86_400_000;
    let sample = Sample::new();
    let logs = sample.store.logs();
    for group in ["/own", "/none"] {
        logs.append(vec![record(&stream(group, "s"), 0, "old")]);
    }
    logs.set_retention(&account(), "/own", Some(7))
        .await
        .unwrap();
    let expired = |days, default| logs.expire(Timestamp::from_millis(days * DAY_MS + 1), default);
    assert_eq!(expired(3, None).await.unwrap(), 0);
    assert_eq!(expired(3, Some(3)).await.unwrap(), 1);
    assert_eq!(expired(7, Some(9)).await.unwrap(), 1);
}
