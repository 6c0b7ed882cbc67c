//! Which idle instance is given up, by policy.

use kiln_types::InstanceId;

use super::{MB, granted, seconds};
use crate::config::Config;
use crate::core::world::World;
use crate::core::{Action, Event};
use crate::keep_alive::PolicyName;

/// A world with functions of these sizes that has no room for anything else once each has one
/// instance.
fn full(policy: PolicyName, memories: &[u64]) -> (World, Vec<InstanceId>) {
    let memory_budget_bytes = memories.iter().sum::<u64>() * MB;
    let config = Config {
        policy,
        memory_budget_bytes,
        ..Config::default()
    };
    let mut world = World::new(config, memories);
    let instances = (0..memories.len())
        .map(|function| granted(&mut world, function))
        .collect();
    (world, instances)
}

fn victim(world: &mut World) -> InstanceId {
    let actions = world.tell(Event::MemoryPressure { bytes: 1 });
    match actions[..] {
        [Action::Stop { instance }] => instance,
        _ => panic!("expected one victim, got {actions:?}"),
    }
}

/// Gives back an instance whose init took so many seconds.
fn rest(world: &mut World, instance: InstanceId, init: u64) {
    world.tell(Event::Released {
        instance,
        usable: true,
        init: Some(seconds(init)),
    });
}

#[test]
fn fixed_gives_up_the_least_recently_used() {
    let (mut world, instances) = full(PolicyName::Fixed, &[128, 128]);
    rest(&mut world, instances[1], 9);
    rest(&mut world, instances[0], 1);
    assert_eq!(victim(&mut world), instances[1]);
}

#[test]
fn greedy_dual_gives_up_what_starts_fast_though_it_was_used_last() {
    let (mut world, instances) = full(PolicyName::GreedyDual, &[128, 128]);
    rest(&mut world, instances[1], 9);
    rest(&mut world, instances[0], 1);
    assert_eq!(victim(&mut world), instances[0]);
}

#[test]
fn greedy_dual_gives_up_what_is_large() {
    let (mut world, instances) = full(PolicyName::GreedyDual, &[128, 1_024]);
    rest(&mut world, instances[1], 2);
    rest(&mut world, instances[0], 2);
    assert_eq!(victim(&mut world), instances[1]);
}

#[test]
fn greedy_dual_gives_up_what_is_called_rarely() {
    let (mut world, instances) = full(PolicyName::GreedyDual, &[128, 128]);
    rest(&mut world, instances[0], 2);
    for _ in 0..5 {
        assert_eq!(granted(&mut world, 0), instances[0]);
        world.release(instances[0]);
    }
    rest(&mut world, instances[1], 2);
    assert_eq!(victim(&mut world), instances[1]);
}

#[test]
fn greedy_dual_gives_up_in_the_end_what_was_once_worth_much() {
    let (mut world, instances) = full(PolicyName::GreedyDual, &[128, 128]);
    rest(&mut world, instances[0], 3);
    let mut other = instances[1];
    for round in 0..10 {
        rest(&mut world, other, 1);
        let gone = victim(&mut world);
        world.tell(Event::Ended { instance: gone });
        if gone == instances[0] {
            assert!(round > 0, "at first it is worth more");
            return;
        }
        other = granted(&mut world, 1);
    }
    panic!("it was kept for ever");
}

#[test]
fn adaptive_gives_up_the_instance_that_its_function_seldom_needs() {
    let (mut world, instances) = full(PolicyName::Adaptive, &[128, 128]);
    rest(&mut world, instances[0], 2);
    for _ in 0..5 {
        world.advance(seconds(60));
        assert_eq!(granted(&mut world, 0), instances[0]);
        world.release(instances[0]);
    }
    rest(&mut world, instances[1], 2);
    assert_eq!(victim(&mut world), instances[1], "though it was used last");
}
