//! `CreateUser`: makes a user, without keys and without policies.

use std::collections::BTreeSet;

use kiln_types::iam::{EntityId, Grants, Kind, User};

use super::{refuse_taken, shown};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{CreateUserRequest as Input, CreateUserResponse as Output};
use crate::iam::{change, name, path, policy_arn, tag};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let name = name(&input.user_name)?;
    refuse_taken(context, &name)?;
    let boundary = input.permissions_boundary.as_deref().map(policy_arn);
    let user = User {
        id: EntityId::random(Kind::User),
        path: path(input.path.as_deref())?,
        name,
        created: context.now,
        tags: tag::read(input.tags.unwrap_or_default())?,
        boundary: boundary.transpose()?,
        groups: BTreeSet::new(),
        grants: Grants::default(),
    };
    let made = change(context, |directory| directory.add_user(user)).await?;
    Ok(Output {
        user: Some(shown(&context.caller.account, &made)),
    })
}
