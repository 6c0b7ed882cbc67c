//! Whatever happens in whatever order, the rules of [`super::world`] hold.

use std::time::Duration;

use kiln_types::{FunctionId, Slots};
use proptest::collection::vec;
use proptest::prelude::*;

use super::Event;
use super::world::{Doing, World};
use crate::config::Config;
use crate::keep_alive::PolicyName;

#[derive(Debug, Clone)]
enum Op {
    Request(usize),
    Release(usize, bool, u64),
    Ready(usize, u64),
    End(usize),
    Stopped(usize),
    Abandon(usize),
    Advance(u64),
    Update(usize),
    Delete(usize),
    Reserve(usize, Option<u32>),
    AccountLimit(u32),
    Pressure(u64),
    Expect(usize, u64),
    Provision(usize, u32),
}

const FUNCTIONS: [u64; 4] = [128, 128, 256, 512];

fn op() -> impl Strategy<Value = Op> {
    let function = 0..FUNCTIONS.len();
    let any = 0..64usize;
    prop_oneof![
        12 => function.clone().prop_map(Op::Request),
        8 => (any.clone(), prop::bool::weighted(0.9), 0..60u64)
            .prop_map(|(n, usable, init)| Op::Release(n, usable, init)),
        4 => (any.clone(), 0..60u64).prop_map(|(n, init)| Op::Ready(n, init)),
        1 => any.clone().prop_map(Op::End),
        6 => any.clone().prop_map(Op::Stopped),
        1 => any.prop_map(Op::Abandon),
        4 => prop_oneof![0..40u64, 100..1500u64, 600_000..700_000u64].prop_map(Op::Advance),
        1 => function.clone().prop_map(Op::Update),
        1 => function.clone().prop_map(Op::Delete),
        1 => (function, prop::option::of(0..4u32)).prop_map(|(f, r)| Op::Reserve(f, r)),
        1 => (4..20u32).prop_map(Op::AccountLimit),
        1 => (0..600u64).prop_map(Op::Pressure),
        2 => (0..FUNCTIONS.len(), 0..3_000u64).prop_map(|(f, after)| Op::Expect(f, after)),
        2 => (0..FUNCTIONS.len(), 0..5u32).prop_map(|(f, count)| Op::Provision(f, count)),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    (
        512..3000u64,
        1..16usize,
        2..20u32,
        prop::option::of(0..40u64),
        prop::sample::select(PolicyName::ALL.to_vec()),
    )
        .prop_map(|(memory_mb, instances_max, burst, late, policy)| Config {
            policy,
            memory_budget_bytes: memory_mb << 20,
            instances_max,
            account_concurrency: 12,
            burst_starts: burst,
            starts_per_second: 10,
            late_binding_from: late.map(Duration::from_millis),
            ..Config::default()
        })
}

fn run(world: &mut World, op: Op) {
    let busy = |doing| doing == Doing::Busy;
    match op {
        Op::Request(function) => {
            world.request(function);
        }
        Op::Release(n, usable, init) => {
            if let Some(instance) = world.pick(n, busy) {
                let init = (init > 30).then(|| Duration::from_millis(init));
                world.tell(Event::Released {
                    instance,
                    usable,
                    init,
                });
            }
        }
        Op::Ready(n, init) => {
            if let Some(instance) = world.pick(n, |doing| doing == Doing::Starting) {
                let init = Duration::from_millis(init);
                world.tell(Event::Started { instance, init });
            }
        }
        Op::End(n) => {
            if let Some(instance) = world.pick(n, |_| true) {
                world.tell(Event::Ended { instance });
            }
        }
        Op::Stopped(n) => {
            if let Some(instance) = world.pick(n, |doing| doing == Doing::Stopping) {
                world.tell(Event::Ended { instance });
            }
        }
        Op::Abandon(n) => {
            if let Some(ticket) = world.pick_waiting(n) {
                world.tell(Event::Abandoned { ticket });
            }
        }
        Op::Advance(ms) => {
            world.advance(Duration::from_millis(ms));
        }
        Op::Update(function) => {
            world.update(function);
        }
        Op::Delete(function) => {
            world.functions[function].reserved = None;
            let function: FunctionId = world.functions[function].id.clone();
            world.tell(Event::Retired {
                function,
                keep: None,
            });
        }
        Op::Reserve(function, reserved) => world.set_reserved(function, reserved),
        Op::AccountLimit(limit) => world.set_account_limit(limit),
        Op::Expect(function, after) => {
            world.expect(function, Duration::from_millis(after));
        }
        Op::Provision(function, count) => {
            world.provision(function, count);
        }
        Op::Pressure(mb) => {
            world.tell(Event::MemoryPressure { bytes: mb << 20 });
        }
    }
}

/// How many invocations instances of each function take at a time.
fn slots() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![2 => Just(1u64), 1 => 2..5u64], FUNCTIONS.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_rules_hold_whatever_happens(
        config in config(),
        slots in slots(),
        ops in vec(op(), 1..200),
    ) {
        let mut world = World::new(config, &FUNCTIONS);
        for (function, slots) in world.functions.iter_mut().zip(slots) {
            function.slots = Slots::new(slots).unwrap();
        }
        for op in ops {
            run(&mut world, op);
        }
        world.close();
    }
}
