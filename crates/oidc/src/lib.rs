//! JSON web tokens (RFC 7519), judged by the keys that their issuers publish (OpenID Connect Discovery).
//!
//! [`Judge::judge`] takes a [`token`] apart, finds the key it names among those of its issuer ([`keys`],
//! fetched by [`fetch`]), verifies the signature ([`key`]) and checks what the token says ([`claims`]).
//!
//! Invariants: of a token nothing is believed before its signature is verified, and until then only its
//! algorithm and the name of its key are read; a key verifies its own algorithms and no other; a stranger's
//! token causes no more than one fetch per [`limits::REFETCH_PAUSE`] of an issuer, and what a page answers
//! is bounded in size and time.

mod claims;
mod fetch;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod judge;
mod key;
mod keys;
pub mod limits;
mod refused;
mod token;

pub use claims::{Claims, Expected};
pub use judge::Judge;
pub use refused::Refused;
