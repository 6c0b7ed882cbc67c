//! Operations on when a version's runtime is brought up to date.
//!
//! AWS differs: it has many versions of a runtime at a time and can keep a function at one. Kiln has the one of its pack, and a new
//! pack is used by all that starts from then on: `Auto` is what is.

use kiln_types::{FunctionArn, Qualifier};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::refusal::invalid;
use crate::lambda::target::Target;

pub(crate) mod get_runtime_management_config;
pub(crate) mod put_runtime_management_config;

/// What functions have.
const AUTO: &str = "Auto";

/// The ARN of the version that is meant.
fn version(context: &Context, name: &str, qualifier: Option<&str>) -> Result<FunctionArn> {
    let target = Target::read(context, name, qualifier)?;
    let named = target.version(context)?;
    match named.qualifier {
        Some(Qualifier::Alias(_)) => Err(invalid(
            "A runtime is managed for a version: say its number, or $LATEST, not an alias.",
        )),
        _ => Ok(named.arn),
    }
}
