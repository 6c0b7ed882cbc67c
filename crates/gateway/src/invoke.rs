//! What the gateway asks of an invoker, so that handlers can be tested without sandboxes.

use std::future::Future;
use std::pin::Pin;

use kiln_invoke::{Error, Invoker, Readiness, Request, Stream};
use kiln_types::{AccountId, Configuration, FunctionId, Outcome};

/// The one road to an instance, as the gateway sees it.
pub trait Invoke: Send + Sync + 'static {
    /// See [`Invoker::invoke`].
    fn invoke(&self, request: Request) -> Invoking<'_>;
    /// See [`Invoker::stream`].
    fn stream(&self, request: Request) -> Result<Stream, Error>;
    /// See [`Invoker::readiness`].
    fn readiness(&self, function: &FunctionId, of: &Configuration) -> Option<Readiness>;
    /// See [`Invoker::expel`]. Where nothing runs there is nothing to do.
    fn expel<'a>(&'a self, _: &'a AccountId) -> Expelling<'a> {
        Box::pin(std::future::ready(()))
    }
}

/// An invocation in flight.
pub type Invoking<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;

/// Everything of an account is being ended.
pub type Expelling<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Invoke for Invoker {
    fn invoke(&self, request: Request) -> Invoking<'_> {
        Box::pin(Invoker::invoke(self, request))
    }

    fn stream(&self, request: Request) -> Result<Stream, Error> {
        Invoker::stream(self, request)
    }

    fn readiness(&self, function: &FunctionId, of: &Configuration) -> Option<Readiness> {
        Invoker::readiness(self, function, of)
    }
    fn expel<'a>(&'a self, account: &'a AccountId) -> Expelling<'a> {
        Box::pin(Invoker::expel(self, account))
    }
}
