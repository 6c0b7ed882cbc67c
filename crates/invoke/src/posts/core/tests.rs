//! Tests of whose post is tried next.

use kiln_store::Store;
use kiln_store::posts::NewPost;
use kiln_store::queue::Delivery;
use kiln_types::ManualClock;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn topic() -> TopicId {
    TopicId {
        account: Default::default(),
        name: "orders".parse().unwrap(),
    }
}

/// So many posts for each of these, as a store makes them.
async fn posts(of: &[(SubscriptionId, usize)]) -> Vec<Waiting> {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(dir.path());
    let store = Store::open(config, std::sync::Arc::new(ManualClock::default())).unwrap();
    let all = of
        .iter()
        .flat_map(|(id, count)| std::iter::repeat_n(*id, *count));
    let post = |subscription| {
        Delivery::Post(NewPost {
            topic: topic(),
            subscription,
            document: "{}".into(),
        })
    };
    let deliveries = all.map(post).collect();
    store.queue().deliver(deliveries, at(0)).await.unwrap();
    store.posts().waiting().await.unwrap()
}

fn begin(core: &mut Core, now: i64) -> Vec<Try> {
    std::iter::from_fn(|| core.next(at(now))).collect()
}

#[tokio::test]
async fn a_lane_has_so_many_tries_and_one_while_it_fails() {
    let id = SubscriptionId::random();
    let mut core = Core::default();
    for post in posts(&[(id, 20)]).await {
        core.waits(post);
    }
    let mut tries = begin(&mut core, 0);
    assert_eq!(tries.len(), LANE_MAX);
    core.ended(&tries.pop().unwrap(), Ended::Again(at(20_000)));
    assert_eq!(begin(&mut core, 0), []);
    for one in tries.drain(..) {
        core.ended(&one, Ended::Again(at(20_000)));
    }
    let one = begin(&mut core, 0);
    assert_eq!((one.len(), core.running()), (1, 1));
    core.ended(&one[0], Ended::Gone { is_well: true });
    assert_eq!(begin(&mut core, 0).len(), LANE_MAX);
}

#[tokio::test]
async fn what_failed_waits_for_its_time() {
    let id = SubscriptionId::random();
    let mut core = Core::default();
    core.waits(posts(&[(id, 1)]).await.remove(0));
    let first = core.next(at(0)).unwrap();
    core.ended(&first, Ended::Again(at(500)));
    assert_eq!((core.next(at(499)), core.wakes()), (None, Some(at(500))));
    let again = core.next(at(500)).unwrap();
    assert_eq!(again.key, first.key);
    core.ended(&again, Ended::Gone { is_well: true });
    assert_eq!((core.wakes(), core.lanes.len()), (None, 0));
}

#[tokio::test]
async fn a_lane_rests_between_tries_when_told() {
    let id = SubscriptionId::random();
    let mut core = Core::default();
    for post in posts(&[(id, 2)]).await {
        core.waits(post);
    }
    core.next(at(0)).unwrap();
    core.rests(id, at(250));
    assert_eq!((core.next(at(249)), core.wakes()), (None, Some(at(250))));
    assert!(core.next(at(250)).is_some());
}

#[tokio::test]
async fn lanes_take_turns() {
    let (one, other) = (SubscriptionId::random(), SubscriptionId::random());
    let mut core = Core::default();
    for post in posts(&[(one, 100), (other, 2)]).await {
        core.waits(post);
    }
    let first: Vec<_> = (0..4).filter_map(|_| core.next(at(0))).collect();
    let of_other = first.iter().filter(|it| it.subscription == other);
    assert_eq!(of_other.count(), 2);
}

#[tokio::test]
async fn endpoints_that_fail_leave_half_of_the_room_to_others() {
    let dead: Vec<_> = (0..TRIES_MAX).map(|_| SubscriptionId::random()).collect();
    let well = SubscriptionId::random();
    let mut wanted: Vec<_> = dead.iter().map(|id| (*id, 2)).collect();
    wanted.push((well, 1));
    let mut all = posts(&wanted).await;
    let last = all.pop().unwrap();
    let mut core = Core::default();
    for post in all {
        core.waits(post);
    }
    // That they fail is learnt by one try each.
    let tries = begin(&mut core, 0);
    assert_eq!(tries.len(), TRIES_MAX);
    for one in tries {
        core.ended(&one, Ended::Again(at(0)));
    }
    let failing = begin(&mut core, 0);
    assert_eq!(failing.len(), FAILING_MAX);
    core.waits(last);
    assert_eq!(core.next(at(0)).unwrap().subscription, well);
}
