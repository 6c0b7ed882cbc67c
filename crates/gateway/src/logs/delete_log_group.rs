//! `DeleteLogGroup`: forgets a group with all that was logged to it.

use super::generated::DeleteLogGroupRequest as Input;
use super::group::refusal;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    let deleted = logs.delete_group(account, &input.log_group_name).await;
    deleted.map_err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    #[tokio::test]
    async fn a_group_goes_with_its_events_also_with_those_that_wait_to_be_written() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["x"]);
        let delete = || Input {
            log_group_name: "/g".into(),
        };
        handle(&fixture.context, delete()).await.unwrap();
        let refused = handle(&fixture.context, delete()).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert_eq!(refused.message, "The specified log group does not exist.");
    }
}
