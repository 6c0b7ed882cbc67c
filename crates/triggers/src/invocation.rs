//! What runs an event: an [`Invoker`], or what stands for one in tests.

use std::future::Future;
use std::pin::Pin;

use kiln_invoke::{Error, Invoker, Request};
use kiln_types::Outcome;

/// An invocation under way.
pub type Invocation<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;

/// Runs events. Every trigger goes through it.
pub trait Invoke: Send + Sync + 'static {
    /// Runs one and waits for its outcome. A function that fails is an outcome, not an error.
    fn invoke(&self, request: Request) -> Invocation<'_>;
}

impl Invoke for Invoker {
    fn invoke(&self, request: Request) -> Invocation<'_> {
        Box::pin(Invoker::invoke(self, request))
    }
}
