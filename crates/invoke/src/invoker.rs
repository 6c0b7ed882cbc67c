//! [`Invoker`]: what the gateway and the triggers hold.

use std::sync::Arc;

use kiln_metering::Meter;
use kiln_scheduler::{FunctionKey, Host, LocalHost, Readiness, Scheduler, Sink, Spec, response};
use kiln_store::Store;
use kiln_types::{AccountId, Configuration, FunctionId, Invocation, Outcome, Version};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::admit::{Admitted, admit};
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::follow::follow;
use crate::request::{Kind, Request};
use crate::specs::Specs;
use crate::stream::Stream;

/// Invokes functions. Clones mean the same invoker.
pub struct Invoker<H: Host<Spec = Spec> = LocalHost> {
    shared: Arc<Shared<H>>,
}

pub(crate) struct Shared<H: Host<Spec = Spec>> {
    pub(crate) store: Store,
    pub(crate) scheduler: Scheduler<H>,
    pub(crate) specs: Specs,
    meter: Meter,
    tracker: TaskTracker,
    /// Ends the task that follows changes.
    _following: DropGuard,
}

/// What a request has become.
enum Begun {
    /// Nothing is to run.
    Checked(Box<Outcome>),
    Running(Running),
}

/// An invocation on its way.
struct Running {
    version: Version,
    answered: oneshot::Receiver<Result<Outcome, Error>>,
}

impl<H: Host<Spec = Spec>> Invoker<H> {
    /// An invoker of the store's functions. Tells the scheduler of their reservations and follows
    /// their changes from here on. Invocations run on the tracker.
    pub fn new(
        store: Store,
        scheduler: Scheduler<H>,
        meter: Meter,
        config: Config,
        tracker: TaskTracker,
    ) -> Self {
        let changes = store.subscribe();
        let specs = Specs::new(config);
        let gone = CancellationToken::new();
        let shared = Arc::new(Shared {
            store,
            scheduler,
            specs,
            meter,
            tracker,
            _following: gone.clone().drop_guard(),
        });
        shared.follow_all();
        // In the change itself, so that a limit is in force when its setting is answered.
        let limited = Arc::downgrade(&shared);
        let limit = move |account: &AccountId, concurrency| {
            if let Some(shared) = limited.upgrade() {
                shared.scheduler.set_account_limit(account, concurrency);
            }
        };
        shared.store.tenants().follow_concurrency(Box::new(limit));
        let following = follow(Arc::downgrade(&shared), changes);
        shared
            .tracker
            .spawn(async move { gone.run_until_cancelled(following).await });
        Self { shared }
    }

    /// How many of the instances kept ready for a version are so; none when none are kept.
    pub fn readiness(
        &self,
        function: &FunctionId,
        configuration: &Configuration,
    ) -> Option<Readiness> {
        self.shared.scheduler.readiness(&FunctionKey {
            id: function.clone(),
            version: configuration.version,
            revision: configuration.revision,
            tenant: None,
        })
    }

    /// Ends everything that runs of an account, which is erased; its functions must be gone from the store. See
    /// [`Scheduler::expel`].
    pub async fn expel(&self, account: &AccountId) {
        // What was deleted just now may not have been heard of yet.
        self.shared.follow_all();
        self.shared.scheduler.expel(account).await;
    }

    /// Invokes a function and waits for its outcome. A function that fails is an outcome, not
    /// an error. Dropping the future gives up the wait only: the invocation runs to its end, is
    /// recorded, and gives its instance back.
    ///
    /// # Errors
    /// Nothing ran; see [`Error`] for which ones are worth a retry.
    pub async fn invoke(&self, request: Request) -> Result<Outcome, Error> {
        match self.begin(request, None)? {
            Begun::Checked(outcome) => Ok(*outcome),
            Begun::Running(running) => running.answered.await.unwrap_or(Err(Error::Unknown)),
        }
    }

    /// Invokes a function whose answer is wanted as it is made. Dropping the stream gives up reading only: the invocation
    /// runs to its end all the same.
    ///
    /// # Errors
    /// Nothing ran; what prevents it later is the stream's end.
    pub fn stream(&self, request: Request) -> Result<Stream, Error> {
        let (sink, parts) = response();
        Ok(match self.begin(request, Some(sink))? {
            Begun::Checked(outcome) => Stream::of(Ok(*outcome)),
            Begun::Running(Running { version, answered }) => Stream::new(version, parts, answered),
        })
    }

    fn begin(&self, request: Request, sink: Option<Sink>) -> Result<Begun, Error> {
        let shared = &self.shared;
        let Admitted {
            configuration,
            trace,
        } = admit(&shared.store, &request)?;
        let version = configuration.version;
        if request.kind == Kind::DryRun {
            return Ok(Begun::Checked(Box::new(Outcome {
                request_id: request.request_id,
                executed_version: version,
                report: None,
            })));
        }
        let dispatch = Dispatch {
            store: shared.store.clone(),
            scheduler: shared.scheduler.clone(),
            meter: shared.meter.clone(),
            spec: shared.specs.get(
                &shared.store,
                &request.function,
                &configuration,
                request.tenant.as_ref(),
            )?,
            invocation: Invocation {
                request_id: request.request_id,
                payload: request.payload,
                invoked_arn: request.invoked_arn,
                client_context: request.client_context,
                tenant: request.tenant.clone(),
                trace,
                wants_log_tail: request.wants_log_tail,
            },
            sink,
        };
        // A task of its own costs about a microsecond, and is what makes the invocation
        // independent of its caller.
        let (answer, answered) = oneshot::channel();
        shared.tracker.spawn(dispatch.run(answer));
        Ok(Begun::Running(Running { version, answered }))
    }
}

impl<H: Host<Spec = Spec>> Clone for Invoker<H> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}
