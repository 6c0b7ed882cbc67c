//! `DeleteRetentionPolicy`: a group's events are kept for ever again, or as long as the server's
//! `--log-retention-days` says.

pub(crate) use super::generated::DeleteRetentionPolicyRequest as Input;
use super::group::refusal;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    let set = logs.set_retention(account, &input.log_group_name, None);
    set.await.map_err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn a_group_that_is_not_there_is_not_found() {
        let fixture = Fixture::new().await;
        let input = Input {
            log_group_name: "/h".into(),
        };
        let refused = handle(&fixture.context, input).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
