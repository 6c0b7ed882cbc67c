//! What the gateway asks of a compiler, so that handlers can be tested without sandboxes.

use std::future::Future;
use std::pin::Pin;

use kiln_types::Sha256;

/// Compiles the module that a handler names in a package, and keeps what comes out in place of what was
/// kept before.
pub type Compile = Box<dyn Fn(Sha256, String) -> Compiling + Send + Sync>;

/// A compilation.
pub type Compiling = Pin<Box<dyn Future<Output = Result<(), NotCompiled>> + Send>>;

/// Why nothing was compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCompiled {
    /// The package's fault: for its owner.
    Refused(String),
    /// Nobody's: the compiler has enough to do, and another try may find it free.
    Busy,
    /// Kiln's own: for its operator.
    Failed(String),
}
