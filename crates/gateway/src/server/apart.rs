//! Administration behind a listener of its own: what is answered there, and what no longer elsewhere.
//!
//! The listener for administration answers everything below `/_kiln/` and nothing else. The others keep what users of functions
//! need: health, the runtimes that `kiln deploy` chooses from, and the code that `GetFunction` gives a link to.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use kiln_types::RequestId;

use super::{Peer, Shared};
use crate::apis::Address;
use crate::error::{ApiError, Exception};
use crate::wire::{Protocol, fault};
use crate::{admin, health, router, s3};

/// The answer to a request that came to the wrong listener; none where it is right.
pub(super) fn turned_away(shared: &Shared, peer: &Peer, head: &Parts) -> Option<Response<Bytes>> {
    let is_admin = is_of_admin(shared, head);
    let message = match peer {
        Peer::Administrator(_) if is_admin => return None,
        Peer::Administrator(_) => {
            "This address answers requests of administration alone, below /_kiln/."
        }
        _ if is_admin && !is_for_users(head.uri.path()) => {
            "Administration has an address of its own here; see --admin-listen."
        }
        _ => return None,
    };
    let error = ApiError::new(Exception::UnknownOperation, message);
    Some(fault::response(
        &error,
        Protocol::RestJson,
        RequestId::random(),
    ))
}

/// Whether it would be answered by [`admin`]: functions, APIs and buckets may have any path below their own hosts.
fn is_of_admin(shared: &Shared, head: &Parts) -> bool {
    head.uri.path().starts_with(admin::PREFIX)
        && router::url_id(head).is_none()
        && Address::of(head).is_none()
        && !s3::is_meant(shared, head)
}

fn is_for_users(path: &str) -> bool {
    path == health::PATH
        || path
            .strip_prefix(admin::PREFIX)
            .is_some_and(admin::is_for_users)
}
