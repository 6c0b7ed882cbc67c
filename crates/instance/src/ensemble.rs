//! The runtime of an instance and the extensions beside it, as the driver talks to them: one voice.
//!
//! Rules that AWS has set and that are kept here:
//! - the runtime begins when every external extension has registered;
//! - init is done when the runtime is ready and every extension waits for its first event;
//! - an invocation is over when the runtime waits for the next one and so does every extension that
//!   hears of invocations.
//!
//! AWS differs: a built-in runtime gets the first event together with the init message, because a round
//! trip more would be a part of every cold start. So where there are internal extensions only, the first
//! invocation may begin before they wait for it; they hear of it when they do.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use kiln_sandbox::Exit;
use kiln_types::{Clock, RequestId, Timestamp};

use crate::api::desk::Desk;
use crate::api::server::Server;
use crate::extensions::external::{External, News};
use crate::extensions::roster::{Listed, Notice};
use crate::runtime::{Error, Init, Invoke, Reply, Runtime, TimeLimit};
use crate::telemetry::Telemetry;

/// How long what a process sent before it ended may take to arrive.
const LAST_WORDS_MAX: Duration = Duration::from_millis(100);

/// What is heard of runtime and extensions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The runtime says this; and of init's end and of waiting, that extensions say it too.
    Runtime(Reply),
    /// Every external extension has registered: the runtime may begin.
    Registered,
    /// Extensions have printed these lines.
    Printed(Vec<String>),
    /// An extension ended that should not.
    ExtensionFailed {
        /// The class: `Extension.Crash`, or what it had said.
        class: &'static str,
        /// How it ended.
        exit: Exit,
    },
    /// Every external extension has ended, after [`Ensemble::shut_down`].
    ExtensionsEnded,
    /// An extension wants to have telemetry.
    Subscribed {
        /// Its name.
        name: String,
        /// What it wants.
        types: Vec<&'static str>,
    },
}

/// Everybody in one instance.
pub(crate) struct Ensemble {
    runtime: Box<dyn Runtime>,
    /// Whether the runtime can still be talked to.
    has_runtime: bool,
    desk: Arc<Desk>,
    server: Server,
    externals: Vec<External>,
    telemetry: Telemetry,
    words: VecDeque<Word>,
    progress: Progress,
    /// What waits for the end of init; one, unless the function takes several at a time.
    held: Vec<Invoke>,
    /// One that the runtime has already and extensions do not know of.
    early: Option<Invoke>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Progress {
    registered: bool,
    runtime_ready: bool,
    init_over: bool,
    /// The runtime is done with an invocation.
    runtime_waits: bool,
    shutting_down: bool,
    extensions_ended: bool,
}

impl Ensemble {
    pub(crate) fn new(
        runtime: Box<dyn Runtime>,
        desk: Arc<Desk>,
        server: Server,
        externals: Vec<External>,
        telemetry: Telemetry,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            runtime,
            has_runtime: true,
            desk,
            server,
            progress: Progress {
                registered: externals.is_empty(),
                ..Progress::default()
            },
            externals,
            telemetry,
            words: VecDeque::new(),
            held: Vec::new(),
            early: None,
            clock,
        }
    }

    /// Tells the runtime which function it is.
    pub(crate) fn initialise(&mut self, init: &Init<'_>) {
        self.runtime.initialise(init);
    }

    /// Tells the runtime which function it is to be a copy of.
    pub(crate) fn restore(&mut self, init: &Init<'_>) {
        self.runtime.restore(init);
    }

    /// Whether programs run beside the runtime.
    pub(crate) fn has_externals(&self) -> bool {
        !self.externals.is_empty()
    }

    /// Whether there are extensions of any kind.
    pub(crate) fn has_extensions(&self) -> bool {
        !self.desk.roster().is_empty()
    }

    /// Every extension, for the log.
    pub(crate) fn extensions(&self) -> Vec<Listed> {
        self.desk.roster().list()
    }

    /// What the first extension that failed has said.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.desk.roster().fault()
    }

    /// Who gets telemetry.
    pub(crate) fn telemetry(&mut self) -> &mut Telemetry {
        &mut self.telemetry
    }

    /// Hands over an invocation: to the runtime, at once or when init is over, and to extensions.
    pub(crate) fn deliver(&mut self, invoke: Invoke) {
        if self.progress.init_over {
            self.notify(&invoke);
            self.runtime.deliver(invoke);
        } else if self.desk.has_runtime_api() || self.has_externals() {
            self.held.push(invoke);
        } else {
            self.early = Some(invoke.clone());
            self.runtime.deliver(invoke);
            // It may have waited for extensions only.
            self.conclude();
        }
    }

    /// Has the runtime forget an invocation that it has not answered in time.
    pub(crate) fn give_up(&mut self, request: RequestId) {
        self.runtime.give_up(request);
    }

    /// Whether an answer to an invocation also says that it is over; if not, [`Reply::Waiting`] does.
    pub(crate) fn answers_last(&self) -> bool {
        self.runtime.answers_last() && !self.desk.roster().hears_of_invocations()
    }

    /// What is heard next. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self) -> Result<Word, Error> {
        loop {
            if let Some(word) = self.words.pop_front() {
                return Ok(word);
            }
            self.go_on();
            if let Some(reply) = self.listen().await? {
                self.take(reply);
            }
            self.conclude();
        }
    }

    /// What was said by now; none when there is no more. See [`Runtime::said`].
    pub(crate) async fn said(&mut self, bytes_left: &mut usize) -> Result<Option<Word>, Error> {
        if self.words.is_empty() {
            // One turn of the connections is as much as can be said at once.
            poll_fn(|context| {
                self.server.poll(context);
                Poll::Ready(())
            })
            .await;
            if self.has_runtime
                && let Some(reply) = self.runtime.said(bytes_left).await?
            {
                self.take(reply);
            }
            self.conclude();
        }
        Ok(self.words.pop_front())
    }

    /// The runtime's process was killed or has ended: waits, for a moment, until all that it had sent
    /// has come.
    pub(crate) async fn ended(&mut self) {
        // All its connections end with the process; what it sent is read before.
        let quiet = poll_fn(|context| {
            self.server.poll(context);
            match self.server.is_quiet() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let _ = tokio::time::timeout(LAST_WORDS_MAX, quiet).await;
    }

    /// Listens to the runtime no more.
    pub(crate) fn leave_runtime(&mut self) {
        self.has_runtime = false;
    }

    /// Tells external extensions that the instance ends, and kills those that do not want to know.
    pub(crate) fn shut_down(&mut self, reason: &'static str, deadline: Timestamp) {
        self.progress.shutting_down = true;
        let deadline_ms = deadline.as_millis();
        let notice = Notice::Shutdown {
            reason,
            deadline_ms,
        };
        let others = self.desk.roster().shut_down(&notice);
        let ends = |one: &&External| others.iter().any(|name| name == one.name());
        self.externals.iter().filter(ends).for_each(External::kill);
        self.desk.wake_extensions();
        self.telemetry.flush();
        self.conclude();
    }

    /// What has waited for the driver to know that init is over.
    fn go_on(&mut self) {
        if !self.progress.init_over {
            return;
        }
        if let Some(mut invoke) = self.early.take() {
            self.set_deadline(&mut invoke);
            self.notify(&invoke);
        }
        for mut invoke in std::mem::take(&mut self.held) {
            self.set_deadline(&mut invoke);
            self.notify(&invoke);
            self.runtime.deliver(invoke);
        }
    }

    fn set_deadline(&self, invoke: &mut Invoke) {
        if let TimeLimit::After(timeout) = invoke.time {
            invoke.time = TimeLimit::At(self.clock.timestamp() + timeout);
        }
    }

    fn notify(&self, invoke: &Invoke) {
        let mut roster = self.desk.roster();
        let TimeLimit::At(deadline) = invoke.time else {
            return;
        };
        if !roster.hears_of_invocations() {
            return;
        }
        roster.invoke(&Notice::Invoke {
            request_id: invoke.request_id,
            deadline_ms: deadline.as_millis(),
            invoked_arn: invoke.invoked_arn.clone(),
            trace: invoke.trace.clone(),
        });
        drop(roster);
        self.desk.wake_extensions();
    }

    /// Waits until anybody says anything. None: look at the words and the desk.
    async fn listen(&mut self) -> Result<Option<Reply>, Error> {
        let Self {
            runtime,
            has_runtime,
            desk,
            server,
            externals,
            telemetry,
            words,
            progress,
            ..
        } = self;
        let mut reply = has_runtime.then(|| runtime.next());
        let mut runtime_says = |context: &mut Context<'_>| match &mut reply {
            Some(reply) => reply.as_mut().poll(context),
            None => Poll::Pending,
        };
        let said = poll_fn(|context| {
            if let Poll::Ready(reply) = runtime_says(context) {
                return Poll::Ready(reply.map(Some));
            }
            server.poll(context);
            let mut has_news = desk.has_news();
            for external in externals.iter_mut() {
                if let Poll::Ready(news) = external.poll(context) {
                    words.extend(word(news, desk, progress.shutting_down));
                    has_news = true;
                }
            }
            telemetry.poll(context);
            if has_news {
                return Poll::Ready(Ok(None));
            }
            match desk.has_runtime_api() {
                // It says what came over the connections.
                true => runtime_says(context).map(|reply| reply.map(Some)),
                false => Poll::Pending,
            }
        });
        said.await
    }

    fn take(&mut self, reply: Reply) {
        match reply {
            Reply::InitDone if !self.progress.runtime_ready => self.progress.runtime_ready = true,
            // Said again, it is the driver's to judge.
            Reply::InitDone => self.words.push_back(Word::Runtime(reply)),
            Reply::Waiting => self.progress.runtime_waits = true,
            Reply::Response { .. } | Reply::Error { .. } => {
                self.progress.runtime_waits = self.runtime.answers_last() && !self.answers_last();
                self.words.push_back(Word::Runtime(reply));
            }
            Reply::Booted
            | Reply::InitError { .. }
            | Reply::Resumed
            | Reply::Restored { .. }
            | Reply::NotRestored(_)
            | Reply::Waits(_)
            | Reply::Unfit(_) => self.words.push_back(Word::Runtime(reply)),
        }
    }

    /// What follows from all that was said so far.
    fn conclude(&mut self) {
        for subscription in self.desk.take_subscriptions() {
            let (name, types) = (subscription.name.clone(), subscription.types());
            self.telemetry.subscribe(subscription);
            self.words.push_back(Word::Subscribed { name, types });
        }
        let progress = &mut self.progress;
        let mut roster = self.desk.roster();
        if !progress.registered && roster.has_registered() {
            progress.registered = true;
            self.words.push_back(Word::Registered);
        }
        let may_begin = self.early.is_some() || roster.is_initialised();
        if progress.runtime_ready && !progress.init_over && may_begin {
            progress.init_over = true;
            roster.close();
            self.words.push_back(Word::Runtime(Reply::InitDone));
        }
        if progress.runtime_waits && self.early.is_none() && roster.is_idle() {
            progress.runtime_waits = false;
            self.words.push_back(Word::Runtime(Reply::Waiting));
        }
        let have_ended = self.externals.iter().all(External::has_ended);
        if progress.shutting_down && have_ended && !progress.extensions_ended {
            progress.extensions_ended = true;
            self.words.push_back(Word::ExtensionsEnded);
        }
    }
}

fn word(news: News, desk: &Desk, shutting_down: bool) -> Option<Word> {
    match news {
        News::Printed(lines) => Some(Word::Printed(lines)),
        // That is what it was asked to do.
        News::Ended(_) if shutting_down => None,
        News::Ended(exit) => {
            let class = desk.roster().fault().unwrap_or("Extension.Crash");
            Some(Word::ExtensionFailed { class, exit })
        }
    }
}
