//! Container images: found by their names, pinned by their digests, and fetched layer by layer.
//!
//! A name leads to a registry (OCI distribution specification, pull only), or to a directory or an
//! archive below a directory that the operator has named. Start reading at [`Sources`] in `sources.rs`,
//! then `document.rs` (what an image says of itself); `registry.rs` and `layout.rs` are the places.
//!
//! Invariants: nothing that a place says is believed before its digest was compared; no file is opened
//! outside of the operator's directories, whatever a name or a link says; everything that is read into
//! memory has a limit. What is unpacked, and where, is not this crate's business.

mod document;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod reference;
mod registry;
mod sources;
mod turns;

pub use error::Error;
pub use sources::{Blob, Config, Opened, Sources};
pub use turns::{Turn, Turns};
