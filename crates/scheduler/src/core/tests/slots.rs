//! Instances that several requests have at a time.

use kiln_types::Slots;

use super::*;

/// Room for so many instances, of which those of the first function take so many invocations.
fn sharing(instances: u64, slots: u64) -> World {
    let mut world = with_room_for(instances);
    world.functions[0].slots = Slots::new(slots).unwrap();
    world
}

#[test]
fn requests_share_an_instance_up_to_its_places() {
    let mut world = sharing(4, 3);
    let first = granted(&mut world, 0);
    assert_eq!(granted(&mut world, 0), first, "also while it starts");
    assert_eq!(granted(&mut world, 0), first);
    let second = granted(&mut world, 0);
    assert_ne!(second, first);
    assert_eq!(granted(&mut world, 0), second);
    assert_eq!(world.count(|doing| doing == Doing::Busy), 2);
    world.close();
}

#[test]
fn a_place_beside_others_goes_before_an_idle_instance() {
    let mut world = sharing(4, 2);
    let ids: Vec<_> = (0..4).map(|_| granted(&mut world, 0)).collect();
    let (first, second) = (ids[0], ids[2]);
    world.release(first);
    world.release(first);
    world.release(second);
    assert_eq!(granted(&mut world, 0), second);
    assert_eq!(granted(&mut world, 0), first);
}

#[test]
fn the_fullest_instance_with_a_place_is_taken_so_that_others_become_idle() {
    let mut world = sharing(4, 4);
    let ids: Vec<_> = (0..8).map(|_| granted(&mut world, 0)).collect();
    let (first, second) = (ids[0], ids[4]);
    for instance in [first, second, second, second] {
        world.release(instance);
    }
    assert_eq!(granted(&mut world, 0), first);
    assert_eq!(granted(&mut world, 0), second);
}

#[test]
fn an_instance_is_idle_when_nobody_has_it() {
    let mut world = sharing(2, 2);
    let instance = granted(&mut world, 0);
    granted(&mut world, 0);
    world.release(instance);
    assert_eq!(world.doing(instance), Some(Doing::Busy));
    assert_eq!(world.advance(seconds(10_000)), []);
    world.release(instance);
    assert!(matches!(world.doing(instance), Some(Doing::Idle(..))));
}

#[test]
fn an_instance_that_cannot_be_used_again_ends_after_the_neighbours() {
    let mut world = sharing(4, 3);
    let instance = granted(&mut world, 0);
    granted(&mut world, 0);
    granted(&mut world, 0);
    let unusable = Event::Released {
        instance,
        usable: false,
        init: None,
    };
    assert_eq!(world.tell(unusable), []);
    let other = granted(&mut world, 0);
    assert_ne!(other, instance, "it is given to nobody");
    assert_eq!(world.release(instance), []);
    assert_eq!(world.release(instance), [Action::Stop { instance }]);
    world.close();
}

#[test]
fn an_instance_that_is_lost_gives_back_all_of_its_places() {
    let mut world = sharing(4, 3);
    world.set_reserved(0, Some(3));
    let instance = granted(&mut world, 0);
    granted(&mut world, 0);
    granted(&mut world, 0);
    let limit = ThrottleReason::ReservedConcurrency;
    assert_eq!(refusal(&mut world, 0), limit, "it counts invocations");
    world.tell(Event::Ended { instance });
    assert_eq!(world.in_flight(0), 0);
    for _ in 0..3 {
        granted(&mut world, 0);
    }
    assert_eq!(refusal(&mut world, 0), limit);
}

#[test]
fn one_start_serves_as_many_who_wait_as_it_has_places() {
    let mut world = sharing(1, 3);
    let other = granted(&mut world, 1);
    let tickets: Vec<_> = (0..4).map(|_| world.request(0).0).collect();
    world.release(other);
    let actions = world.tell(Event::Ended { instance: other });
    let granted: Vec<_> = grants(&actions).iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(granted, tickets[..3]);
}

#[test]
fn a_shared_instance_that_is_never_idle_yields_to_who_has_waited_too_long() {
    let mut world = sharing(1, 2);
    let shared = granted(&mut world, 0);
    granted(&mut world, 0);
    let (waits, _) = world.request(1);
    world.advance(world.config.yield_after);
    assert_eq!(world.release(shared), []);
    world.request(0);
    assert_eq!(world.release(shared), [Action::Stop { instance: shared }]);
    let actions = world.tell(Event::Ended { instance: shared });
    assert_eq!(grants(&actions)[0].0, waits);
}
