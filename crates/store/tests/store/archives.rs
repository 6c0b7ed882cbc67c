//! Archives: what is in them, for how long, and replays step by step.

use std::sync::Arc;

use kiln_store::archives::{ArchiveError, NewArchived, ReplayError, Step, Stepped};
use kiln_store::queue::Delivery;
use kiln_store::{Config, Store};
use kiln_types::{
    AccountId, Archive, ArchiveId, BusId, ManualClock, Replay, ReplayId, ReplayState, Timestamp,
};

const DAY_MS: i64 = 86_400_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(Config::new(dir.path()), Arc::new(ManualClock::default())).unwrap()
}

fn id(name: &str) -> ArchiveId {
    ArchiveId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn bus() -> BusId {
    BusId::default_of(AccountId::default())
}

async fn make(store: &Store, name: &str, retention_days: u32) -> Result<(), ArchiveError> {
    let archive = Archive {
        id: id(name),
        bus: bus(),
        description: None,
        pattern: None,
        retention_days,
        key: None,
        created: at(0),
    };
    store.archives().create(archive, 2).await
}

/// Keeps an event that happened then, now.
async fn keep(store: &Store, archive: &str, happened: i64, now: i64) {
    let one = Delivery::Archived(NewArchived {
        archive: id(archive),
        at: at(happened),
        event: happened.to_string().into(),
    });
    store.queue().deliver(vec![one], at(now)).await.unwrap();
}

fn replay(name: &str, from: i64, until: i64) -> Replay {
    Replay {
        id: ReplayId {
            account: AccountId::default(),
            name: name.parse().unwrap(),
        },
        archive: id("a"),
        bus: bus(),
        rules: Vec::new(),
        description: None,
        from: at(from),
        until: at(until),
        state: ReplayState::Starting,
        reason: None,
        last: None,
        started: at(0),
        ended: None,
    }
}

async fn step(store: &Store) -> Step {
    let mut steps = store.archives().replays().steps().await.unwrap();
    assert_eq!(steps.len(), 1);
    steps.remove(0)
}

fn texts(step: &Step) -> Vec<String> {
    let text = |event: &[u8]| String::from_utf8(event.to_vec()).unwrap();
    step.events.iter().map(|one| text(&one.event)).collect()
}

#[tokio::test]
async fn an_archive_has_its_events_for_as_long_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    make(&store, "a", 2).await.unwrap();
    make(&store, "b", 0).await.unwrap();
    assert!(matches!(
        make(&store, "a", 0).await,
        Err(ArchiveError::Exists(_))
    ));
    assert!(matches!(
        make(&store, "c", 0).await,
        Err(ArchiveError::TooMany(2))
    ));
    for (archive, now) in [("a", 0), ("b", 0), ("a", DAY_MS)] {
        // However long ago it happened.
        keep(&store, archive, -900 * DAY_MS, now).await;
    }
    // Into one that is gone nothing comes.
    keep(&store, "gone", 0, 0).await;
    let archives = store.archives();
    assert_eq!(archives.held(&id("a")).await.unwrap().events, 2);
    assert_eq!(archives.expire(at(2 * DAY_MS)).await.unwrap(), 0);
    assert_eq!(archives.expire(at(2 * DAY_MS + 1)).await.unwrap(), 1);
    let held = archives.held(&id("a")).await.unwrap();
    assert_eq!(
        (held.events, archives.held(&id("b")).await.unwrap()),
        (1, held)
    );
    // What is removed takes its events along, and one of its name has none of them.
    archives.remove(&id("a")).await.unwrap();
    make(&store, "a", 0).await.unwrap();
    assert_eq!(archives.held(&id("a")).await.unwrap().events, 0);
    assert_eq!(archives.expire(at(0)).await.unwrap(), 1);
    // Nothing of it counts against the queue.
    assert_eq!(store.queue().totals().bytes, 0);
}

#[tokio::test]
async fn archives_hold_so_much_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let small = || {
        let config = Config {
            archive_bytes_max: 600,
            ..Config::new(dir.path())
        };
        Store::open(config, Arc::new(ManualClock::default())).unwrap()
    };
    let store = small();
    make(&store, "a", 1).await.unwrap();
    for no in 0..3 {
        assert_eq!(store.archives().full(), None);
        keep(&store, "a", no, 0).await;
    }
    assert_eq!(store.archives().full(), Some(600));
    store.close().await.unwrap();
    drop(store);
    let store = small();
    assert_eq!(store.archives().full(), Some(600));
    assert_eq!(store.archives().list(&AccountId::default()).len(), 1);
    store.archives().expire(at(2 * DAY_MS)).await.unwrap();
    assert_eq!(store.archives().full(), None);
}

#[tokio::test]
async fn a_replay_goes_over_what_was_there_in_the_order_in_which_it_happened() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    make(&store, "a", 0).await.unwrap();
    for happened in [30, 10, 40, 20, 20] {
        keep(&store, "a", happened, 100).await;
    }
    let replays = store.archives().replays();
    replays.start(replay("r", 20, 40), 1).await.unwrap();
    let again = replays.start(replay("r", 20, 40), 1).await;
    assert!(matches!(again, Err(ReplayError::Exists(_))));
    let more = replays.start(replay("s", 20, 40), 1).await;
    assert!(matches!(more, Err(ReplayError::TooMany(1))));
    // It came after the replay began.
    keep(&store, "a", 25, 100).await;
    let first = step(&store).await;
    assert_eq!(texts(&first), ["20", "20", "30"]);
    let running = Replay {
        state: ReplayState::Running,
        last: Some(at(20)),
        ..first.replay.clone()
    };
    let moved = replays.advance(&first, 2, running.clone(), Vec::new(), at(101));
    assert_eq!(moved.await.unwrap(), Stepped::Done);
    // The same step once more is not one.
    let moved = replays.advance(&first, 2, running.clone(), Vec::new(), at(101));
    assert_eq!(moved.await.unwrap(), Stepped::Stale);
    let second = step(&store).await;
    assert_eq!(
        (texts(&second), &second.replay),
        (vec!["30".to_owned()], &running)
    );
    let cancelled = replays.cancel(&running.id).await.unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelling);
    let moved = replays.advance(&second, 1, running.clone(), Vec::new(), at(102));
    assert_eq!(moved.await.unwrap(), Stepped::Stale);
    let third = step(&store).await;
    let over = Replay {
        state: ReplayState::Cancelled,
        ended: Some(at(103)),
        ..third.replay.clone()
    };
    let moved = replays.advance(&third, 0, over.clone(), Vec::new(), at(103));
    assert_eq!(moved.await.unwrap(), Stepped::Done);
    assert_eq!(replays.steps().await.unwrap(), []);
    assert!(matches!(
        replays.cancel(&over.id).await,
        Err(ReplayError::Over(_))
    ));
    assert_eq!(
        replays.list(&AccountId::default()).await.unwrap(),
        std::slice::from_ref(&over)
    );
    replays.forget(at(103)).await.unwrap();
    assert_eq!(replays.get(&over.id).await.unwrap(), Some(over.clone()));
    replays.forget(at(104)).await.unwrap();
    assert_eq!(replays.get(&over.id).await.unwrap(), None);
}
