//! Operations on buckets.

pub(super) mod create_bucket;
pub(super) mod delete_bucket;
pub(super) mod delete_bucket_policy;
pub(super) mod delete_bucket_tagging;
pub(super) mod delete_public_access_block;
pub(super) mod get_bucket_location;
pub(super) mod get_bucket_notification_configuration;
pub(super) mod get_bucket_policy;
pub(super) mod get_bucket_policy_status;
pub(super) mod get_bucket_tagging;
pub(super) mod get_bucket_versioning;
pub(super) mod get_public_access_block;
pub(super) mod head_bucket;
pub(super) mod list_buckets;
pub(super) mod notification;
pub(super) mod put_bucket_notification_configuration;
pub(super) mod put_bucket_policy;
pub(super) mod put_bucket_tagging;
pub(super) mod put_bucket_versioning;
pub(super) mod put_public_access_block;

mod policy;
