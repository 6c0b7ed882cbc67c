//! Messages: sent, received, hidden, deleted.

mod attribute;
pub(super) mod change_message_visibility;
pub(super) mod change_message_visibility_batch;
pub(super) mod delete_message;
pub(super) mod delete_message_batch;
mod draft;
mod md5;
mod receipt;
pub(super) mod receive_message;
pub(super) mod send_message;
pub(super) mod send_message_batch;
mod shown;
mod text;
