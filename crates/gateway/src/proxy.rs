//! What function URLs and HTTP APIs share: an HTTP request as an event, and a result as an HTTP response.
//!
//! [`incoming`] is a request with what the server knows of it. [`v2`] and [`v1`] are the two formats of
//! events, of which function URLs have the second only; [`response`] reads results, [`failure`] is
//! why there is none, and [`answer`] makes what the server says itself.

pub(crate) mod answer;
pub(crate) mod failure;
pub(crate) mod incoming;
pub(crate) mod place;
pub(crate) mod response;
pub(crate) mod v1;
pub(crate) mod v2;

pub(crate) use incoming::Incoming;
pub(crate) use place::{Place, Signer, Who};
