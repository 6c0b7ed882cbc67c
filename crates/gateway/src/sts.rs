//! The Security Token Service, as far as clients need it to ask who they are.

pub(crate) mod generated;

pub(crate) mod get_caller_identity;

crate::wire::dispatch! {
    GetCallerIdentity => get_caller_identity::handle,
}
