//! What the core decides, case by case and whatever happens.

use kiln_types::FunctionId;
use proptest::prelude::*;

use super::*;

const EVENT_BYTES: u64 = 1_000;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_795_440_180_000 + ms)
}

/// A function of account `account`; its lane has the same number.
pub(super) fn arrival(account: u16, number: u16, due: Timestamp) -> Arrival {
    Arrival {
        lane: Lane::new(number),
        function: FunctionId {
            account: format!("{account:012}").parse().unwrap(),
            name: format!("f{number}").parse().unwrap(),
        },
        due,
    }
}

fn claimed(lane: u16, taken: u32, next: Option<Timestamp>) -> Event {
    Event::Claimed {
        lane: Lane::new(lane),
        taken,
        bytes: u64::from(taken) * EVENT_BYTES,
        next,
    }
}

fn ended(lane: u16, was_refused: bool) -> Event {
    Event::Ended {
        lane: Lane::new(lane),
        bytes: EVENT_BYTES,
        was_refused,
    }
}

/// Lets a function with endless events take all it may; tells how many that are.
fn flood(core: &mut Core, account: u16, number: u16) -> u32 {
    let mut asks = core.on(Event::Arrived(arrival(account, number, at(0))), at(0));
    loop {
        while let Some(ask) = asks.pop() {
            let all = claimed(number, ask.count_max, Some(at(0)));
            asks.extend(core.on(all, at(0)));
        }
        // Its window grows only with what ends.
        let window = core.lanes[&Lane::new(number)].window.size();
        if window == core.in_flight_max {
            return core.held();
        }
        asks = core.on(ended(number, false), at(0));
    }
}

#[test]
fn an_event_is_claimed_at_once_when_it_is_due() {
    let mut core = Core::new(10);
    let asks = core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].lane, Lane::new(1));
    assert_eq!(core.wake_at(), None);
}

#[test]
fn a_later_event_is_claimed_when_its_time_has_come() {
    let mut core = Core::new(10);
    assert!(
        core.on(Event::Arrived(arrival(1, 1, at(60_000))), at(0))
            .is_empty()
    );
    assert_eq!(core.wake_at(), Some(at(60_000)));
    assert!(core.on(Event::Tick, at(59_990)).is_empty());
    assert_eq!(core.on(Event::Tick, at(60_000)).len(), 1);
}

#[test]
fn an_earlier_event_brings_its_functions_time_forward() {
    let mut core = Core::new(10);
    core.on(Event::Arrived(arrival(1, 1, at(60_000))), at(0));
    assert_eq!(
        core.on(Event::Arrived(arrival(1, 1, at(0))), at(0)).len(),
        1
    );
}

#[test]
fn what_arrives_during_a_claim_is_not_forgotten() {
    let mut core = Core::new(10);
    core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    assert!(
        core.on(Event::Arrived(arrival(1, 1, at(0))), at(0))
            .is_empty()
    );
    // The claim saw nothing more.
    assert_eq!(core.on(claimed(1, 1, None), at(0)).len(), 1);
    assert!(core.on(claimed(1, 0, None), at(0)).is_empty());
}

#[test]
fn a_failed_claim_is_tried_again_and_gives_its_places_back() {
    let mut core = Core::new(10);
    core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    let failed = Event::ClaimFailed { lane: Lane::new(1) };
    assert!(core.on(failed, at(0)).is_empty());
    assert_eq!(core.held(), 0);
    assert_eq!(core.on(Event::Tick, at(1_000)).len(), 1);
}

#[test]
fn one_function_leaves_room_for_others_however_many_events_it_has() {
    let mut core = Core::new(90);
    let one = flood(&mut core, 1, 1);
    assert_eq!(one, 30, "a third");
    // Whoever comes next is served at once, of the same account and of another.
    for (account, number) in [(1, 2), (2, 3)] {
        let asks = core.on(Event::Arrived(arrival(account, number, at(0))), at(0));
        assert_eq!(asks[0].lane, Lane::new(number));
        assert!(asks[0].count_max >= 4, "{asks:?}");
    }
}

#[test]
fn a_function_without_events_in_flight_finds_a_place_even_when_all_are_taken() {
    let mut core = Core::new(8);
    for number in 0..8 {
        core.on(Event::Arrived(arrival(number, number, at(0))), at(0));
        core.on(claimed(number, 1, None), at(0));
    }
    assert_eq!(core.held(), 8);
    let asks = core.on(Event::Arrived(arrival(9, 9, at(0))), at(0));
    assert_eq!((asks[0].lane, asks[0].count_max), (Lane::new(9), 1));
}

#[test]
fn an_account_does_not_take_more_than_all_places_by_one_for_each_function() {
    let mut core = Core::new(8);
    for number in 0..8 {
        core.on(Event::Arrived(arrival(1, number, at(0))), at(0));
        core.on(claimed(number, 1, None), at(0));
    }
    assert_eq!(core.held(), 8);
    let ninth = arrival(1, 9, at(0));
    assert!(core.on(Event::Arrived(ninth), at(0)).is_empty());
    // Another account finds a place still, and the ninth function when one ends.
    let other = arrival(2, 10, at(0));
    assert_eq!(core.on(Event::Arrived(other), at(0)).len(), 1);
    core.on(claimed(10, 1, None), at(0));
    core.on(ended(10, false), at(0));
    assert_eq!(core.on(ended(0, false), at(0))[0].lane, Lane::new(9));
}

#[test]
fn large_events_leave_room_in_memory_for_those_of_others() {
    let mut core = Core::new(1_000);
    let mut asks = core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    let mut taken = 0;
    // Each claim brings one event, as large as they get.
    let bytes = 6 << 20;
    while let Some(ask) = asks.pop() {
        let one = Event::Claimed {
            lane: ask.lane,
            taken: 1,
            bytes,
            next: Some(at(0)),
        };
        taken += 1;
        asks.extend(core.on(one, at(0)));
        // So that its window is not what stops it.
        let lane = core.lanes.get_mut(&ask.lane).unwrap();
        (0..2).for_each(|_| lane.window.ended(false));
    }
    let third = IN_FLIGHT_BYTES_MAX / 3;
    assert!((third..third + bytes).contains(&(taken * bytes)), "{taken}");
    for (account, number) in [(1, 2), (2, 3)] {
        let asks = core.on(Event::Arrived(arrival(account, number, at(0))), at(0));
        assert_eq!(asks.len(), 1, "of {account}");
    }
    let one = Event::Ended {
        lane: Lane::new(1),
        bytes,
        was_refused: false,
    };
    core.on(claimed(2, 1, None), at(0));
    core.on(claimed(3, 1, None), at(0));
    for _ in 0..taken {
        core.on(one.clone(), at(0));
    }
    core.on(ended(2, false), at(0));
    core.on(ended(3, false), at(0));
    let asked = CLAIM_BYTES_MAX;
    assert_eq!(
        (core.held(), core.bytes),
        (core.lanes[&Lane::new(1)].asked, asked)
    );
}

#[test]
fn a_function_that_is_refused_is_asked_less_of() {
    let mut core = Core::new(300);
    flood(&mut core, 1, 1);
    let lane = Lane::new(1);
    let before = core.lanes[&lane].window.size();
    core.on(ended(1, true), at(0));
    assert_eq!(core.lanes[&lane].window.size(), before / 2);
}

#[test]
fn after_stop_nothing_is_claimed() {
    let mut core = Core::new(10);
    core.on(Event::Stop, at(0));
    assert!(
        core.on(Event::Arrived(arrival(1, 1, at(0))), at(0))
            .is_empty()
    );
    assert!(core.on(Event::Tick, at(100_000)).is_empty());
}

#[test]
fn a_place_in_the_queue_that_became_another_functions_is_theirs() {
    let mut core = Core::new(10);
    core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    core.on(claimed(1, 1, None), at(0));
    let mut other = arrival(2, 1, at(0));
    other.function.name = "other".parse().unwrap();
    assert_eq!(core.on(Event::Arrived(other), at(0)).len(), 1);
    // The end of the first function's event is on its way still.
    core.on(ended(1, false), at(0));
    assert_eq!(core.held(), 4, "what the other asked for");
    core.on(claimed(1, 0, None), at(0));
    core.on(ended(1, false), at(0));
    assert_eq!(core.held(), 0);
}

#[test]
fn the_lag_is_that_of_the_first_event_that_is_due() {
    let mut core = Core::new(1);
    core.on(Event::Arrived(arrival(1, 1, at(0))), at(0));
    core.on(claimed(1, 1, Some(at(5))), at(10));
    core.on(Event::Arrived(arrival(2, 2, at(500_000))), at(10));
    assert_eq!(core.waiting_since(at(10)), Some(at(5)));
}

/// A store that has events and says what a store would.
#[derive(Debug, Default)]
struct Model {
    /// Due times that are not claimed, by lane.
    waiting: std::collections::BTreeMap<u16, Vec<i64>>,
    asked: Vec<Ask>,
    running: Vec<u16>,
}

proptest! {
    #[test]
    fn whatever_happens_every_event_is_claimed_and_no_place_is_lost(
        in_flight_max in 1..12_u32,
        steps in prop::collection::vec((0..6_u8, 0..5_u16, 0..100_i64), 1..200),
    ) {
        let mut core = Core::new(in_flight_max);
        let mut model = Model::default();
        let mut now = 0;
        for (kind, lane, number) in steps {
            let event = match kind {
                0 | 1 => {
                    let due = now + number * i64::from(kind);
                    model.waiting.entry(lane).or_default().push(due);
                    Event::Arrived(arrival(lane % 2, lane, at(due)))
                }
                2 if !model.asked.is_empty() => {
                    let ask = model.asked.remove(number as usize % model.asked.len());
                    answer(&mut model, ask, now)
                }
                3 if !model.running.is_empty() => {
                    let lane = model.running.remove(number as usize % model.running.len());
                    ended(lane, number % 3 == 0)
                }
                _ => {
                    now += number;
                    Event::Tick
                }
            };
            let asks = core.on(event, at(now));
            model.asked.extend(asks);
            let asked: u32 = model.asked.iter().map(|ask| ask.count_max).sum();
            prop_assert_eq!(core.held(), model.running.len() as u32 + asked);
            prop_assert!(core.held() <= in_flight_max * 2);
        }
        // From here on everything answers, and nothing may be left.
        for _ in 0..5_000 {
            let event = if let Some(ask) = model.asked.pop() {
                answer(&mut model, ask, now)
            } else if let Some(lane) = model.running.pop() {
                ended(lane, false)
            } else if let Some(wake) = core.wake_at() {
                now = wake.as_millis() - at(0).as_millis();
                Event::Tick
            } else {
                break;
            };
            model.asked.extend(core.on(event, at(now)));
        }
        prop_assert!(model.waiting.values().all(Vec::is_empty), "{:?}", model);
        prop_assert_eq!((core.held(), core.bytes), (0, 0));
        prop_assert!(core.lanes.is_empty() && core.accounts.is_empty() && core.order.is_empty());
    }
}

/// What a store says to a claim.
fn answer(model: &mut Model, ask: Ask, now: i64) -> Event {
    let lane = (0..5).find(|lane| Lane::new(*lane) == ask.lane).unwrap();
    let waiting = model.waiting.entry(lane).or_default();
    waiting.sort_unstable();
    let due = waiting.iter().filter(|due| **due <= now).count();
    let taken = due.min(ask.count_max as usize);
    waiting.drain(..taken);
    model.running.extend(std::iter::repeat_n(lane, taken));
    claimed(lane, taken as u32, waiting.first().map(|due| at(*due)))
}
