//! Operations on the account as a whole.

pub(super) mod get_account_authorization_details;
pub(super) mod get_account_summary;
pub(super) mod list_account_aliases;
