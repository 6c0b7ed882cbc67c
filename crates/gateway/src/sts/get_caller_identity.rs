//! `GetCallerIdentity`: whose credentials these are.

use super::generated::{GetCallerIdentityRequest as Input, GetCallerIdentityResponse as Output};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, _input: Input) -> Result<Output> {
    let caller = &context.caller;
    Ok(Output {
        user_id: Some(caller.user_id.clone()),
        account: Some(caller.account.to_string()),
        arn: Some(caller.arn.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn the_caller_is_shown() {
        let fixture = Fixture::new().await;
        let output = handle(&fixture.context, Input::default()).await.unwrap();
        assert_eq!(output.account.as_deref(), Some("000000000000"));
        assert_eq!(
            output.arn.as_deref(),
            Some("arn:aws:iam::000000000000:user/administrator")
        );
        assert_eq!(output.user_id.as_deref(), Some("AIDATEST"));
    }
}
