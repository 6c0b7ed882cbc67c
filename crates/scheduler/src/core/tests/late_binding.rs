//! Functions with a long init: a request takes whichever is first, its own new instance or one that
//! comes back.

use kiln_types::InstanceId;

use super::{granted, seconds, with_room_for};
use crate::core::world::{Doing, World, grants};
use crate::core::{Action, Event};

/// A function whose init is known to take 3 s, with one busy instance.
fn slow_starter() -> (World, InstanceId) {
    let mut world = with_room_for(4);
    let instance = granted(&mut world, 0);
    world.tell(Event::Released {
        instance,
        usable: true,
        init: Some(seconds(3)),
    });
    assert_eq!(granted(&mut world, 0), instance);
    (world, instance)
}

#[test]
fn request_takes_an_instance_that_comes_back_before_its_own_has_started() {
    let (mut world, busy) = slow_starter();
    let (ticket, actions) = world.request(0);
    let [
        Action::Start {
            instance: own,
            bound: false,
            ..
        },
    ] = actions[..]
    else {
        panic!("expected an unbound start, got {actions:?}");
    };
    assert_eq!(grants(&world.release(busy)), [(ticket, busy)]);
    world.tell(Event::Started {
        instance: own,
        init: seconds(3),
    });
    assert_eq!(granted(&mut world, 0), own, "what was started is not lost");
}

#[test]
fn request_takes_a_start_that_nobody_waits_for_any_more() {
    let (mut world, busy) = slow_starter();
    world.request(0);
    world.release(busy);
    let (ticket, actions) = world.request(0);
    assert_eq!(actions, [], "an instance is starting already");
    let instance = world.pick(0, |doing| doing == Doing::Starting).unwrap();
    let actions = world.tell(Event::Started {
        instance,
        init: seconds(3),
    });
    assert_eq!(grants(&actions), [(ticket, instance)]);
}

#[test]
fn started_instance_goes_to_who_waits_longest() {
    let (mut world, _) = slow_starter();
    let (first, actions) = world.request(0);
    let (second, _) = world.request(0);
    let Action::Start { instance, .. } = actions[0] else {
        panic!("got {actions:?}")
    };
    let actions = world.tell(Event::Started {
        instance,
        init: seconds(3),
    });
    assert_eq!(grants(&actions), [(first, instance)]);
    assert_eq!(
        world.waits().map(|(ticket, _)| ticket).collect::<Vec<_>>(),
        [second]
    );
}

#[test]
fn failed_start_is_repeated_bound_so_that_somebody_learns_why() {
    let (mut world, _) = slow_starter();
    let (ticket, actions) = world.request(0);
    let Action::Start { instance, .. } = actions[0] else {
        panic!("got {actions:?}")
    };
    let actions = world.tell(Event::Ended { instance });
    assert!(matches!(actions[0], Action::Start { bound: true, .. }));
    assert_eq!(grants(&actions)[0].0, ticket);
}

#[test]
fn request_with_an_instance_on_its_way_has_no_deadline() {
    let (mut world, _) = slow_starter();
    world.request(0);
    assert_eq!(world.advance(seconds(5)), []);
}
