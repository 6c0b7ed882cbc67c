//! `RemoveLayerVersionPermission`: takes a statement out of a layer version's policy.

use kiln_types::RevisionId;

use super::{change_policy, read_own_version};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::RemoveLayerVersionPermissionRequest as Input;
use crate::lambda::refusal::{not_found, stale_revision};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = read_own_version(context, &input.layer_name, input.version_number)?;
    let changed = change_policy(context, &arn, move |layer| {
        let policy = &mut layer.policy;
        let sid = &input.statement_id;
        let mut statements = policy.statements.iter();
        let Some(index) = statements.position(|present| present.sid == *sid) else {
            return Err(not_found(format!(
                "Statement {sid} is not found in resource policy."
            )));
        };
        if input
            .revision_id
            .is_some_and(|seen| seen != policy.revision.to_string())
        {
            return Err(stale_revision("GetLayerPolicy"));
        }
        policy.statements.remove(index);
        policy.revision = RevisionId::random();
        Ok(())
    });
    changed.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn without_a_policy_there_is_nothing_to_remove() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let input = Input {
            layer_name: "a".into(),
            version_number: 1,
            statement_id: "s1".into(),
            ..Default::default()
        };
        let refused = handle(&fixture.context, input).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Statement s1 is not found in resource policy."
        );
    }
}
