//! Each rule alone. That they hold together, in any order, is for [`super::properties`].

mod ahead;
mod expelled;
mod late_binding;
mod policies;
mod provisioned;
mod slots;
mod starts;

use std::time::Duration;

use kiln_types::{InstanceId, RevisionId};

use super::world::{Doing, World, grants, refusals};
use super::{Action, Event};
use crate::config::Config;
use crate::refusal::ThrottleReason;

const MB: u64 = 1 << 20;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server with room for this many instances of 128 MB, and three functions of that size.
fn with_room_for(instances: u64) -> World {
    let memory_budget_bytes = instances * 128 * MB;
    World::new(
        Config {
            memory_budget_bytes,
            ..Config::default()
        },
        &[128, 128, 128],
    )
}

fn with(config: Config) -> World {
    World::new(config, &[128, 128, 128])
}

/// Requests and gives the instance that is granted at once.
fn granted(world: &mut World, function: usize) -> InstanceId {
    let (ticket, actions) = world.request(function);
    match grants(&actions).as_slice() {
        [(granted, instance)] if *granted == ticket => *instance,
        _ => panic!("expected a grant at once, got {actions:?}"),
    }
}

fn refusal(world: &mut World, function: usize) -> ThrottleReason {
    let (ticket, actions) = world.request(function);
    match refusals(&actions).collect::<Vec<_>>().as_slice() {
        [(refused, why)] if *refused == ticket => why.reason,
        _ => panic!("expected a refusal at once, got {actions:?}"),
    }
}

#[test]
fn first_request_starts_an_instance_and_goes_into_it_with_its_init() {
    let mut world = with_room_for(2);
    let (ticket, actions) = world.request(0);
    let instance = InstanceId(1);
    assert_eq!(
        actions,
        [
            Action::Start {
                instance,
                like: ticket,
                bound: true
            },
            Action::Grant {
                ticket,
                instance,
                provisioned: false
            }
        ]
    );
}

#[test]
fn most_recently_used_idle_instance_is_taken_first() {
    let mut world = with_room_for(3);
    let first = granted(&mut world, 0);
    let second = granted(&mut world, 0);
    world.release(second);
    world.release(first);
    assert_eq!(granted(&mut world, 0), first);
    assert_eq!(granted(&mut world, 0), second);
}

#[test]
fn idle_instance_of_another_function_is_not_taken() {
    let mut world = with_room_for(2);
    let first = granted(&mut world, 0);
    world.release(first);
    assert_ne!(granted(&mut world, 1), first);
}

#[test]
fn reserved_concurrency_is_the_functions_limit() {
    let mut world = with_room_for(4);
    world.set_reserved(0, Some(1));
    let instance = granted(&mut world, 0);
    assert_eq!(refusal(&mut world, 0), ThrottleReason::ReservedConcurrency);
    world.release(instance);
    assert_eq!(granted(&mut world, 0), instance);
}

#[test]
fn a_reservation_counts_from_the_next_request_on_before_it_is_told() {
    let mut world = with_room_for(4);
    let first = granted(&mut world, 0);
    world.functions[0].reserved = Some(1);
    assert_eq!(refusal(&mut world, 0), ThrottleReason::ReservedConcurrency);
    world.functions[0].reserved = Some(2);
    let second = granted(&mut world, 0);
    world.functions[0].reserved = None;
    let third = granted(&mut world, 0);
    for instance in [first, second, third] {
        world.release(instance);
    }
}

#[test]
fn reserved_concurrency_of_zero_stops_a_function() {
    let mut world = with_room_for(4);
    world.set_reserved(0, Some(0));
    assert_eq!(refusal(&mut world, 0), ThrottleReason::ReservedConcurrency);
}

#[test]
fn reservations_of_functions_nobody_called_reduce_what_others_may_use() {
    let mut world = with(Config {
        account_concurrency: 3,
        ..Config::default()
    });
    world.set_reserved(2, Some(2));
    granted(&mut world, 0);
    assert_eq!(refusal(&mut world, 1), ThrottleReason::AccountConcurrency);
    granted(&mut world, 2);
}

#[test]
fn account_limit_can_be_raised_while_it_refuses() {
    let mut world = with(Config {
        account_concurrency: 1,
        ..Config::default()
    });
    granted(&mut world, 0);
    assert_eq!(refusal(&mut world, 0), ThrottleReason::AccountConcurrency);
    world.set_account_limit(2);
    granted(&mut world, 0);
}

#[test]
fn least_recently_used_idle_instance_makes_room_for_a_new_one() {
    let mut world = with_room_for(2);
    let old = granted(&mut world, 0);
    let new = granted(&mut world, 1);
    world.release(old);
    world.release(new);
    let (ticket, actions) = world.request(2);
    assert_eq!(actions, [Action::Stop { instance: old }]);
    let actions = world.tell(Event::Ended { instance: old });
    assert_eq!(grants(&actions)[0].0, ticket);
    assert!(matches!(world.doing(new), Some(Doing::Idle(..))));
}

#[test]
fn nothing_idle_is_given_up_when_it_would_not_make_enough_room() {
    let memory_budget_bytes = 512 * MB;
    let mut world = World::new(
        Config {
            memory_budget_bytes,
            ..Config::default()
        },
        &[128, 512],
    );
    let idle = granted(&mut world, 0);
    granted(&mut world, 0);
    world.release(idle);
    let (_, actions) = world.request(1);
    assert_eq!(actions, []);
}

#[test]
fn request_waits_for_memory_a_bounded_time_and_is_refused_then() {
    let mut world = with_room_for(1);
    granted(&mut world, 0);
    let (ticket, actions) = world.request(1);
    assert_eq!(actions, []);
    assert_eq!(
        world.core.deadline(),
        world.waits().next().map(|(_, since)| since + seconds(1))
    );
    assert_eq!(world.advance(millis(999)), []);
    let actions = world.advance(millis(1));
    let (refused, why) = refusals(&actions).next().unwrap();
    assert_eq!((refused, why.reason), (ticket, ThrottleReason::Capacity));
}

#[test]
fn function_larger_than_the_server_is_refused_at_once() {
    let memory_budget_bytes = 256 * MB;
    let mut world = World::new(
        Config {
            memory_budget_bytes,
            ..Config::default()
        },
        &[512],
    );
    assert_eq!(refusal(&mut world, 0), ThrottleReason::TooLarge);
}

#[test]
fn functions_that_wait_for_memory_take_turns() {
    let mut world = with_room_for(2);
    let (a, b) = (granted(&mut world, 0), granted(&mut world, 0));
    let many: Vec<_> = (0..3).map(|_| world.request(1).0).collect();
    let (few, _) = world.request(2);
    // Both come back useless, one after the other.
    for instance in [a, b] {
        world.tell(Event::Released {
            instance,
            usable: false,
            init: None,
        });
    }
    let first = world.tell(Event::Ended { instance: a });
    assert_eq!(grants(&first)[0].0, many[0]);
    let second = world.tell(Event::Ended { instance: b });
    assert_eq!(
        grants(&second)[0].0,
        few,
        "its turn, though two others asked before"
    );
}

#[test]
fn large_function_is_not_overtaken_by_small_ones() {
    let memory_budget_bytes = 512 * MB;
    let mut world = World::new(
        Config {
            memory_budget_bytes,
            ..Config::default()
        },
        &[256, 512, 128],
    );
    let instance = granted(&mut world, 0);
    let (large, _) = world.request(1);
    let (_, actions) = world.request(2);
    assert_eq!(actions, [], "128 MB are free, but the large one was first");
    world.release(instance);
    let actions = world.tell(Event::Ended { instance });
    assert_eq!(grants(&actions)[0].0, large);
}

#[test]
fn busy_function_yields_to_one_that_has_waited_long_enough() {
    let mut world = with_room_for(1);
    let instance = granted(&mut world, 0);
    let (other, _) = world.request(1);
    let (own, _) = world.request(0);
    // At first the instance stays with its function, which saves a start.
    assert_eq!(grants(&world.release(instance)), [(own, instance)]);
    world.request(0);
    world.advance(millis(100));
    assert_eq!(world.release(instance), [Action::Stop { instance }]);
    let actions = world.tell(Event::Ended { instance });
    assert_eq!(grants(&actions)[0].0, other);
}

#[test]
fn equally_served_functions_do_not_take_each_others_instances_in_turns() {
    let mut world = with_room_for(2);
    let (a, b) = (granted(&mut world, 0), granted(&mut world, 1));
    let (wants_a, wants_b) = (world.request(0).0, world.request(1).0);
    world.advance(millis(500));
    assert_eq!(grants(&world.release(b)), [(wants_b, b)]);
    assert_eq!(grants(&world.release(a)), [(wants_a, a)]);
}

#[test]
fn idle_instance_is_frozen_after_the_grace_and_ended_after_keep_alive() {
    let mut world = with(Config {
        keep_alive: Some(seconds(600)),
        ..Config::default()
    });
    let instance = granted(&mut world, 0);
    world.release(instance);
    assert_eq!(world.advance(millis(249)), []);
    assert_eq!(world.advance(millis(1)), [Action::Freeze { instance }]);
    assert_eq!(world.advance(seconds(599)), []);
    assert_eq!(world.advance(seconds(1)), [Action::Stop { instance }]);
}

#[test]
fn instance_used_within_the_grace_is_never_frozen() {
    let mut world = with_room_for(1);
    let instance = granted(&mut world, 0);
    for _ in 0..5 {
        world.release(instance);
        assert_eq!(world.advance(millis(200)), []);
        assert_eq!(granted(&mut world, 0), instance);
        assert_eq!(world.advance(millis(200)), []);
    }
}

#[test]
fn new_revision_ends_idle_instances_at_once_and_busy_ones_when_they_come_back() {
    let mut world = with_room_for(4);
    let (idle, busy) = (granted(&mut world, 0), granted(&mut world, 0));
    world.release(idle);
    assert_eq!(world.update(0), [Action::Stop { instance: idle }]);
    let new = granted(&mut world, 0);
    assert_eq!(world.release(busy), [Action::Stop { instance: busy }]);
    world.release(new);
    assert_eq!(granted(&mut world, 0), new);
}

#[test]
fn memory_pressure_ends_the_coldest_idle_instances_only() {
    let mut world = with_room_for(4);
    let instances = [0, 1, 2].map(|function| granted(&mut world, function));
    world.release(instances[1]);
    world.release(instances[0]);
    let actions = world.tell(Event::MemoryPressure { bytes: 100 * MB });
    assert_eq!(
        actions,
        [Action::Stop {
            instance: instances[1]
        }]
    );
    let actions = world.tell(Event::MemoryPressure { bytes: 1 << 40 });
    assert_eq!(
        actions,
        [Action::Stop {
            instance: instances[0]
        }]
    );
}

#[test]
fn concurrency_of_a_crashed_invocation_is_free_at_once() {
    let mut world = with_room_for(2);
    world.set_reserved(0, Some(1));
    let instance = granted(&mut world, 0);
    world.tell(Event::Ended { instance });
    granted(&mut world, 0);
    assert_eq!(
        world.release(instance),
        [],
        "the late return changes nothing"
    );
    assert_eq!(refusal(&mut world, 0), ThrottleReason::ReservedConcurrency);
}

#[test]
fn draining_refuses_who_waits_and_ends_what_comes_back() {
    let mut world = with_room_for(2);
    let (idle, busy) = (granted(&mut world, 0), granted(&mut world, 1));
    world.release(idle);
    // Evicts the idle one and waits for its end.
    let (waits, _) = world.request(2);
    let actions = world.tell(Event::Drain);
    let (refused, why) = refusals(&actions).next().unwrap();
    assert_eq!((refused, why.reason), (waits, ThrottleReason::Draining));
    assert_eq!(world.release(busy), [Action::Stop { instance: busy }]);
    let (_, actions) = world.request(0);
    assert_eq!(
        refusals(&actions).next().unwrap().1.reason,
        ThrottleReason::Draining
    );
    world.close();
}

#[test]
fn halting_ends_even_busy_instances() {
    let mut world = with_room_for(1);
    let instance = granted(&mut world, 0);
    world.tell(Event::Drain);
    assert_eq!(
        world.tell(Event::Halt),
        [Action::Stop { instance }, Action::Kill { instance }]
    );
}

#[test]
fn abandoned_request_leaves_its_place_to_the_next() {
    let mut world = with_room_for(1);
    let instance = granted(&mut world, 0);
    let (first, _) = world.request(0);
    let (second, _) = world.request(0);
    world.tell(Event::Abandoned { ticket: first });
    assert_eq!(grants(&world.release(instance)), [(second, instance)]);
}

#[test]
fn deleted_function_leaves_nothing_behind() {
    let mut world = with_room_for(2);
    let instance = granted(&mut world, 0);
    world.release(instance);
    let function = world.functions[0].id.clone();
    world.tell(Event::Retired {
        function,
        keep: None,
    });
    world.tell(Event::Ended { instance });
    assert!(world.core.statistics().functions.is_empty());
}

#[test]
fn late_request_does_not_revive_a_deleted_function() {
    let mut world = with(Config {
        account_concurrency: 1,
        ..Config::default()
    });
    world.set_reserved(0, Some(1));
    let before = granted(&mut world, 0);
    world.functions[0].reserved = None;
    let function = world.functions[0].id.clone();
    world.tell(Event::Retired {
        function,
        keep: None,
    });
    // Its reservation is gone, and what it runs counts as any other's.
    assert_eq!(refusal(&mut world, 1), ThrottleReason::AccountConcurrency);
    world.release(before);
    let late = granted(&mut world, 0);
    assert_eq!(
        world.release(late),
        [Action::Stop { instance: late }],
        "it is not kept"
    );
    for instance in [before, late] {
        world.tell(Event::Ended { instance });
    }
    assert!(world.core.function_of.len() < 2, "it is forgotten");
    granted(&mut world, 1);
}

#[test]
fn function_made_again_keeps_its_instances() {
    let mut world = with_room_for(2);
    let busy = granted(&mut world, 0);
    let function = world.functions[0].id.clone();
    world.tell(Event::Retired {
        function: function.clone(),
        keep: None,
    });
    // A request of the new one is faster than the news of it.
    let keep = RevisionId::random();
    world.functions[0].revision = keep;
    let instance = granted(&mut world, 0);
    world.set_reserved(0, None);
    world.tell(Event::Retired {
        function,
        keep: Some(keep),
    });
    assert_eq!(world.release(instance), []);
    assert_eq!(world.release(busy), [Action::Stop { instance: busy }]);
}
