//! `ValidateResourcePolicy`: whether a text is a resource policy that does not let everybody in.

use super::super::find;
use super::super::generated::{
    ValidateResourcePolicyRequest as Input, ValidateResourcePolicyResponse as Output,
    ValidationErrorsEntry,
};
use super::check;
use crate::access::is_public;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if let Some(secret) = &input.secret_id {
        find(context, secret)?;
    }
    check(&input.resource_policy)?;
    let public = is_public(&input.resource_policy).then(|| ValidationErrorsEntry {
        check_name: Some("PublicPolicy".to_owned()),
        error_message: Some("The resource policy lets everybody in.".to_owned()),
    });
    Ok(Output {
        policy_validation_passed: Some(public.is_none()),
        validation_errors: Some(public.into_iter().collect()),
    })
}
