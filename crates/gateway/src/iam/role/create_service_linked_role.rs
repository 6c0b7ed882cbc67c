//! `CreateServiceLinkedRole`: refused.
//!
//! AWS differs: services of Kiln need no roles of their own to work in an account.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    CreateServiceLinkedRoleRequest as Input, CreateServiceLinkedRoleResponse as Output,
};
use crate::iam::refusal::invalid_input;

pub(crate) async fn handle(_context: &Context, input: Input) -> Result<Output> {
    Err(invalid_input(format!(
        "Kiln has no service-linked roles, as its services need none: leave out that of {}.",
        input.aws_service_name
    )))
}
