//! How fast a function may start instances, and what happens to requests beyond that.

use super::{granted, millis, seconds, with};
use crate::config::Config;
use crate::core::Event;
use crate::core::world::{World, grants, refusals};
use crate::refusal::ThrottleReason;

/// Three starts at once, then ten a second.
fn slow_starts() -> World {
    let mut world = with(Config {
        burst_starts: 3,
        starts_per_second: 10,
        ..Config::default()
    });
    for _ in 0..3 {
        granted(&mut world, 0);
    }
    world
}

#[test]
fn start_beyond_the_burst_waits_for_a_token() {
    let mut world = slow_starts();
    let (first, actions) = world.request(0);
    assert_eq!(actions, []);
    let (second, _) = world.request(0);
    assert_eq!(world.advance(millis(99)), []);
    assert_eq!(grants(&world.advance(millis(1)))[0].0, first);
    assert_eq!(world.advance(millis(99)), []);
    assert_eq!(grants(&world.advance(millis(1)))[0].0, second);
}

#[test]
fn function_without_tokens_holds_up_nobody() {
    let mut world = slow_starts();
    world.request(0);
    granted(&mut world, 1);
}

#[test]
fn request_that_waits_for_a_token_takes_an_instance_that_comes_back() {
    let mut world = slow_starts();
    let instance = world.pick(0, |_| true).unwrap();
    let (ticket, _) = world.request(0);
    assert_eq!(grants(&world.release(instance)), [(ticket, instance)]);
    assert_eq!(world.core.deadline(), None, "nobody waits for a token");
}

#[test]
fn wait_for_a_token_is_bounded() {
    let mut world = slow_starts();
    let tickets: Vec<_> = (0..12).map(|_| world.request(0).0).collect();
    let mut actions = Vec::new();
    for _ in 0..10 {
        actions.extend(world.advance(millis(100)));
    }
    assert_eq!(
        grants(&actions).len(),
        9,
        "a token each 100 ms, and none at the end"
    );
    let refused: Vec<_> = refusals(&actions).collect();
    assert_eq!(refused.len(), 3);
    assert_eq!(refused[0].0, tickets[9]);
    assert_eq!(refused[0].1.reason, ThrottleReason::StartRate);
    assert!(refused[0].1.retry_after <= millis(100));
}

#[test]
fn reserved_function_that_waits_for_tokens_in_vain_is_told_its_own_reason() {
    let mut world = slow_starts();
    world.set_reserved(0, Some(100));
    for _ in 0..20 {
        world.request(0);
    }
    let actions = world.advance(seconds(1));
    let (_, refused) = refusals(&actions).next().unwrap();
    assert_eq!(refused.reason, ThrottleReason::ReservedStartRate);
}

#[test]
fn refill_does_not_exceed_the_burst() {
    let mut world = slow_starts();
    world.advance(seconds(3_600));
    for _ in 0..3 {
        granted(&mut world, 0);
    }
    let (_, actions) = world.request(0);
    assert_eq!(actions, []);
}

#[test]
fn failed_starts_take_tokens_too() {
    let mut world = slow_starts();
    let instance = world.pick(0, |_| true).unwrap();
    world.tell(Event::Ended { instance });
    let (_, actions) = world.request(0);
    assert_eq!(
        actions,
        [],
        "a function that fails to start starts no faster"
    );
}

#[test]
fn warm_requests_take_nothing_from_the_burst() {
    let mut world = with(Config {
        burst_starts: 1,
        starts_per_second: 1,
        ..Config::default()
    });
    for _ in 0..10 {
        let instance = granted(&mut world, 0);
        world.release(instance);
    }
}
