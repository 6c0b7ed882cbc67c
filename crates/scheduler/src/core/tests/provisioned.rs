//! Instances that are kept ready.

use kiln_types::InstanceId;

use super::{granted, millis, refusal, seconds, with, with_room_for};
use crate::config::Config;
use crate::core::world::{Doing, World, grants};
use crate::core::{Action, Event};
use crate::refusal::ThrottleReason;

fn started(actions: &[Action]) -> Vec<InstanceId> {
    let started = |action: &Action| match action {
        Action::StartAhead {
            instance,
            provisioned: true,
            ..
        } => Some(*instance),
        _ => None,
    };
    actions.iter().filter_map(started).collect()
}

/// Promises a function so many instances and lets them start.
fn provided(world: &mut World, function: usize, count: u32) -> Vec<InstanceId> {
    let instances = started(&world.provision(function, count));
    for instance in &instances {
        ready(world, *instance);
    }
    instances
}

fn ready(world: &mut World, instance: InstanceId) -> Vec<Action> {
    let init = millis(5);
    world.tell(Event::Started { instance, init })
}

fn ready_count(world: &World, function: usize) -> u32 {
    world.core.readiness(&world.key(function)).unwrap().ready
}

#[test]
fn promised_instances_start_and_stay() {
    let mut world = with_room_for(10);
    let instances = provided(&mut world, 0, 3);
    assert_eq!((instances.len(), ready_count(&world, 0)), (3, 3));
    world.advance(seconds(100_000));
    assert_eq!(ready_count(&world, 0), 3, "they do not expire");
    let used = granted(&mut world, 0);
    assert!(instances.contains(&used));
    assert_eq!(started(&world.release(used)), [], "it is one of them again");
    assert_eq!(ready_count(&world, 0), 3);
}

#[test]
fn a_few_start_at_a_time() {
    let mut world = with_room_for(40);
    let mut instances = started(&world.provision(0, 20));
    assert_eq!(instances.len(), 8);
    for at in 0..20 {
        instances.extend(started(&ready(&mut world, instances[at])));
    }
    assert_eq!(instances.len(), 20);
    assert_eq!(ready_count(&world, 0), 20);
}

#[test]
fn what_comes_while_all_are_busy_spills_over() {
    let mut world = with_room_for(10);
    let instances = provided(&mut world, 0, 1);
    assert_eq!(granted(&mut world, 0), instances[0]);
    let other = granted(&mut world, 0);
    assert_ne!(other, instances[0]);
    assert_eq!(world.core.statistics().total().counts.spilled, 1);
    // The provisioned one is used first whatever came back last.
    world.release(instances[0]);
    world.release(other);
    assert_eq!(granted(&mut world, 0), instances[0]);
}

#[test]
fn neither_pressure_nor_another_s_need_ends_them() {
    let mut world = with_room_for(2);
    let instances = provided(&mut world, 0, 1);
    let ordinary = granted(&mut world, 1);
    world.release(ordinary);
    let stopped = world.tell(Event::MemoryPressure { bytes: u64::MAX });
    let ordinary = Action::Stop { instance: ordinary };
    assert_eq!(stopped, [ordinary]);
    assert!(matches!(world.doing(instances[0]), Some(Doing::Idle(..))));
}

#[test]
fn they_go_before_idle_instances_and_before_who_waits() {
    let mut world = with_room_for(1);
    let ordinary = granted(&mut world, 1);
    world.release(ordinary);
    let stopped = world.provision(0, 1);
    assert_eq!(stopped, [Action::Stop { instance: ordinary }]);
    let (_, waits) = world.request(1);
    assert_eq!(waits, []);
    let after = world.tell(Event::Ended { instance: ordinary });
    assert_eq!(started(&after).len(), 1, "{after:?}");
}

#[test]
fn lack_of_memory_is_told_and_ends_when_there_is_some() {
    let mut world = with_room_for(1);
    let busy = granted(&mut world, 1);
    assert_eq!(world.provision(0, 1), []);
    let readiness = world.core.readiness(&world.key(0)).unwrap();
    assert!(readiness.lacks_memory);
    world.release(busy);
    let after = world.tell(Event::Ended { instance: busy });
    assert_eq!(started(&after).len(), 1);
    let readiness = world.core.readiness(&world.key(0)).unwrap();
    assert!(!readiness.lacks_memory);
}

#[test]
fn one_that_ends_is_replaced_at_once_after_use_and_after_a_pause_before() {
    let mut world = with_room_for(10);
    let instances = provided(&mut world, 0, 1);
    let used = granted(&mut world, 0);
    assert_eq!(used, instances[0]);
    let replaced = started(&world.tell(Event::Ended { instance: used }));
    assert_eq!(replaced.len(), 1);
    let mut failing = replaced[0];
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        let after = world.tell(Event::Ended { instance: failing });
        assert_eq!(started(&after), []);
        assert_eq!(world.advance(seconds(pause) - millis(1)), []);
        let again = started(&world.advance(millis(1)));
        assert_eq!(again.len(), 1, "after {pause} s");
        failing = again[0];
    }
    let readiness = world.core.readiness(&world.key(0)).unwrap();
    assert_eq!((readiness.ready, readiness.failures), (0, 8));
    ready(&mut world, failing);
    let readiness = world.core.readiness(&world.key(0)).unwrap();
    assert_eq!((readiness.ready, readiness.failures), (1, 0));
}

#[test]
fn a_smaller_promise_leaves_ordinary_instances() {
    let mut world = with_room_for(10);
    let instances = provided(&mut world, 0, 3);
    assert_eq!(world.provision(0, 1), []);
    assert_eq!(ready_count(&world, 0), 1);
    let stopped = world.tell(Event::MemoryPressure { bytes: u64::MAX });
    assert_eq!(stopped.len(), 2);
    // One that is busy becomes ordinary when it comes back.
    assert!(instances.contains(&granted(&mut world, 0)));
    assert_eq!(world.provision(0, 0), []);
    assert_eq!(world.core.readiness(&world.key(0)), None);
}

#[test]
fn concurrency_that_is_provisioned_is_taken_from_everybody_else() {
    let mut world = with(Config {
        account_concurrency: 3,
        ..Config::default()
    });
    provided(&mut world, 0, 2);
    granted(&mut world, 1);
    assert_eq!(refusal(&mut world, 1), ThrottleReason::AccountConcurrency);
    granted(&mut world, 0);
    let last = granted(&mut world, 0);
    assert_eq!(refusal(&mut world, 0), ThrottleReason::AccountConcurrency);
    world.release(last);
    granted(&mut world, 0);
    // A function with a reservation takes them out of that.
    world.set_reserved(0, Some(2));
    assert_eq!(refusal(&mut world, 0), ThrottleReason::ReservedConcurrency);
    assert_eq!(refusal(&mut world, 1), ThrottleReason::AccountConcurrency);
}

#[test]
fn a_deleted_function_keeps_none() {
    let mut world = with_room_for(10);
    let instances = provided(&mut world, 0, 2);
    let function = world.functions[0].id.clone();
    let stopped = world.tell(Event::Retired {
        function,
        keep: None,
    });
    let stops = instances.iter().map(|id| Action::Stop { instance: *id });
    assert_eq!(stopped, stops.collect::<Vec<_>>());
}

#[test]
fn who_waits_gets_one_that_becomes_ready() {
    let mut world = with_room_for(1);
    let starting = started(&world.provision(0, 1))[0];
    let (ticket, waits) = world.request(0);
    assert_eq!(waits, []);
    assert_eq!(grants(&ready(&mut world, starting)), [(ticket, starting)]);
    world.close();
}
