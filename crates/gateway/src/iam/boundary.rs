//! Operations on what bounds the permissions of users and roles.

use kiln_types::iam::{Bounded, PolicyArn};

use super::generated::AttachedPermissionsBoundary;
use super::{change, policy_arn};
use crate::context::Context;
use crate::error::Result;

pub(super) mod delete_role_permissions_boundary;
pub(super) mod delete_user_permissions_boundary;
pub(super) mod put_role_permissions_boundary;
pub(super) mod put_user_permissions_boundary;

async fn put(context: &Context, of: Bounded, arn: &str) -> Result<()> {
    let arn = policy_arn(arn)?;
    change(context, move |directory| {
        directory.set_boundary(&of, Some(arn))
    })
    .await
}

async fn delete(context: &Context, of: Bounded) -> Result<()> {
    change(context, move |directory| directory.set_boundary(&of, None)).await
}

pub(super) fn shown(arn: &PolicyArn) -> AttachedPermissionsBoundary {
    AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".to_owned()),
        permissions_boundary_arn: Some(arn.to_string()),
    }
}
