//! The invocations that an instance has accepted and not answered yet.

use kiln_types::{Invocation, InvocationReport, RequestId, Timestamp};
use tokio::sync::oneshot;

use super::shares::Each;
use crate::error::Error;
use crate::response::Sink;

/// All of them, and which is spoken of.
#[derive(Default)]
pub(super) struct Flights {
    all: Vec<InFlight>,
    /// Which the lifecycle speaks of; none where there is one at a time.
    about: Option<RequestId>,
}

/// One invocation.
pub(super) struct InFlight {
    pub(super) invocation: Invocation,
    /// Where its answer goes as it is made.
    pub(super) sink: Option<Sink>,
    pub(super) answer: oneshot::Sender<Result<InvocationReport, Error>>,
    pub(super) started: Timestamp,
    /// What everybody had used when it began to share its instance.
    pub(super) began: Option<Each>,
}

impl Flights {
    pub(super) fn add(&mut self, one: InFlight) {
        self.all.push(one);
    }

    /// From here on this invocation is spoken of.
    pub(super) fn speak_of(&mut self, request: RequestId) {
        self.about = Some(request);
    }

    /// The one that is spoken of.
    pub(super) fn current(&mut self) -> Option<&mut InFlight> {
        let at = self.position()?;
        self.all.get_mut(at)
    }

    /// The same, which is over.
    pub(super) fn take(&mut self) -> Option<InFlight> {
        let at = self.position()?;
        Some(self.all.remove(at))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether there are others than the one that is spoken of.
    pub(super) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Everybody who has not begun to use the instance.
    pub(super) fn not_begun(&mut self) -> impl Iterator<Item = &mut InFlight> {
        self.all.iter_mut().filter(|one| one.began.is_none())
    }

    fn position(&self) -> Option<usize> {
        match self.about {
            None => (!self.all.is_empty()).then_some(0),
            Some(request) => {
                let is_it = |one: &InFlight| one.invocation.request_id == request;
                self.all.iter().position(is_it)
            }
        }
    }
}
