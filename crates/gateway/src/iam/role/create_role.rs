//! `CreateRole`: makes a role, with who may become it.

use kiln_policy::PolicyKind;
use kiln_types::iam::{EntityId, Grants, Kind, Role};
use kiln_types::limits::SESSION_SECS;

use super::{session_secs, shown};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{CreateRoleRequest as Input, CreateRoleResponse as Output};
use crate::iam::{change, document, name, path, policy_arn, tag};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    document::check(&input.assume_role_policy_document, PolicyKind::Trust)?;
    let boundary = input.permissions_boundary.as_deref().map(policy_arn);
    let role = Role {
        id: EntityId::random(Kind::Role),
        path: path(input.path.as_deref())?,
        name: name(&input.role_name)?,
        created: context.now,
        trust: input.assume_role_policy_document,
        description: input.description,
        session_secs_max: session_secs(input.max_session_duration).unwrap_or(SESSION_SECS),
        tags: tag::read(input.tags.unwrap_or_default())?,
        boundary: boundary.transpose()?,
        grants: Grants::default(),
    };
    let made = change(context, |directory| directory.add_role(role)).await?;
    Ok(Output {
        role: shown(&context.caller.account, &made),
    })
}
