//! One poller: takes a batch, has the function run on it, settles it, and begins again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_events::filter;
use kiln_types::{RequestId, Trace};

use super::Setting;
use crate::attempt;
use crate::batch::{Answer, BatchId, after_refusal, failed};
use crate::messages::Message;
use crate::pollers::Event;
use crate::record::BATCH_BYTES_MAX;
use crate::source::Trouble;
use crate::supervisor::rest_after;

/// How long an empty queue is waited for at a time.
const WAIT: Duration = Duration::from_secs(20);
/// How long a queue is waited for whose batch has had its time: not at all.
const NO_TIME: Duration = Duration::ZERO;
/// How long before the source is asked again that did not settle.
const SETTLE_REST: Duration = Duration::from_secs(1);

/// What a poller tells its worker.
#[derive(Debug)]
pub(super) enum Said {
    /// So many more are wanted.
    Started(u32),
    /// The source answers.
    Listens,
    /// The function took a batch.
    Succeeded,
    /// The function failed on one, or on a part of it.
    Failed,
    /// It was not run, for this reason.
    Problem(String),
    /// The source cannot be asked.
    Trouble(String),
    /// It has ended.
    Ended,
}

pub(super) struct Poller {
    setting: Arc<Setting>,
    failures: u32,
}

/// Says that it has ended, however it does.
struct End(Arc<Setting>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.tell.send(Said::Ended);
    }
}

impl Poller {
    pub(super) fn new(setting: Arc<Setting>) -> Self {
        Self {
            setting,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let _end = End(self.setting.clone());
        while !self.setting.stop.is_cancelled() {
            let stop = self.setting.stop.clone();
            let first = tokio::select! {
                () = stop.cancelled() => return,
                first = self.take(self.size(), WAIT) => first,
            };
            let ends = match first {
                Ok(messages) if messages.is_empty() => self.on(Event::Idle),
                Ok(messages) => self.handle(messages).await,
                Err(trouble) => {
                    self.rest(&trouble).await;
                    false
                }
            };
            if ends {
                return;
            }
        }
    }

    /// Fills the batch that these begin, and has the function run on it. Whether the poller ends.
    async fn handle(&mut self, mut messages: Vec<Message>) -> bool {
        self.fill(&mut messages).await;
        let bytes = messages
            .iter()
            .map(|message| message.document.len() as u64)
            .sum();
        self.on(Event::Took(bytes));
        let (wanted, unwanted): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .partition(|message| self.wants(message));
        self.settle(&unwanted).await;
        for batch in cut(wanted) {
            self.deliver(batch).await;
        }
        self.on(Event::Settled(bytes))
    }

    /// Waits for more messages until the batch is full or has had its time.
    async fn fill(&mut self, messages: &mut Vec<Message>) {
        let clock = &self.setting.shared.deps.clock;
        let window = self.setting.mapping.settings.window();
        let end = clock.now() + window;
        let stop = self.setting.stop.clone();
        while (messages.len() as u32) < self.size() && size(messages) < BATCH_BYTES_MAX {
            let left = end.since(self.setting.shared.deps.clock.now());
            if left == NO_TIME {
                return;
            }
            let wanted = self.size() - messages.len() as u32;
            let more = tokio::select! {
                () = stop.cancelled() => return,
                more = self.take(wanted, left) => more,
            };
            match more {
                Ok(more) => messages.extend(more),
                Err(_) => return,
            }
        }
    }

    /// Has the function run on a batch until it was run, and settles it.
    async fn deliver(&self, batch: Vec<Message>) {
        let setting = &self.setting;
        let mut refusals = 0;
        loop {
            if setting.stop.is_cancelled() {
                return self.give_back(&batch).await;
            }
            // The function has all the time that the queue gives, however long the batch has waited.
            let _ = setting.source.hide(receipts(&batch)).await;
            let (trace, payload) = (self.trace(&batch), event(&batch));
            let run = attempt::run(&setting.shared, &setting.mapping, payload, trace);
            let (answer, problem) = run.await;
            if let Some(text) = problem {
                self.tell(Said::Problem(text));
            }
            match answer {
                Answer::Returned(response, _) => return self.report(&batch, &response).await,
                Answer::Failed(_) | Answer::TooLarge => return self.tell(Said::Failed),
                Answer::Abandoned => return self.give_back(&batch).await,
                Answer::Refused => {
                    self.on(Event::Refused);
                    refusals += 1;
                    let seed = RequestId::random().as_bytes()[0];
                    let rest = after_refusal(refusals, BatchId(seed.into()));
                    tokio::select! {
                        () = setting.stop.cancelled() => {}
                        () = tokio::time::sleep(rest) => {}
                    }
                }
            }
        }
    }

    /// Settles what a function says that it has handled.
    async fn report(&self, batch: &[Message], response: &Bytes) {
        let ids: Vec<&str> = batch.iter().map(|message| &*message.id).collect();
        let failed = match self.setting.mapping.settings.reports_failures {
            true => failed(response, &ids),
            false => Some(Vec::new()),
        };
        let Some(failed) = failed else {
            return self.tell(Said::Failed);
        };
        let is_done = |(place, message): (usize, &Message)| {
            (!failed.contains(&place)).then(|| message.clone())
        };
        let done: Vec<Message> = batch.iter().enumerate().filter_map(is_done).collect();
        self.settle(&done).await;
        self.tell(match failed.is_empty() {
            true => Said::Succeeded,
            false => Said::Failed,
        });
    }

    /// Tries until the source has it: what is not settled would come again.
    async fn settle(&self, done: &[Message]) {
        while !done.is_empty() {
            let Err(trouble) = self.setting.source.done(receipts(done)).await else {
                return;
            };
            self.tell(Said::Trouble(trouble.to_string()));
            tokio::select! {
                () = self.setting.stop.cancelled() => return,
                () = tokio::time::sleep(SETTLE_REST) => {}
            }
        }
    }

    async fn give_back(&self, batch: &[Message]) {
        // They become visible by themselves, only later.
        let _ = self.setting.source.give_back(receipts(batch)).await;
    }

    async fn take(&mut self, count: u32, wait: Duration) -> Result<Vec<Message>, Trouble> {
        let taken = self.setting.source.take(count, wait).await?;
        if self.failures > 0 {
            self.failures = 0;
            self.tell(Said::Listens);
        }
        Ok(taken)
    }

    async fn rest(&mut self, trouble: &Trouble) {
        self.failures = self.failures.saturating_add(1);
        self.tell(Said::Trouble(trouble.to_string()));
        let rest = rest_after(self.failures, self.setting.mapping.id);
        tokio::select! {
            () = self.setting.stop.cancelled() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }

    fn size(&self) -> u32 {
        self.setting.mapping.settings.batch_size.max(1)
    }

    /// Whether the function is to hear of a message.
    fn wants(&self, message: &Message) -> bool {
        let filters = &self.setting.filters;
        if filters.is_empty() {
            return true;
        }
        let fields = serde_json::from_slice(&message.document).unwrap_or_default();
        let seen = filter::Record::new(filter::Source::Sqs, fields, Some(message.body.as_bytes()));
        filters.pass(&seen)
    }

    /// Of the chains that lead here the one that has been in the function most often.
    fn trace(&self, batch: &[Message]) -> Option<String> {
        let function = self.setting.mapping.function.id();
        let traces = batch.iter().filter_map(|message| message.trace.as_ref());
        traces
            .max_by_key(|trace| Trace::read(trace).hops(&function))
            .cloned()
    }

    /// Says something of the poller; whether it ends.
    fn on(&self, event: Event) -> bool {
        let now = self.setting.shared.deps.clock.now();
        let follows = self.setting.pollers().on(event, now);
        if follows.started > 0 {
            self.tell(Said::Started(follows.started));
        }
        follows.ends
    }

    fn tell(&self, said: Said) {
        // The worker is gone only when no poller is left.
        let _ = self.setting.tell.send(said);
    }
}

/// Batches as large as an event may be.
fn cut(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut room = 0;
    for message in messages {
        let bytes = message.document.len() + 1;
        match batches.last_mut().filter(|_| bytes <= room) {
            Some(batch) => batch.push(message),
            None => {
                batches.push(vec![message]);
                room = BATCH_BYTES_MAX;
            }
        }
        room = room.saturating_sub(bytes);
    }
    batches
}

fn size(messages: &[Message]) -> usize {
    messages
        .iter()
        .map(|message| message.document.len() + 1)
        .sum()
}

fn receipts(messages: &[Message]) -> Vec<Arc<str>> {
    messages
        .iter()
        .map(|message| message.receipt.clone())
        .collect()
}

fn event(messages: &[Message]) -> Bytes {
    let mut text = Vec::with_capacity(size(messages) + 16);
    text.extend_from_slice(b"{\"Records\":[");
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&message.document);
    }
    text.extend_from_slice(b"]}");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message {
            id: "m".into(),
            receipt: "r".into(),
            body: "".into(),
            trace: None,
            document: vec![b' '; bytes].into(),
        }
    }

    #[test]
    fn batches_are_no_larger_than_an_event_may_be() {
        let sizes = |sizes: &[usize]| -> Vec<usize> {
            let batches = cut(sizes.iter().map(|bytes| message(*bytes)).collect());
            batches.iter().map(Vec::len).collect()
        };
        let third = BATCH_BYTES_MAX / 3 - 1;
        assert_eq!(sizes(&[third; 7]), [3, 3, 1]);
        assert_eq!(sizes(&[1; 10]), [10]);
        assert_eq!(sizes(&[]), [0; 0]);
        let batch = vec![message(third); 3];
        assert!(event(&batch).len() <= kiln_types::limits::SYNC_PAYLOAD_BYTES_MAX);
    }
}
