//! What events mean: patterns, filters, transformations, schedules, envelopes.

use std::time::Duration;

use kiln_events::delivery_policy::DeliveryPolicy;
use kiln_events::envelope::{Entry, Origin};
use kiln_events::filter::{Filters, Record, Source};
use kiln_events::filter_policy::{Attribute, FilterPolicy, Scope};
use kiln_events::pattern::{Limits, Pattern};
use kiln_events::schedule::{Expression, Schedule, Service, Zone};
use kiln_events::transform::{Event, Input, Transformer, Wanted};
use kiln_types::{AccountId, Region, Timestamp};
use serde_json::{Map, Value};

use crate::parts;

/// When all of it happens: 2026-11-23T13:23:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A pattern and an event.
pub(crate) fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [pattern, event] = parts(&text);
    if let Ok(pattern) = Pattern::parse(pattern, &Limits::default()) {
        let event = json(event);
        let is_wanted = pattern.matches(&event);
        assert_eq!(is_wanted, pattern.clone().matches(&event));
        assert!(!is_wanted || event.is_object(), "only objects are wanted");
    }
}

/// A filter of a mapping and what a producer wrote.
pub(crate) fn mapping_filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [filter, written] = parts(&text);
    let sources = [
        Source::Sqs,
        Source::Kinesis,
        Source::DynamoDb,
        Source::Kafka,
        Source::Mq,
        Source::DocumentDb,
    ];
    for source in sources {
        if let Ok(filters) = Filters::parse(source, [filter], Filters::COUNT_MAX) {
            let fields = match json(written) {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            let _ = filters.pass(&Record::new(source, fields.clone(), None));
            let _ = filters.pass(&Record::new(source, fields, Some(written.as_bytes())));
        }
    }
}

/// A filter policy of a subscription; attributes, each as name, type and value in a line; a message.
pub(crate) fn filter_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [policy, attributes, body] = parts(&text);
    let read = |line| {
        let mut words = str::splitn(line, 3, ' ');
        Some(Attribute {
            name: words.next()?,
            data_type: words.next()?,
            value: words.next()?,
        })
    };
    let attributes: Vec<Attribute<'_>> = attributes.lines().filter_map(read).collect();
    for scope in [Scope::MessageAttributes, Scope::MessageBody] {
        if let Ok(policy) = FilterPolicy::parse(policy, scope) {
            let _ = policy.passes(&attributes, body);
        }
    }
}

/// Names and paths, each in a line with `=` between them; a template; an event.
pub(crate) fn input_transformer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [paths, template, event] = parts(&text);
    let value = json(event);
    let event = Event {
        text: event,
        value: &value,
        rule_arn: "arn:aws:events:us-east-1:000000000000:rule/r",
        rule_name: "r",
        ingested: NOW,
    };
    let pairs: Vec<(&str, &str)> = paths.lines().filter_map(|it| it.split_once('=')).collect();
    let wanted = [
        Wanted {
            input_path: Some(paths),
            ..Wanted::default()
        },
        Wanted {
            transformer: Some(Transformer {
                paths: &pairs,
                template,
            }),
            ..Wanted::default()
        },
    ];
    for wanted in wanted {
        let Ok(input) = Input::parse("t", &wanted) else {
            continue;
        };
        const BYTES_MAX: usize = 64 * 1024;
        if let Some(sent) = input.render_within(&event, BYTES_MAX) {
            assert!(sent.len() <= BYTES_MAX, "it is too long");
            assert!(input.render_within(&event, sent.len()).is_some());
        }
    }
}

/// A schedule and a zone: it is due later and later, and nothing lies between.
pub(crate) fn schedule(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (expression, zone) = text.split_once('\n').unwrap_or((&text, ""));
    let zone = Zone::parse(zone).unwrap_or_else(|_| Zone::utc());
    if let Ok(expression) = Expression::parse(expression, Service::Rules) {
        check_times(&Schedule::of_rule(expression, NOW));
    }
    if let Ok(expression) = Expression::parse(expression, Service::Scheduler) {
        let schedule = Schedule::of_scheduler(expression, zone, NOW, None, None);
        check_times(&schedule.expect("it has no dates"));
    }
}

fn check_times(schedule: &Schedule) {
    let mut after = Timestamp::from_millis(NOW.as_millis() - 1);
    for _ in 0..5 {
        let Some(next) = schedule.next_after(after) else {
            return;
        };
        assert!(next > after, "it is due in the past");
        let just_before = Timestamp::from_millis(next.as_millis() - 1);
        assert_eq!(schedule.next_after(just_before), Some(next));
        after = next;
    }
}

/// The delivery policies of a topic and of a subscription.
pub(crate) fn delivery_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [topic, subscription] = parts(&text);
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    if let Ok(policy) = DeliveryPolicy::of(given(topic), given(subscription)) {
        for failures in [0, 1, 3, 10, 50, 100, u32::MAX] {
            let delay = policy.delay(failures).unwrap_or_default();
            assert!(delay <= Duration::from_secs(3_600), "{delay:?}");
        }
        let _ = (policy.spacing(), policy.content_type());
        let shown = policy.shown();
        let again = DeliveryPolicy::of(None, Some(&shown)).map(|policy| policy.shown());
        assert_eq!(again.ok(), Some(shown), "a policy is read as it is shown");
    }
}

/// An entry of `PutEvents`: source, type, detail.
pub(crate) fn envelope(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [source, detail_type, detail] = parts(&text);
    let entry = Entry {
        source: Some(source),
        detail_type: Some(detail_type),
        detail: Some(detail),
        resources: &[],
        time: None,
    };
    let (account, region) = (AccountId::default(), Region::default());
    let origin = Origin {
        account: &account,
        region: &region,
        now: NOW,
    };
    if let Ok(envelope) = entry.accept("id".to_owned(), &origin) {
        let read = serde_json::from_str::<Value>(&envelope.text());
        let read = read.expect("an event is JSON");
        assert!(read["detail"].is_object(), "{read}");
    }
}
