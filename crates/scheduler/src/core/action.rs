//! What the core decides.

use kiln_types::InstanceId;

use super::event::{FunctionKey, Ticket};
use crate::refusal::Refused;

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start an instance.
    Start {
        /// Its name.
        instance: InstanceId,
        /// A request of the same key, for what to start. It still waits, or is granted next.
        like: Ticket,
        /// Whether the instance is granted at once, its init running under the invocation; if not,
        /// its `Started` is awaited.
        bound: bool,
    },
    /// Start an instance that nobody has asked for yet; its `Started` is awaited.
    StartAhead {
        /// Its name.
        instance: InstanceId,
        /// What to start: a key that was started, expected or provisioned before and not forgotten
        /// since.
        key: FunctionKey,
        /// Whether it is to be kept ready, and may take as long as it needs for its init.
        provisioned: bool,
    },
    /// Nothing is left of a key, and nothing will be started of it without a request.
    Forget {
        /// Which.
        key: FunctionKey,
    },
    /// The request gets this instance.
    Grant {
        /// Which request.
        ticket: Ticket,
        /// Which instance.
        instance: InstanceId,
        /// Whether it is one of those kept ready.
        provisioned: bool,
    },
    /// The request gets none.
    Refuse {
        /// Which request.
        ticket: Ticket,
        /// Why, and when to come again.
        refused: Refused,
    },
    /// Freeze an idle instance.
    Freeze {
        /// Which.
        instance: InstanceId,
    },
    /// End an instance when it runs nothing; its `Ended` is awaited.
    Stop {
        /// Which.
        instance: InstanceId,
    },
    /// End an instance that was told to stop, whatever it does; its `Ended` is awaited.
    Kill {
        /// Which.
        instance: InstanceId,
    },
}
