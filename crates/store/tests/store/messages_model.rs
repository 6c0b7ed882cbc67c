//! Message queues against a model of them that is as simple as it can be.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_store::messages::{Changed, Message, NewMessage, Receipt, Receipted, Receive};
use proptest::prelude::*;

use crate::messages::{
    ask, count, delete, hide, make, make_with, message, queue_id, receive, redrive, send,
};
use crate::queue::at;
use crate::sample::Sample;

const RECEIVES_MAX: u32 = 3;
const TIMEOUT_MS: i64 = 30_000;

#[derive(Debug, Clone)]
enum Step {
    /// To a group, delayed by so many seconds.
    Send(u8, u8),
    /// So many, hidden for so many seconds.
    Receive(u8, u8),
    /// By one of the receipts there were.
    Delete(prop::sample::Index),
    Hide(prop::sample::Index, u8),
    Wait(u16),
    Purge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8, prop_oneof![2 => Just(0), 1 => 1..20_u8]).prop_map(|(a, b)| Step::Send(a, b)),
        6 => (1..6_u8, 0..20_u8).prop_map(|(a, b)| Step::Receive(a, b)),
        4 => any::<prop::sample::Index>().prop_map(Step::Delete),
        3 => (any::<prop::sample::Index>(), 0..20_u8).prop_map(|(a, b)| Step::Hide(a, b)),
        4 => (0..15_000_u16).prop_map(Step::Wait),
        1 => Just(Step::Purge),
        1 => Just(Step::Reopen),
    ]
}

/// A message as the model has it.
#[derive(Debug, Clone)]
struct Kept {
    number: u32,
    group: u8,
    sent: i64,
    until: i64,
    received: u32,
}

/// The model: the messages of the queue, and those that were given up.
struct Model {
    is_fifo: bool,
    kept: Vec<Kept>,
    dead: u64,
}

impl Model {
    /// Visible, in flight, delayed.
    fn count(&self, now: i64) -> (u64, u64, u64) {
        let of = |is: &dyn Fn(&&Kept) -> bool| self.kept.iter().filter(is).count() as u64;
        (
            of(&|one| one.until <= now),
            of(&|one| one.until > now && one.received > 0),
            of(&|one| one.until > now && one.received == 0),
        )
    }

    /// Those that a receive may get, the first first; of a FIFO queue in the order of each group.
    fn available(&self, now: i64) -> Vec<Kept> {
        let mut all = self.kept.clone();
        if self.is_fifo {
            let mut open: BTreeMap<u8, bool> = BTreeMap::new();
            for one in &all {
                let is_in_flight = one.received > 0 && one.until > now;
                *open.entry(one.group).or_insert(true) &= !is_in_flight;
            }
            all.retain(|one| {
                let is_open = open.get_mut(&one.group).unwrap();
                *is_open &= one.until <= now;
                *is_open
            });
            return all;
        }
        all.retain(|one| one.until <= now);
        let is_fresh = |one: &Kept| one.received == 0 && one.until == one.sent;
        all.sort_by_key(|one| (one.until, is_fresh(one), one.number));
        all
    }

    /// What a receive got is what it could get; those received too often are given up on the way.
    fn receive(&mut self, got: &[Message], wanted: usize, timeout_ms: i64, now: i64) {
        let number = |message: &Message| message.body.parse::<u32>().unwrap();
        let numbers: Vec<u32> = got.iter().map(number).collect();
        let available = self.available(now);
        if self.is_fifo {
            assert_eq!(
                numbers.len(),
                wanted.min(available.len()),
                "of {available:?}"
            );
            assert_order(&numbers, &available);
        } else {
            let (mut good, mut bad) = (Vec::new(), Vec::new());
            for one in available {
                if good.len() == wanted {
                    break;
                }
                let is_bad = one.received >= RECEIVES_MAX;
                if is_bad { &mut bad } else { &mut good }.push(one.number);
            }
            assert_eq!(numbers, good);
            self.dead += bad.len() as u64;
            self.kept.retain(|one| !bad.contains(&one.number));
        }
        for message in got {
            let number = number(message);
            let one = self
                .kept
                .iter_mut()
                .find(|one| one.number == number)
                .unwrap();
            one.received += 1;
            one.until = now + timeout_ms;
            assert_eq!(
                (message.received, message.sent),
                (one.received, at(one.sent))
            );
        }
    }
}

/// Of each group the first ones were received, in their order, and all of it before the next.
fn assert_order(numbers: &[u32], available: &[Kept]) {
    let of = |number: u32| available.iter().find(|one| one.number == number).unwrap();
    let groups: Vec<u8> = numbers.iter().map(|number| of(*number).group).collect();
    for (index, group) in groups.iter().enumerate() {
        let own = available.iter().filter(|one| one.group == *group);
        let own: Vec<u32> = own.map(|one| one.number).collect();
        let got = numbers.iter().filter(|number| of(**number).group == *group);
        let got: Vec<u32> = got.copied().collect();
        assert_eq!(got, own[..got.len()]);
        let is_last_of_group = groups.get(index + 1).is_some_and(|next| next != group);
        if is_last_of_group {
            assert_eq!(
                got.len(),
                own.len(),
                "the next group came too early: {numbers:?}"
            );
        }
    }
}

/// A store, its model, and the receipts that were handed out.
struct Both {
    sample: Sample,
    queue: &'static str,
    model: Model,
    receipts: Vec<(u32, u32, Receipt)>,
    now: i64,
    next: u32,
}

impl Both {
    async fn perform(&mut self, step: Step) {
        let (store, queue, now) = (self.sample.store.clone(), self.queue, self.now);
        match step {
            Step::Send(group, delay_secs) => {
                // Of a FIFO queue the queue says how long.
                let delay_secs = if self.model.is_fifo { 0 } else { delay_secs };
                let number = self.next;
                self.next += 1;
                let sent = NewMessage {
                    group: self.model.is_fifo.then(|| group.to_string()),
                    deduplication: self.model.is_fifo.then(|| number.to_string()),
                    delay: Some(Duration::from_secs(delay_secs.into())),
                    ..message(queue, number.to_string())
                };
                send(&store, sent, now).await.unwrap();
                self.model.kept.push(Kept {
                    number,
                    group,
                    sent: now,
                    until: now + i64::from(delay_secs) * 1_000,
                    received: 0,
                });
            }
            Step::Receive(wanted, secs) => {
                let ask = Receive {
                    visibility_timeout: Some(Duration::from_secs(secs.into())),
                    ..ask(queue, wanted.into())
                };
                let got = store
                    .messages()
                    .receive(ask, at(now))
                    .await
                    .unwrap()
                    .messages;
                let timeout_ms = i64::from(secs) * 1_000;
                self.model.receive(&got, wanted.into(), timeout_ms, now);
                let receipt =
                    |one: &Message| (one.body.parse().unwrap(), one.received, one.receipt);
                self.receipts.extend(got.iter().map(receipt));
            }
            Step::Delete(index) if !self.receipts.is_empty() => {
                let (number, received, receipt) = *index.get(&self.receipts);
                let told = delete(&store, queue, receipt, now).await;
                let is_there = self.model.kept.iter().find(|one| one.number == number);
                let is_current = is_there.is_some_and(|one| {
                    one.received == received && (!self.model.is_fifo || one.until > now)
                });
                let expected = match is_there.is_some() && !is_current && self.model.is_fifo {
                    true => Receipted::Expired,
                    false => Receipted::Done,
                };
                assert_eq!(told, expected);
                self.model
                    .kept
                    .retain(|one| one.number != number || !is_current);
            }
            Step::Hide(index, secs) if !self.receipts.is_empty() => {
                let (number, received, receipt) = *index.get(&self.receipts);
                let told = hide(&store, queue, receipt, secs.into(), now).await;
                let is_fifo = self.model.is_fifo;
                let mut kept = self.model.kept.iter_mut();
                let one = kept.find(|one| one.number == number && one.received == received);
                match one.filter(|one| !is_fifo || one.until > now) {
                    Some(one) => {
                        assert_eq!(told, Changed::Done);
                        one.until = now + i64::from(secs) * 1_000;
                    }
                    None => assert_eq!(told, Changed::Gone),
                }
            }
            Step::Delete(_) | Step::Hide(..) => {}
            Step::Wait(ms) => self.now += i64::from(ms),
            Step::Purge => {
                store.messages().purge(&queue_id(queue)).await.unwrap();
                store.messages().clear().await.unwrap();
                self.model.kept.clear();
            }
            Step::Reopen => {}
        }
    }

    fn compare(&self) {
        let store = &self.sample.store;
        assert_eq!(
            count(store, self.queue, self.now),
            self.model.count(self.now)
        );
        let (dead, ..) = count(store, dead_letters(self.queue), self.now);
        assert_eq!(dead, self.model.dead);
    }
}

fn dead_letters(queue: &str) -> &'static str {
    match queue.ends_with(".fifo") {
        true => "dead.fifo",
        false => "dead",
    }
}

async fn perform(queue: &'static str, steps: Vec<Step>) {
    let sample = Sample::at(at(0));
    make(&sample.store, dead_letters(queue)).await;
    let is_fifo = queue.ends_with(".fifo");
    make_with(&sample.store, queue, |settings| {
        settings.redrive = redrive("dead", RECEIVES_MAX).filter(|_| !is_fifo);
    })
    .await;
    let mut both = Both {
        sample,
        queue,
        model: Model {
            is_fifo,
            kept: Vec::new(),
            dead: 0,
        },
        receipts: Vec::new(),
        now: 0,
        next: 0,
    };
    for step in steps {
        if matches!(step, Step::Reopen) {
            let passed = at(both.now).as_millis() - both.sample.clock_ms();
            both.sample
                .clock
                .advance(Duration::from_millis(passed as u64));
            both.sample = both.sample.reopened().await;
        } else {
            both.perform(step).await;
        }
        both.compare();
    }
    // All that is left comes.
    let (store, mut left) = (both.sample.store.clone(), both.model.kept.len());
    both.now += 60 * 60 * 1_000;
    while left > 0 {
        let got = receive(&store, queue, 10, both.now).await;
        both.model.receive(&got, 10, TIMEOUT_MS, both.now);
        both.compare();
        for one in &got {
            assert_eq!(
                delete(&store, queue, one.receipt, both.now).await,
                Receipted::Done
            );
            let number: u32 = one.body.parse().unwrap();
            both.model.kept.retain(|kept| kept.number != number);
        }
        assert!(both.model.kept.len() < left, "{:?}", both.model.kept);
        left = both.model.kept.len();
    }
    assert_eq!(count(&store, queue, both.now), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_standard_queue_does_as_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(perform("orders", steps));
    }

    #[test]
    fn a_fifo_queue_does_as_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(perform("orders.fifo", steps));
    }
}
