//! Instances that are started ahead of need.

use kiln_types::InstanceId;

use super::{granted, millis, seconds, with, with_room_for};
use crate::config::Config;
use crate::core::world::{Doing, World, grants};
use crate::core::{Action, Event};
use crate::keep_alive::PolicyName;

fn started_ahead(actions: &[Action]) -> Option<InstanceId> {
    actions.iter().find_map(|action| match action {
        Action::StartAhead { instance, .. } => Some(*instance),
        _ => None,
    })
}

fn ready(world: &mut World, instance: InstanceId) {
    world.tell(Event::Started {
        instance,
        init: millis(5),
    });
}

fn is_idle(world: &World, instance: InstanceId) -> bool {
    matches!(world.doing(instance), Some(Doing::Idle(..)))
}

#[test]
fn announced_request_finds_an_instance_ready() {
    let mut world = with_room_for(1);
    world.expect(0, seconds(3_600));
    assert_eq!(world.advance(seconds(3_599)), []);
    let instance = started_ahead(&world.advance(millis(500))).unwrap();
    ready(&mut world, instance);
    world.advance(millis(500));
    assert_eq!(granted(&mut world, 0), instance);
    let counts = world.core.statistics().total().counts;
    assert_eq!((counts.ahead, counts.ahead_used), (1, 1));
}

#[test]
fn instance_whose_request_does_not_come_ends() {
    let mut world = with_room_for(1);
    world.expect(0, seconds(60));
    let instance = started_ahead(&world.advance(seconds(60))).unwrap();
    ready(&mut world, instance);
    world.advance(seconds(29));
    assert!(is_idle(&world, instance), "the request may be late");
    assert_eq!(world.advance(seconds(1)), [Action::Stop { instance }]);
    let key = world.key(0);
    assert_eq!(
        world.tell(Event::Ended { instance }),
        [Action::Forget { key }]
    );
}

#[test]
fn idle_instance_is_kept_for_an_announced_request_instead_of_starting_another() {
    let mut world = with(Config {
        policy: PolicyName::Fixed,
        keep_alive: Some(seconds(60)),
        ..Config::default()
    });
    let instance = granted(&mut world, 0);
    world.release(instance);
    world.expect(0, seconds(60));
    assert_eq!(started_ahead(&world.advance(millis(59_500))), None);
    world.advance(seconds(30));
    assert!(is_idle(&world, instance));
}

#[test]
fn nothing_is_started_ahead_when_memory_is_short() {
    let mut world = with_room_for(1);
    let instance = granted(&mut world, 1);
    world.release(instance);
    world.expect(0, seconds(10));
    assert_eq!(started_ahead(&world.advance(seconds(10))), None);
    assert!(is_idle(&world, instance), "nobody was evicted for it");
}

#[test]
fn new_revision_forgets_what_was_announced_for_the_old_one() {
    let mut world = with_room_for(1);
    world.expect(0, seconds(10));
    let key = world.key(0);
    assert_eq!(world.update(0), [Action::Forget { key }]);
    assert_eq!(world.advance(seconds(10)), []);
}

#[test]
fn request_that_comes_while_an_instance_starts_ahead_takes_that_one() {
    let mut world = with_room_for(2);
    world.expect(0, seconds(10));
    let instance = started_ahead(&world.advance(seconds(10))).unwrap();
    let (ticket, actions) = world.request(0);
    assert_eq!(actions, []);
    let actions = world.tell(Event::Started {
        instance,
        init: millis(5),
    });
    assert_eq!(grants(&actions), [(ticket, instance)]);
}

#[test]
fn periodic_function_is_started_ahead_and_kept_no_longer_than_needed() {
    let mut world = with(Config {
        policy: PolicyName::Histogram,
        ..Config::default()
    });
    for _ in 0..4 {
        let instance = granted(&mut world, 0);
        world.release(instance);
        world.advance(seconds(1_800));
        world.tell(Event::Ended { instance });
    }
    let instance = granted(&mut world, 0);
    world.release(instance);
    world.advance(seconds(1));
    assert_eq!(world.advance(seconds(59)), [Action::Stop { instance }]);
    world.tell(Event::Ended { instance });
    assert_eq!(world.advance(seconds(1_559)), []);
    let ahead = started_ahead(&world.advance(seconds(1))).unwrap();
    ready(&mut world, ahead);
    world.advance(seconds(180));
    assert_eq!(granted(&mut world, 0), ahead);
}
