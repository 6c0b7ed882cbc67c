//! What a mapping does while it is enabled: one task that owns the connection to the source, the core, and the rhythm.
//!
//! A connection that is lost takes nothing with it: batches go on, and what the source sends again after the next
//! connection is known. When the definition changes or the server stops, nothing more begins; what runs is
//! waited for, the source is told how far that brought it, and only then is the connection closed.

use std::sync::Arc;
use std::time::Duration;

use kiln_events::filter::Filters;
use kiln_types::{Mapping, Moment};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::attempt;
use crate::batch::{Action, Event, Report, Settings};
use crate::cores::Cores;
use crate::envelope::{Origin, Shape};
use crate::filters;
use crate::handle::Shared;
use crate::record::{Position, Record};
use crate::results::Results;
use crate::source::{Feed, Item, Parts, Source, Task, Trouble};
use crate::supervisor::{is_unchanged, rest_after, settle, write};

/// What a source may say before it must wait.
const ITEMS_MAX: usize = 512;
/// After this long a mapping is enabled although its source does not listen yet.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a source may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// The longest sleep: the calendar may have jumped meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The working state of a mapping.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    mapping: Arc<Mapping>,
    origin: Origin,
    cores: Cores,
    filters: Filters,
    events: UnboundedSender<attempt::Ended>,
    ended: UnboundedReceiver<attempt::Ended>,
    confirmed: watch::Sender<Option<Position>>,
    parts: watch::Sender<Parts>,
    results: Results,
    is_settled: bool,
    /// Whether another must begin anew, as the source is not what it was.
    is_over: bool,
    /// Failures of the source in a row.
    failures: u32,
    /// When the source is tried again.
    next_try: Moment,
}

/// A connection to the source.
struct Session<'a> {
    listening: Task<'a, Result<(), Trouble>>,
    items: Receiver<Item>,
    stop: CancellationToken,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, mapping: Arc<Mapping>) -> Self {
        let (events, ended) = unbounded_channel();
        Self {
            origin: Origin {
                arn: mapping.arn(&shared.config.region),
                shard: String::new(),
                shape: Shape::default(),
            },
            cores: Cores::new(Settings::from(&mapping.settings)),
            filters: filters::read(&mapping),
            events,
            ended,
            confirmed: watch::Sender::new(None),
            parts: watch::Sender::new(Parts::default()),
            results: Results::new(mapping.last_result.clone()),
            is_settled: mapping.state.is_at_rest(),
            failures: 0,
            is_over: false,
            next_try: shared.deps.clock.now(),
            shared,
            mapping,
        }
    }

    /// Works until the definition changes or the server stops.
    pub(crate) async fn run(mut self, source: Arc<dyn Source>, changed: &Notify) {
        source.shard().clone_into(&mut self.origin.shard);
        self.origin.shape = source.shape();
        let since = self.shared.deps.clock.now();
        let mut session: Option<Session<'_>> = None;
        let mut buffer = Vec::with_capacity(ITEMS_MAX);
        while !self.has_changed() && !self.is_over {
            let now = self.shared.deps.clock.now();
            if session.is_none() && now >= self.next_try {
                session = Some(self.open(&*source));
            }
            if !self.is_settled && now.since(since) >= OPEN_WITHIN {
                self.settle().await;
            }
            self.show().await;
            let wake = self.sleep(session.is_none(), since);
            let has_room = self.cores.has_room();
            tokio::select! {
                () = self.shared.deps.stop.cancelled() => break,
                () = changed.notified() => {}
                said = listen_to(&mut session, &mut buffer, has_room) => match said {
                    Said::Something => self.hear(&mut buffer).await,
                    Said::Nothing(end) => {
                        self.hear_last(session.take());
                        self.lost(end).await;
                    }
                },
                Some(ended) = self.ended.recv() => self.took_end(ended),
                () = tokio::time::sleep(wake) => self.tell_all(&Event::Tick),
            }
        }
        self.leave(session).await;
    }

    fn has_changed(&self) -> bool {
        !is_unchanged(&self.shared, &self.mapping)
    }

    fn open<'a>(&self, source: &'a dyn Source) -> Session<'a> {
        let (sender, items) = channel(ITEMS_MAX);
        let stop = CancellationToken::new();
        let feed = Feed {
            items: sender,
            confirmed: self.confirmed.subscribe(),
            parts: self.parts.subscribe(),
            stop: stop.clone(),
        };
        Session {
            listening: source.listen(feed),
            items,
            stop,
        }
    }

    /// How long nothing need be done that nobody tells of.
    fn sleep(&self, is_closed: bool, since: Moment) -> Duration {
        let now = self.shared.now();
        let wakes = [
            self.cores.wake_at(now),
            is_closed.then_some(self.next_try),
            (!self.is_settled).then(|| since + OPEN_WITHIN),
            self.results.due(),
        ];
        let wake = wakes.into_iter().flatten().min();
        // Timers fire up to a millisecond early.
        let until = wake.map(|wake| wake.since(now.moment) + Duration::from_millis(1));
        until.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
    }

    /// The connection has ended.
    async fn lost(&mut self, end: Result<(), Trouble>) {
        let trouble = end
            .err()
            .unwrap_or_else(|| Trouble::new("the connection was closed"));
        self.failures = self.failures.saturating_add(1);
        let rest = rest_after(self.failures, self.mapping.id);
        self.next_try = self.shared.deps.clock.now() + rest;
        let text = trouble.to_string();
        if self.results.is_new_trouble(&text) {
            tracing::warn!(mapping = %self.mapping.id, error = text, "an event source cannot be listened to; trying again");
        }
        self.results.trouble(Some(text));
        self.settle().await;
    }

    /// Takes what a source said before it ended. All of it comes again, but for one thing.
    fn hear_last(&mut self, session: Option<Session<'_>>) {
        let Some(mut session) = session else {
            return;
        };
        while let Ok(item) = session.items.try_recv() {
            self.is_over |= matches!(item, Item::Anew);
        }
    }

    /// Takes what the source said.
    async fn hear(&mut self, items: &mut Vec<Item>) {
        for item in items.drain(..) {
            match item {
                // What the function does not want is done as soon as all before it is.
                Item::Record(record) if !self.wants(&record) => {}
                Item::PartRecord(_, record) if !self.wants(&record) => {}
                Item::Record(record) => self.tell(None, Event::Came(record)),
                Item::Mark(position) => self.tell(None, Event::Mark(position)),
                Item::PartRecord(part, record) => self.tell(Some(part), Event::Came(record)),
                Item::PartMark(part, position) => self.tell(Some(part), Event::Mark(position)),
                Item::Opened => {
                    self.failures = 0;
                    self.results.trouble(None);
                    self.settle().await;
                }
                Item::Anew => self.is_over = true,
                Item::Health(found) => {
                    if let Some(text) = found
                        .as_deref()
                        .filter(|text| self.results.is_new_health(text))
                    {
                        tracing::warn!(mapping = %self.mapping.id, problem = text, "an event source needs attention");
                    }
                    self.results.health(found);
                }
                Item::Making(noted) => {
                    let note = |mapping: &mut Mapping| mapping.has_made = true;
                    // What is not noted is not made: nobody would remove it.
                    if write(&self.shared, self.mapping.id, note).await {
                        let _ = noted.send(());
                    }
                }
            }
        }
        self.tell_all(&Event::Tick);
    }

    /// Whether the function is to hear of a record.
    fn wants(&self, record: &Record) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        self.filters
            .pass(&filters::seen(&self.mapping.source, record))
    }

    fn took_end(&mut self, ended: attempt::Ended) {
        if let Some(text) = ended.problem {
            self.results.last(text);
        }
        self.tell(ended.part, ended.event);
        self.say_full();
    }

    fn tell(&mut self, part: Option<u32>, event: Event) {
        for action in self.cores.on(part, event, self.shared.now()) {
            self.perform(part, action);
        }
    }

    fn tell_all(&mut self, event: &Event) {
        for (part, action) in self.cores.on_all(event, self.shared.now()) {
            self.perform(part, action);
        }
        self.say_full();
    }

    /// Tells the source which of its parts nothing more may come of.
    fn say_full(&self) {
        let full = self.cores.full();
        self.parts.send_if_modified(|parts| {
            let is_news = parts.full != full;
            parts.full = full;
            is_news
        });
    }

    fn perform(&mut self, part: Option<u32>, action: Action) {
        let carrier = attempt::Carrier {
            shared: self.shared.clone(),
            mapping: self.mapping.clone(),
            part,
            events: self.events.clone(),
        };
        match action {
            Action::Invoke(attempt) => carrier.invoke(attempt, &self.origin),
            Action::Keep(given_up) => carrier.keep(given_up, self.origin.of_part(part)),
            Action::Confirm(position) => match part {
                None => {
                    self.confirmed.send_replace(Some(position));
                }
                Some(part) => self.parts.send_modify(|parts| {
                    parts.confirmed.insert(part, position);
                }),
            },
            Action::Report(Report::Succeeded) => self.results.succeeded(),
            Action::Report(Report::Failed) => self.results.failed(),
        }
    }

    async fn settle(&mut self) {
        // What is wrong is shown by the time that somebody stops waiting for the state.
        self.results.hasten();
        self.show().await;
        if !self.is_settled {
            self.is_settled = true;
            settle(&self.shared, &self.mapping).await;
        }
    }

    /// Writes how it went last, if that is new and not written too often.
    async fn show(&mut self) {
        if let Some(text) = self.results.take_new(self.shared.deps.clock.now()) {
            write(&self.shared, self.mapping.id, move |mapping| {
                mapping.last_result.clone_from(&text);
            })
            .await;
        }
    }

    /// Begins nothing more, waits for what runs, and closes the connection.
    async fn leave(mut self, mut session: Option<Session<'_>>) {
        self.tell_all(&Event::Stop);
        let mut unheard = Vec::new();
        while !self.cores.is_quiet() {
            tokio::select! {
                _ = listen_to(&mut session, &mut unheard, false) => session = None,
                Some(ended) = self.ended.recv() => self.took_end(ended),
            }
        }
        if let Some(session) = session {
            session.stop.cancel();
            // What it still says is nobody's: it comes again.
            drop(session.items);
            let closed = tokio::time::timeout(CLOSE_WITHIN, session.listening).await;
            if closed.is_err() {
                tracing::warn!(mapping = %self.mapping.id, "an event source did not close in time");
            }
        }
        self.results.hasten();
        self.show().await;
    }
}

/// What comes of listening.
enum Said {
    /// Something is in the buffer.
    Something,
    /// Nothing more will come.
    Nothing(Result<(), Trouble>),
}

/// Lets the source work until it says something, if it may, or ends.
async fn listen_to(
    session: &mut Option<Session<'_>>,
    buffer: &mut Vec<Item>,
    may_speak: bool,
) -> Said {
    let Some(session) = session else {
        return std::future::pending().await;
    };
    tokio::select! {
        end = session.listening.as_mut() => Said::Nothing(end),
        _ = receive(&mut session.items, buffer), if may_speak => Said::Something,
    }
}

/// Takes all that was said.
async fn receive(items: &mut Receiver<Item>, buffer: &mut Vec<Item>) {
    if items.recv_many(buffer, ITEMS_MAX).await == 0 {
        // It will say nothing more, and ends.
        std::future::pending().await
    }
}
