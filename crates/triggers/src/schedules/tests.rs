//! Tests of schedules: what becomes of ticks (pure), and the driver over a real store and a clock that tests set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_events::schedule::Timetable;
use kiln_invoke::FanOut;
use kiln_store::Store;
use kiln_store::messages::{Message, Receive, Settings};
use kiln_store::queue::Full;
use kiln_store::schedules::{Due, Ended, Fired, NewSchedule, ScheduleTotals, Then};
use kiln_types::{
    AccountId, AttributeValue, Clock, Moment, QueueArn, QueueId, Receiver, Region, ScheduleId,
    ScheduleSettings, ScheduleSpace, ScheduleTarget, Subscriber, Subscription, Timestamp, Topic,
    TopicArn,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Failure, LATE, Plan, Step};
use crate::invocation::{Invocation, Invoke};
use crate::{Config, Deps, Triggers};

mod rules;

const MINUTE_MS: i64 = 60_000;
/// 2026-11-23T13:23:00Z.
const NOW_MS: i64 = 1_795_440_180_000;

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW_MS + ms)
}

fn queue(name: &str) -> QueueArn {
    let id = QueueId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    };
    QueueArn::new(Region::default(), id)
}

fn settings(expression: &str) -> ScheduleSettings {
    ScheduleSettings {
        expression: expression.to_owned(),
        zone: "UTC".to_owned(),
        start: None,
        end: None,
        window_minutes: None,
        is_enabled: true,
        is_deleted_when_done: false,
        description: None,
        key_arn: None,
        target: ScheduleTarget {
            receiver: Receiver::Queue(queue("ticks"), None),
            role: "r".to_owned(),
            input: Some("<aws.scheduler.scheduled-time>".to_owned()),
            retries_max: 2,
            age_max_secs: 3_600,
            dead_letters: None,
        },
    }
}

fn timetable(settings: &ScheduleSettings) -> Timetable {
    Timetable::new(ScheduleSpace::Scheduler, settings, ms(0), 7).unwrap()
}

fn plan(settings: &ScheduleSettings, due_ms: i64, now_ms: i64) -> Plan {
    let due = Due::new(ms(due_ms), ms(due_ms));
    Plan::new(&timetable(settings), settings, due, ms(now_ms))
}

fn next(ms_due: i64) -> Then {
    Then::Due(Due::new(ms(ms_due), ms(ms_due)))
}

#[test]
fn a_tick_on_time_is_delivered_and_the_next_is_due() {
    let rate = settings("rate(1 minute)");
    for late_ms in [0, 1, LATE.as_millis() as i64] {
        let plan = plan(&rate, 0, late_ms);
        assert_eq!((plan.due, &plan.step), (ms(0), &Step::Deliver));
        assert_eq!(
            (plan.then(), plan.ended()),
            (next(MINUTE_MS), Some(Ended::Fired))
        );
    }
}

#[test]
fn of_the_ticks_that_were_missed_the_last_one_is_delivered() {
    let rate = settings("rate(1 minute)");
    let plan = plan(&rate, 0, 90 * MINUTE_MS + 5);
    assert_eq!((plan.due, &plan.step), (ms(90 * MINUTE_MS), &Step::Deliver));
    assert_eq!(plan.then(), next(91 * MINUTE_MS));
}

#[test]
fn a_tick_that_was_missed_is_given_up_when_it_is_older_than_it_may_be() {
    let daily = settings("rate(1 day)");
    let within = plan(&daily, 0, 60 * MINUTE_MS);
    assert_eq!(within.step, Step::Deliver);
    let too_old = plan(&daily, 0, 60 * MINUTE_MS + 1);
    let Step::Dead(failure) = &too_old.step else {
        panic!("{too_old:?}");
    };
    assert_eq!(failure.condition, Some("MaximumEventAgeInSeconds"));
    assert_eq!(too_old.then(), next(24 * 60 * MINUTE_MS));
    // Within its window a tick is never too old, and none is passed over.
    let mut flexible = daily;
    flexible.window_minutes = Some(120);
    assert_eq!(plan(&flexible, 0, 120 * MINUTE_MS).step, Step::Deliver);
}

#[test]
fn what_is_due_once_is_done_then_or_deleted() {
    let mut once = settings("at(2026-11-23T13:23:00)");
    assert_eq!(plan(&once, 0, 1).then(), Then::Done);
    once.is_deleted_when_done = true;
    assert_eq!(plan(&once, 0, 1).then(), Then::Delete);
}

#[test]
fn a_tick_waits_for_room_as_often_as_it_may_and_is_a_dead_letter_then() {
    let rate = settings("rate(1 minute)");
    let full = || {
        Fired::Full(Full {
            bytes: 1,
            bytes_max: 1,
        })
    };
    let mut due = Due::new(ms(0), ms(0));
    for wait_ms in [1_000, 2_000] {
        let plan = Plan::new(&timetable(&rate), &rate, due, ms(5));
        let waits = plan.after(full(), &rate, ms(5)).unwrap();
        assert_eq!(
            (&waits.step, waits.ended()),
            (&Step::Wait(ms(5 + wait_ms)), None)
        );
        let Then::Due(again) = waits.then() else {
            panic!("{waits:?}");
        };
        assert_eq!((again.due, again.wake), (ms(0), ms(5 + wait_ms)));
        assert_eq!(waits.after(Fired::Done, &rate, ms(5)), None);
        due = again;
    }
    assert_eq!(due.attempts, 2);
    let plan = Plan::new(&timetable(&rate), &rate, due, ms(5));
    let dead = plan.after(full(), &rate, ms(5)).unwrap();
    assert!(matches!(
        &dead.step,
        Step::Dead(Failure {
            condition: Some("MaximumRetryAttempts"),
            ..
        })
    ));
    assert_eq!(dead.then(), next(MINUTE_MS));
    let lost = dead.after(full(), &rate, ms(5)).unwrap();
    assert!(matches!(lost.step, Step::Lost(_)));
    assert_eq!(lost.ended(), Some(Ended::Lost));
    assert_eq!(lost.after(Fired::Done, &rate, ms(5)), None);
}

proptest! {
    /// The server sleeps, runs and sleeps again: ticks are delivered in order, each at most once, never more than
    /// two at a time, and all of them while it runs.
    #[test]
    fn ticks_come_once_in_order_and_never_in_a_burst(
        expression in prop::sample::select(vec![
            "rate(1 minute)", "rate(7 minutes)", "cron(0/5 * * * ? *)", "cron(30 13 * * ? *)",
        ]),
        naps_s in prop::collection::vec(1_i64..100_000, 1..40),
    ) {
        let mut settings = settings(expression);
        settings.target.age_max_secs = 86_400;
        let table = timetable(&settings);
        let first = table.first(ms(0)).unwrap();
        let mut due = Due::new(first.due, first.wake);
        let mut now = ms(0);
        let mut last = None;
        for nap_s in naps_s {
            now = now + Duration::from_secs(nap_s as u64);
            let mut at_once = 0;
            while due.wake <= now {
                let plan = Plan::new(&table, &settings, due, now);
                prop_assert!(last.is_none_or(|last| plan.due > last));
                let before = Timestamp::from_millis(plan.due.as_millis() - 1);
                prop_assert_eq!(table.next_after(before).unwrap().due, plan.due);
                prop_assert!(plan.due <= now);
                last = Some(plan.due);
                at_once += usize::from(plan.step == Step::Deliver);
                let Then::Due(next) = plan.then() else {
                    panic!("it never ends");
                };
                due = next;
            }
            prop_assert!(at_once <= 2, "{at_once} at once");
        }
    }
}

/// A calendar that tests set.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Moment {
        Moment::after_start(Duration::ZERO)
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Nobody;

impl Invoke for Nobody {
    fn invoke(&self, _: kiln_invoke::Request) -> Invocation<'_> {
        unreachable!("schedules go through the queue")
    }
}

struct Rig {
    store: Store,
    clock: Arc<Set>,
    stop: CancellationToken,
    tracker: TaskTracker,
    bodies: Mutex<Vec<Message>>,
    _triggers: Triggers,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(dir: tempfile::TempDir) -> Self {
        let clock = Arc::new(Set(AtomicI64::new(NOW_MS)));
        let store = Store::open(kiln_store::Config::new(dir.path()), clock.clone()).unwrap();
        for name in ["ticks", "dead"] {
            let settings = Settings::default();
            let id = queue(name).queue;
            let made = store
                .messages()
                .create(id, settings, Default::default(), ms(0));
            made.await.unwrap();
        }
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let deps = Deps {
            store: store.clone(),
            invoke: Arc::new(Nobody),
            fan_out: FanOut::new(store.clone(), Region::default()),
            clock: clock.clone(),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        Self {
            _triggers: Triggers::start(deps, Config::default()),
            store,
            clock,
            stop,
            tracker,
            bodies: Mutex::default(),
            _dir: dir,
        }
    }

    fn set(&self, to: Timestamp) {
        self.clock.0.store(to.as_millis(), Ordering::Relaxed);
    }

    async fn create(&self, name: &str, settings: ScheduleSettings) {
        let table = timetable(&settings);
        let first = table.first(self.clock.timestamp());
        let new = NewSchedule {
            id: ScheduleId {
                account: AccountId::default(),
                space: ScheduleSpace::Scheduler,
                group: "default".to_owned(),
                name: name.to_owned(),
            },
            settings,
            anchor: ms(0),
            seed: 7,
            due: first.map(|tick| Due::new(tick.due, tick.wake)),
        };
        let created = self.store.schedules().create(new, None, ms(0));
        created.await.unwrap();
    }

    /// What a queue has got so far.
    async fn received(&self, name: &str) -> Vec<Message> {
        let ask = Receive {
            queue: queue(name).queue,
            count_max: 100,
            visibility_timeout: Some(Duration::from_secs(43_200)),
            bytes_max: usize::MAX,
            attempt: None,
        };
        let now = self.clock.timestamp();
        let got = self.store.messages().receive(ask, now).await.unwrap();
        let mut bodies = self.bodies.lock().unwrap();
        bodies.extend(got.messages);
        bodies.clone()
    }

    async fn until(&self, totals: (u64, u64, u64)) {
        let (fired, dead, lost) = totals;
        let totals = ScheduleTotals { fired, dead, lost };
        let reached = async {
            while self.store.schedules().totals() != totals {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let patience = Duration::from_secs(60);
        if tokio::time::timeout(patience, reached).await.is_err() {
            panic!("{:?} and not {totals:?}", self.store.schedules().totals());
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_loses_no_tick_and_doubles_none() {
    let rig = Rig::start().await;
    rig.create("a", settings("rate(1 hour)")).await;
    rig.until((1, 0, 0)).await;
    rig.received("ticks").await;
    // Forward: the driver looks again within a second, and delivers the last of what was passed over.
    rig.set(ms(100 * 60 * MINUTE_MS));
    rig.until((2, 0, 0)).await;
    rig.received("ticks").await;
    // Back: what was delivered is not again.
    rig.set(ms(99 * 60 * MINUTE_MS));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    rig.until((2, 0, 0)).await;
    rig.set(ms(101 * 60 * MINUTE_MS));
    rig.until((3, 0, 0)).await;
    let got = rig.received("ticks").await;
    let mut bodies: Vec<_> = got.iter().map(|one| one.body.as_str()).collect();
    bodies.sort_unstable();
    let expected = [
        "2026-11-23T13:23:00Z",
        "2026-11-27T17:23:00Z",
        "2026-11-27T18:23:00Z",
    ];
    assert_eq!(bodies, expected);
    rig.end().await;
}

#[tokio::test]
async fn a_tick_for_a_queue_that_is_gone_is_a_dead_letter_with_awss_attributes() {
    let rig = Rig::start().await;
    let mut gone = settings("rate(1 hour)");
    gone.target.receiver = Receiver::Queue(queue("gone"), None);
    gone.target.dead_letters = Some(queue("dead"));
    rig.create("gone", gone.clone()).await;
    rig.until((0, 1, 0)).await;
    let letter = rig.received("dead").await.remove(0);
    assert_eq!(letter.body, "2026-11-23T13:23:00Z");
    let text = |name: &str| match &letter.attributes[name].value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Binary(_) => panic!("{name}"),
    };
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/gone";
    assert_eq!(text("SCHEDULE_ARN"), arn);
    assert_eq!(text("TARGET_ARN"), queue("gone").to_string());
    assert_eq!(text("ERROR_CODE"), "RESOURCE_NOT_FOUND");
    assert_eq!(
        (text("RETRY_ATTEMPTS"), text("IS_PAYLOAD_TRUNCATED")),
        ("0".into(), "false".into())
    );
    assert!(!letter.attributes.contains_key("EXHAUSTED_RETRY_CONDITION"));
    // Without a dead-letter queue, or with one that is gone too, it is lost and counted.
    gone.target.dead_letters = Some(queue("gone"));
    rig.create("worse", gone.clone()).await;
    rig.until((0, 1, 1)).await;
    gone.target.dead_letters = None;
    rig.create("worst", gone).await;
    rig.until((0, 1, 2)).await;
    rig.end().await;
}

#[tokio::test]
async fn a_tick_is_published_to_a_topic_and_is_a_dead_letter_where_there_is_none() {
    let rig = Rig::start().await;
    let topic: TopicArn = "arn:aws:sns:us-east-1:000000000000:hours".parse().unwrap();
    let mut settings = settings("rate(1 hour)");
    settings.target.receiver = Receiver::Topic(topic.clone());
    settings.target.dead_letters = Some(queue("dead"));
    rig.create("early", settings.clone()).await;
    rig.until((0, 1, 0)).await;
    let letter = rig.received("dead").await.remove(0);
    let target = &letter.attributes["TARGET_ARN"].value;
    assert_eq!(*target, AttributeValue::Text(topic.to_string()));

    let topics = rig.store.topics();
    let new = Topic::plain(topic.topic.clone(), ms(0));
    let made = topics.put(&topic.topic, move |_| Ok::<_, kiln_store::Error>(new));
    made.await.unwrap();
    let subscription = Subscription {
        is_raw: true,
        ..Subscription::plain(topic.topic.clone(), Subscriber::Queue(queue("ticks")))
    };
    let subscribed = topics.subscribe(&topic.topic, move |_| {
        Ok::<_, kiln_store::TopicError>(subscription)
    });
    subscribed.await.unwrap();
    rig.create("hourly", settings).await;
    rig.until((1, 1, 0)).await;
    let message = rig.received("ticks").await.remove(0);
    assert_eq!(message.body, "2026-11-23T13:23:00Z");
    rig.end().await;
}

#[tokio::test]
async fn the_input_is_filled_in_or_describes_the_schedule() {
    let rig = Rig::start().await;
    let mut filled = settings("rate(1 hour)");
    filled.target.input = Some(
        "<aws.scheduler.schedule-arn> <aws.scheduler.attempt-number> <aws.scheduler.execution-id> <other>"
            .to_owned(),
    );
    rig.create("filled", filled.clone()).await;
    rig.until((1, 0, 0)).await;
    let body = rig.received("ticks").await.remove(0).body;
    let parts: Vec<_> = body.split(' ').collect();
    assert_eq!(
        parts[0],
        "arn:aws:scheduler:us-east-1:000000000000:schedule/default/filled"
    );
    assert_eq!((parts[1], parts[2].len(), parts[3]), ("1", 16, "<other>"));
    filled.target.input = None;
    rig.create("plain", filled).await;
    rig.until((2, 0, 0)).await;
    let body = rig.received("ticks").await.remove(1).body;
    let event: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["source"], "aws.scheduler");
    assert_eq!(event["time"], "2026-11-23T13:23:00Z");
    assert_eq!(
        event["resources"][0],
        "arn:aws:scheduler:us-east-1:000000000000:schedule/default/plain"
    );
    rig.end().await;
}

#[tokio::test]
async fn ten_thousand_that_are_due_at_once_are_delivered_once_each() {
    const COUNT: u64 = 10_000;
    let rig = Rig::start().await;
    let once = settings("at(2026-11-23T13:24:00)");
    let schedules: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    // Together, so that many are committed at a time.
    for names in schedules.chunks(500) {
        let mut made = tokio::task::JoinSet::new();
        for name in names {
            let table = timetable(&once);
            let first = table.first(ms(0)).unwrap();
            let new = NewSchedule {
                id: ScheduleId {
                    account: AccountId::default(),
                    space: ScheduleSpace::Scheduler,
                    group: "default".to_owned(),
                    name: name.clone(),
                },
                settings: once.clone(),
                anchor: ms(0),
                seed: 7,
                due: Some(Due::new(first.due, first.wake)),
            };
            let store = rig.store.clone();
            made.spawn(async move { store.schedules().create(new, None, ms(0)).await });
        }
        for made in made.join_all().await {
            made.unwrap();
        }
    }
    rig.set(ms(MINUTE_MS));
    let started = kiln_types::SystemClock::start();
    rig.until((COUNT, 0, 0)).await;
    println!("delivered after {:?}", started.now().since_start());
    let count = rig
        .store
        .messages()
        .count(&queue("ticks").queue, ms(MINUTE_MS));
    assert_eq!(count.unwrap().visible, COUNT);
    rig.end().await;
}
