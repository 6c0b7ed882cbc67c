//! The execution role of a function.

use crate::access;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::refusal::invalid;

const SERVICE: &str = "lambda.amazonaws.com";

/// Refuses a role that others trust for something else.
///
/// AWS differs: a role that does not exist is taken, and allows the function nothing.
pub(super) fn check_role(context: &Context, role: &str) -> Result<()> {
    match access::lets_service(context.asking(), role, SERVICE) {
        true => Ok(()),
        false => Err(invalid(
            "The role defined for the function cannot be assumed by Lambda.",
        )),
    }
}
