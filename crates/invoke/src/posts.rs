//! Posts messages of topics to HTTP endpoints that have subscribed, at least once, and asks endpoints whether they agree.
//!
//! A post is on disk before its publication is answered ([`Delivery::Post`](kiln_store::queue::Delivery)). Then it is tried
//! until the endpoint takes it, or its delivery policy is exhausted, and then it becomes a message of the subscription's
//! dead-letter queue, or is dropped and counted.
//!
//! ```text
//!   core.rs      pure: whose post is tried next
//!   driver.rs    one task for the core, one a try
//!   attempt.rs   one try, and what follows from it
//!   client.rs    HTTP; reach.rs says which addresses may be reached
//!   sign.rs      the server's key, by which receivers know its messages
//! ```
//!
//! Invariants: an endpoint that does not answer delays no other for longer than one try takes; no address is reached that is
//! neither public nor listed, whatever a name resolves to; a subscription that is gone or not confirmed gets nothing.

mod attempt;
mod client;
mod core;
mod driver;
mod reach;
mod sign;

pub use driver::{PostDeps, keep_posts};
pub use reach::Reach;
pub use sign::{SignError, Signer};

/// Who says what is posted.
const AGENT: &str = "Amazon Simple Notification Service Agent";
