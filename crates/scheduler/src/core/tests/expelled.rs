//! An account that is erased: everything of it ends, whatever it does, and nothing of another.

use kiln_types::{AccountId, InstanceId};

use super::{granted, refusals};
use crate::config::Config;
use crate::core::world::World;
use crate::core::{Action, Event};
use crate::refusal::ThrottleReason;

const MB: u64 = 1 << 20;

/// Room for three instances; the functions are of two accounts.
fn world() -> World {
    let config = Config {
        memory_budget_bytes: 3 * 128 * MB,
        ..Config::default()
    };
    World::of_accounts(config, &[(0, 128), (1, 128), (0, 128)])
}

fn expel(world: &mut World) -> Vec<Action> {
    let account = AccountId::default();
    let now = kiln_types::Clock::now(&world.clock);
    // The world knows of no such event: it would not believe that what is busy is ended.
    world.core.on(Event::Expelled { account }, now)
}

fn stopped(actions: &[Action]) -> Vec<InstanceId> {
    let stopped = actions.iter().filter_map(|action| match action {
        Action::Stop { instance } => Some(*instance),
        _ => None,
    });
    stopped.collect()
}

#[test]
fn busy_and_idle_instances_of_it_alone_are_ended_and_then_killed() {
    let mut world = world();
    let busy = granted(&mut world, 0);
    let other = granted(&mut world, 1);
    let idle = granted(&mut world, 2);
    world.release(idle);
    let mut ended = stopped(&expel(&mut world));
    ended.sort_unstable();
    assert_eq!(ended, [busy, idle]);
    let again = expel(&mut world);
    assert_eq!(stopped(&again), []);
    for instance in [busy, idle] {
        assert!(again.contains(&Action::Kill { instance }), "{again:?}");
    }
    let account = AccountId::default();
    let now = kiln_types::Clock::now(&world.clock);
    assert_eq!(world.core.instances_of(&account), 2);
    for instance in [busy, idle] {
        world.core.on(Event::Ended { instance }, now);
    }
    assert_eq!(world.core.instances_of(&account), 0);
    assert!(!world.core.is_empty(), "{other} lives");
}

#[test]
fn requests_of_it_that_wait_are_refused() {
    let mut world = world();
    for function in [0, 1, 2] {
        granted(&mut world, function);
    }
    let (waits, _) = world.request(0);
    let actions = expel(&mut world);
    let refused: Vec<_> = refusals(&actions).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].0, refused[0].1.reason),
        (waits, ThrottleReason::Draining)
    );
}
