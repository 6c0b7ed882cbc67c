//! AWS IAM policies: documents are read ([`Policy::parse`]), requests are evaluated ([`evaluate`]), and the
//! decision says which statements and which kind of policy made it.
//!
//! Start with [`evaluate`], which is AWS's order of evaluation from top to bottom; below it a statement
//! ([`document`]) asks its patterns ([`pattern`]), its principals and its [`condition`]s about one [`Request`].
//!
//! Invariants: nothing here does I/O, waits or reads a clock (the [`Context`] has the time); an evaluation allocates
//! nothing; a text is matched in at most the product of its length and the pattern's; whatever cannot be read is
//! refused when the document is read, never guessed when it is evaluated.
//!
//! Not here: service control policies, resource control policies and policies of VPC endpoints, which need an
//! organization or a VPC.

mod condition;
mod context;
mod decision;
mod document;
mod evaluate;
pub mod keys;
mod limits;
mod pattern;
mod principal;
mod variables;

pub use context::Context;
pub use decision::{Deciding, Decision, Gate, Verdict};
pub use document::{Error, Place, Policy, PolicyKind};
pub use evaluate::{Attached, Policies, Request, ResourceSide, evaluate};
pub use limits::DOCUMENT_BYTES_MAX;
pub use pattern::is_like;
pub use principal::{InvalidArn, Principal};
