//! Operations on objects.

pub(super) mod copy_object;
pub(super) mod copy_source;
pub(super) mod delete_object;
pub(super) mod delete_object_tagging;
pub(super) mod delete_objects;
pub(super) mod found;
pub(super) mod get_object;
pub(super) mod get_object_tagging;
pub(super) mod head_object;
pub(super) mod list_object_versions;
pub(super) mod list_objects;
pub(super) mod list_objects_v2;
pub(super) mod listing;
pub(super) mod put_object;
pub(super) mod put_object_tagging;
