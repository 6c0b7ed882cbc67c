//! One poller: takes a batch, has the function run on it, settles it, and begins again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_events::filter;
use kiln_types::{Moment, RequestId};

use super::Setting;
use super::held::{Held, receipts};
use crate::attempt;
use crate::batch::{Answer, BatchId, after_refusal, failed};
use crate::messages::{Message, Wanted};
use crate::pollers::Event;
use crate::record::BATCH_BYTES_MAX;
use crate::source::Trouble;
use crate::supervisor::rest_after;

/// How long an empty queue is waited for at a time.
const WAIT: Duration = Duration::from_secs(20);
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
            let ends = match self.take(self.size(), BATCH_BYTES_MAX, WAIT).await {
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
    async fn handle(&mut self, messages: Vec<Message>) -> bool {
        let mut held = Held::new(messages, self.now());
        self.fill(&mut held).await;
        let bytes = held.size() as u64;
        self.on(Event::Took(bytes));
        let unwanted = held.split_off(|message| self.wants(message));
        self.settle(&unwanted).await;
        let mut batches = held.cut();
        while let Some(batch) = batches.pop_front() {
            let failed = self.deliver(batch).await;
            for later in &mut batches {
                self.give_back(&later.split_off_behind(&failed)).await;
            }
        }
        self.on(Event::Settled(bytes))
    }

    /// Waits for more messages until the batch is full or has had its time.
    async fn fill(&mut self, held: &mut Held) {
        let end = self.now() + self.setting.mapping.settings.window();
        while held.count() < self.size() && held.size() < BATCH_BYTES_MAX {
            let now = self.now();
            if end <= now || self.setting.stop.is_cancelled() {
                return;
            }
            let until = self.renew_at(held).map_or(end, |at| at.min(end));
            let (count, bytes) = (self.size() - held.count(), BATCH_BYTES_MAX - held.size());
            match self.take(count, bytes, until.since(now)).await {
                Ok(more) => held.extend(more),
                Err(_) => return,
            }
            self.keep_hidden(held).await;
        }
    }

    /// Has the function run on a batch until it was run, and settles it. Gives what it did not handle.
    async fn deliver(&self, mut batch: Held) -> Vec<Message> {
        let setting = &self.setting;
        let mut refusals = 0;
        loop {
            if setting.stop.is_cancelled() {
                self.give_back(batch.messages()).await;
                return batch.into_messages();
            }
            // The function has all the time that the queue gives, however long the batch has waited.
            if !batch.is_fresh(setting.source.hidden_for(), self.now()) {
                self.hide(&mut batch).await;
            }
            if batch.is_empty() {
                return Vec::new();
            }
            let trace = batch.trace(&setting.mapping.function.id());
            let run = attempt::run(&setting.shared, &setting.mapping, batch.event(), trace);
            let (answer, problem) = run.await;
            if let Some(text) = problem {
                self.tell(Said::Problem(text));
            }
            match answer {
                Answer::Returned(response, _) => return self.report(batch, &response).await,
                Answer::Failed(_) | Answer::TooLarge => {
                    self.tell(Said::Failed);
                    return batch.into_messages();
                }
                Answer::Abandoned => {
                    self.give_back(batch.messages()).await;
                    return batch.into_messages();
                }
                Answer::Refused => {
                    self.on(Event::Refused);
                    refusals += 1;
                    let seed = RequestId::random().as_bytes()[0];
                    let rest = after_refusal(refusals, BatchId(seed.into()));
                    self.hold(&mut batch, rest).await;
                }
            }
        }
    }

    /// Keeps a batch hidden for a while.
    async fn hold(&self, batch: &mut Held, rest: Duration) {
        let end = self.now() + rest;
        while self.now() < end && !batch.is_empty() && !self.setting.stop.is_cancelled() {
            let until = self.renew_at(batch).map_or(end, |at| at.min(end));
            tokio::select! {
                () = self.setting.stop.cancelled() => {}
                () = tokio::time::sleep(until.since(self.now())) => {}
            }
            self.keep_hidden(batch).await;
        }
    }

    /// Hides what waits, if it is time.
    async fn keep_hidden(&self, held: &mut Held) {
        if self.renew_at(held).is_some_and(|at| at <= self.now()) {
            self.hide(held).await;
        }
    }

    /// Hides what waits, and forgets what is no longer to be had.
    async fn hide(&self, held: &mut Held) {
        let now = self.now();
        match self.setting.source.hide(held.receipts()).await {
            Ok(is_held) => held.renewed(&is_held, now),
            Err(trouble) => {
                self.tell(Said::Trouble(trouble.to_string()));
                // Not again at once: it may be had for as long as it was to be.
                held.renewed(&[], now);
            }
        }
    }

    /// Settles what a function says that it has handled, and gives the rest.
    async fn report(&self, batch: Held, response: &Bytes) -> Vec<Message> {
        let messages = batch.into_messages();
        let ids: Vec<&str> = messages.iter().map(|message| &*message.id).collect();
        let failed = match self.setting.mapping.settings.reports_failures {
            true => failed(response, &ids),
            false => Some(Vec::new()),
        };
        let Some(failed) = failed else {
            self.tell(Said::Failed);
            return messages;
        };
        let mut left = Vec::new();
        let mut done = Vec::new();
        for (place, message) in messages.into_iter().enumerate() {
            match failed.contains(&place) {
                true => left.push(message),
                false => done.push(message),
            }
        }
        self.settle(&done).await;
        self.tell(match left.is_empty() {
            true => Said::Succeeded,
            false => Said::Failed,
        });
        left
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

    async fn give_back(&self, messages: &[Message]) {
        if !messages.is_empty() {
            // They become visible by themselves, only later.
            let _ = self.setting.source.give_back(receipts(messages)).await;
        }
    }

    async fn take(
        &mut self,
        count_max: u32,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, Trouble> {
        let wanted = Wanted {
            count_max,
            bytes_max,
            wait,
            stop: self.setting.stop.clone(),
        };
        let taken = self.setting.source.take(wanted).await?;
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

    fn renew_at(&self, held: &Held) -> Option<Moment> {
        held.renew_at(self.setting.source.hidden_for())
    }

    fn now(&self) -> Moment {
        self.setting.shared.deps.clock.now()
    }

    /// Says something of the poller; whether it ends.
    fn on(&self, event: Event) -> bool {
        let follows = self.setting.pollers().on(event, self.now());
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
