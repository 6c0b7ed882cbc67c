//! Operations on messages.

mod attribute;
mod draft;
pub(super) mod publish;
pub(super) mod publish_batch;
