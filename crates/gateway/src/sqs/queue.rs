//! Queues and what is set of them.

pub(super) mod attributes;
pub(crate) mod create_queue;
pub(super) mod delete_queue;
pub(super) mod get_queue_attributes;
pub(super) mod get_queue_url;
pub(super) mod list_dead_letter_source_queues;
pub(super) mod list_queues;
mod page;
pub(super) mod purge_queue;
mod redrive;
pub(crate) mod set_queue_attributes;
