//! Mappings of message queues, with a queue that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_types::MappingState;
use tokio::sync::Notify;

use super::A_WHILE;
use super::rig::{Answer, Rig, queue_mapping};
use crate::messages::{Message, MessageSource, Wanted};
use crate::source::{Task, Trouble};

/// Messages from this number on are of a group: the even ones of one, the odd ones of another.
const FIRST_OF_GROUPS: u64 = 100;

/// A message queue in memory. A message that was taken and not settled stays away.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<u64>>,
    hidden_for: Mutex<Duration>,
    /// Messages that somebody else has by the time they are hidden again.
    lost: Mutex<Vec<u64>>,
    /// How long the document of a message is at least.
    document_bytes: Mutex<usize>,
    arrived: Notify,
    refusal: Mutex<Option<String>>,
    done: Mutex<Vec<u64>>,
    hidden: Mutex<Vec<u64>>,
    given_back: Mutex<Vec<u64>>,
}

impl Queue {
    fn send(&self, numbers: impl IntoIterator<Item = u64>) {
        self.waiting.lock().unwrap().extend(numbers);
        self.arrived.notify_waiters();
    }

    fn done(&self) -> Vec<u64> {
        let mut done = self.done.lock().unwrap().clone();
        done.sort_unstable();
        done
    }

    fn refuse(&self, with: Option<&str>) {
        *self.refusal.lock().unwrap() = with.map(str::to_owned);
        self.arrived.notify_waiters();
    }

    fn take_now(&self, count: usize) -> Vec<Message> {
        let mut waiting = self.waiting.lock().unwrap();
        let count = count.min(waiting.len());
        let text = " ".repeat(*self.document_bytes.lock().unwrap());
        let taken = waiting.drain(..count).map(|number| Message {
            id: format!("m{number}").into(),
            receipt: number.to_string().into(),
            group: (number >= FIRST_OF_GROUPS).then(|| (number % 2).to_string().into()),
            body: format!("{{\"n\":{number}}}").into(),
            trace: None,
            document: format!("{{\"n\":{number},\"text\":\"{text}\"}}").into(),
        });
        taken.collect()
    }

    fn times_hidden(&self, number: u64) -> usize {
        let hidden = self.hidden.lock().unwrap();
        hidden.iter().filter(|other| **other == number).count()
    }
}

fn numbers(receipts: Vec<Arc<str>>) -> Vec<u64> {
    receipts
        .iter()
        .map(|receipt| receipt.parse().unwrap())
        .collect()
}

impl MessageSource for Queue {
    fn take(&self, wanted: Wanted) -> Task<'_, Result<Vec<Message>, Trouble>> {
        Box::pin(async move {
            let end = tokio::time::sleep(wanted.wait);
            tokio::pin!(end);
            loop {
                let arrived = self.arrived.notified();
                if let Some(refusal) = self.refusal.lock().unwrap().clone() {
                    return Err(Trouble::new(refusal));
                }
                let taken = self.take_now(wanted.count_max as usize);
                if !taken.is_empty() {
                    // Taking is a write, which goes on though nobody waits for it.
                    tokio::task::yield_now().await;
                    return Ok(taken);
                }
                tokio::select! {
                    () = arrived => {}
                    () = wanted.stop.cancelled() => return Ok(Vec::new()),
                    () = &mut end => return Ok(Vec::new()),
                }
            }
        })
    }

    fn hidden_for(&self) -> Duration {
        *self.hidden_for.lock().unwrap()
    }

    fn hide(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<Vec<bool>, Trouble>> {
        let numbers = numbers(receipts);
        let lost = self.lost.lock().unwrap();
        let is_held = numbers.iter().map(|number| !lost.contains(number));
        let is_held = is_held.collect();
        self.hidden.lock().unwrap().extend(numbers);
        Box::pin(async { Ok(is_held) })
    }

    fn done(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        self.done.lock().unwrap().extend(numbers(receipts));
        Box::pin(async { Ok(()) })
    }

    fn give_back(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        self.given_back.lock().unwrap().extend(numbers(receipts));
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_message_is_gone_only_after_the_function_took_it() {
    let rig = Rig::start().await;
    let id = rig.create(queue_mapping("sum")).await;
    rig.until_state(id, MappingState::Enabled).await;
    rig.queue().send(1..=3);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [1, 2, 3]);
    assert!(rig.queue().done().is_empty());
    invoked.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [1, 2, 3]).await;
    rig.until_result(id, "OK").await;
    rig.queue().send([4]);
    rig.invoked().await.answer(Answer::Fails);
    rig.until_result(id, "PROBLEM: Function call failed").await;
    assert_eq!(rig.queue().done(), [1, 2, 3], "it comes again by itself");
    rig.delete(id).await;
    rig.until(|| rig.get(id).is_none()).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_function_may_say_on_which_messages_it_failed() {
    let rig = Rig::start().await;
    let mut reporting = queue_mapping("sum");
    reporting.settings.reports_failures = true;
    rig.create(reporting).await;
    for (sent, response, done) in [
        (
            1..=3,
            r#"{"batchItemFailures":[{"itemIdentifier":"m2"}]}"#,
            vec![1, 3],
        ),
        (
            4..=5,
            r#"{"batchItemFailures":[{"itemIdentifier":"m9"}]}"#,
            vec![1, 3],
        ),
        (
            6..=7,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            vec![1, 3],
        ),
        (8..=8, r#"{"batchItemFailures":[]}"#, vec![1, 3, 8]),
    ] {
        rig.queue().send(sent);
        rig.invoked().await.returns(response);
        rig.until(|| rig.queue().done() == done).await;
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(rig.queue().done(), [1, 3, 8]);
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_kept_hidden_and_tried_again() {
    let rig = Rig::start().await;
    *rig.queue().hidden_for.lock().unwrap() = Duration::from_millis(100);
    let id = rig.create(queue_mapping("sum")).await;
    rig.queue().send([1]);
    let invoked = rig.invoked().await;
    assert_eq!(rig.queue().times_hidden(1), 0, "it was just taken");
    invoked.answer(Answer::Refused);
    rig.until(|| rig.get(id).unwrap().last_result.starts_with("PROBLEM: "))
        .await;
    rig.invoked().await.answer(Answer::Refused);
    let invoked = rig.invoked().await;
    // It rests for half of each time at least.
    assert!(rig.queue().times_hidden(1) >= 2 * (250 + 500) / 100);
    invoked.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [1]).await;
    assert!(rig.queue().given_back.lock().unwrap().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn what_somebody_else_has_by_now_is_not_run() {
    let rig = Rig::start().await;
    *rig.queue().hidden_for.lock().unwrap() = Duration::from_millis(100);
    rig.create(queue_mapping("sum")).await;
    rig.queue().send(1..=3);
    let invoked = rig.invoked().await;
    rig.queue().lost.lock().unwrap().push(2);
    invoked.answer(Answer::Refused);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [1, 3]);
    *rig.queue().lost.lock().unwrap() = vec![1, 3];
    invoked.answer(Answer::Refused);
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.nothing_invoked(), "nothing is left of the batch");
    rig.queue().send([4]);
    rig.invoked().await.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [4]).await;
    rig.stop().await;
}

#[tokio::test]
async fn after_a_failure_nothing_of_its_group_runs() {
    let rig = Rig::start().await;
    *rig.queue().hidden_for.lock().unwrap() = Duration::from_secs(30);
    let mut limited = queue_mapping("sum");
    limited.settings.concurrency_max = Some(1);
    // Two of them are as large as an event may be.
    *rig.queue().document_bytes.lock().unwrap() = 2_500_000;
    rig.queue().send([100, 102, 101, 104, 103]);
    rig.create(limited).await;
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [100, 102]);
    invoked.answer(Answer::Fails);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [101], "what came with it is of the other");
    invoked.answer(Answer::Works);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [103]);
    invoked.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [101, 103]).await;
    assert_eq!(*rig.queue().given_back.lock().unwrap(), [104]);
    rig.stop().await;
}

#[tokio::test]
async fn no_more_batches_run_than_the_mapping_allows() {
    let rig = Rig::start().await;
    let mut limited = queue_mapping("sum");
    limited.settings.concurrency_max = Some(2);
    limited.settings.batch_size = 1;
    rig.create(limited).await;
    rig.queue().send(1..=5);
    let first = rig.invoked().await;
    let second = rig.invoked().await;
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.nothing_invoked(), "two are all that may be");
    first.answer(Answer::Works);
    let third = rig.invoked().await;
    for invoked in [second, third] {
        invoked.answer(Answer::Works);
    }
    for _ in 0..2 {
        rig.invoked().await.answer(Answer::Works);
    }
    rig.until(|| rig.queue().done().len() == 5).await;
    rig.stop().await;
}

#[tokio::test]
async fn messages_that_no_filter_wants_are_done_without_the_function() {
    let rig = Rig::start().await;
    let mut given = queue_mapping("sum");
    given.settings.filters = vec![r#"{"body":{"n":[2]}}"#.to_owned()];
    rig.create(given).await;
    rig.queue().send(1..=3);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [2]);
    rig.until(|| rig.queue().done() == [1, 3]).await;
    invoked.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [1, 2, 3]).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_window_fills_a_batch() {
    let rig = Rig::start().await;
    *rig.queue().hidden_for.lock().unwrap() = Duration::from_millis(100);
    let mut given = queue_mapping("sum");
    (given.settings.window_secs, given.settings.concurrency_max) = (60, Some(1));
    given.settings.batch_size = 4;
    rig.create(given).await;
    rig.queue().send(1..=2);
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.nothing_invoked(), "it waits for more");
    rig.until(|| rig.queue().times_hidden(2) > 1).await;
    rig.queue().send(3..=5);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [1, 2, 3, 4]);
    invoked.answer(Answer::Works);
    rig.until(|| rig.queue().done().len() == 4).await;
    // One that waits when the server stops is given back.
    tokio::time::sleep(A_WHILE).await;
    rig.stop().await;
    assert_eq!(*rig.queue().given_back.lock().unwrap(), [5]);
}

#[tokio::test]
async fn a_disabled_mapping_takes_nothing_and_waits_for_what_runs() {
    let rig = Rig::start().await;
    let id = rig.create(queue_mapping("sum")).await;
    rig.until_state(id, MappingState::Enabled).await;
    rig.queue().send([1]);
    let invoked = rig.invoked().await;
    rig.change(id, |mapping| mapping.is_enabled = false).await;
    // Until it has heard of that, it may take what comes.
    tokio::time::sleep(A_WHILE).await;
    rig.queue().send([2]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(rig.get(id).unwrap().state, MappingState::Disabling);
    invoked.answer(Answer::Works);
    rig.until_state(id, MappingState::Disabled).await;
    assert_eq!(rig.queue().done(), [1]);
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.nothing_invoked());
    rig.change(id, |mapping| mapping.is_enabled = true).await;
    rig.invoked().await.answer(Answer::Works);
    rig.until(|| rig.queue().done() == [1, 2]).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_gone_is_told_of_until_it_is_there() {
    let rig = Rig::start().await;
    rig.queue()
        .refuse(Some("The specified queue does not exist"));
    let id = rig.create(queue_mapping("sum")).await;
    rig.until_result(id, "PROBLEM: The specified queue does not exist")
        .await;
    assert_eq!(rig.get(id).unwrap().state, MappingState::Enabled);
    rig.queue().refuse(None);
    rig.queue().send([1]);
    rig.invoked().await.answer(Answer::Works);
    rig.until_result(id, "OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn what_the_server_ends_is_given_back() {
    let rig = Rig::start().await;
    rig.create(queue_mapping("sum")).await;
    rig.queue().send([1]);
    let invoked = rig.invoked().await;
    rig.tell_to_stop();
    rig.abandon();
    invoked.answer(Answer::Fails);
    rig.stopped().await;
    assert_eq!(*rig.queue().given_back.lock().unwrap(), [1]);
    assert!(rig.queue().done().is_empty());
}
