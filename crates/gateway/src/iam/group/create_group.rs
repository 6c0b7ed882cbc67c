//! `CreateGroup`: makes a group that nobody is in.

use kiln_types::iam::{EntityId, Grants, Group, Kind};

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{CreateGroupRequest as Input, CreateGroupResponse as Output};
use crate::iam::{change, name, path};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let group = Group {
        id: EntityId::random(Kind::Group),
        path: path(input.path.as_deref())?,
        name: name(&input.group_name)?,
        created: context.now,
        grants: Grants::default(),
    };
    let made = change(context, |directory| directory.add_group(group)).await?;
    Ok(Output {
        group: shown(&context.caller.account, &made),
    })
}
