//! Signed code: a [`Statement`] says whose a package's content is, and a signature says that it is true.
//!
//! Both are files of the package itself, so that whatever carries it carries them: `META-INF/kiln/statement`, a text of six lines,
//! and `META-INF/kiln/signature`, the signature over the bytes of that text, in base64. The statement has the digest of the package's
//! [`Content`](kiln_types::Content), which the two files are no part of. `docs/guide/code-signing.md` has the format.
//!
//! Invariants: nothing of a statement is believed before its signature is verified by a key that was known before; a key verifies
//! with its own algorithm and no other; everything here is pure. Start reading at [`Sealed::verify`].

mod key;
mod sealed;
mod statement;

pub use key::{KeyError, PrivateKey, PublicKey};
pub use sealed::{Sealed, Unverified};
pub use statement::{STATEMENT_BYTES_MAX, Statement, Unreadable};
