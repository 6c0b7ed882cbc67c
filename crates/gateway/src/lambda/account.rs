//! Operations on the account.

pub(crate) mod get_account_settings;
