//! `GetFunctionConcurrency`: what a function reserves; an empty answer where it does not.

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetFunctionConcurrencyRequest as Input, GetFunctionConcurrencyResponse as Output,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.function(context)?;
    Ok(Output {
        reserved_concurrent_executions: function.reserved_concurrency.map(i64::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::concurrency::put_function_concurrency;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::PutFunctionConcurrencyRequest;

    #[tokio::test]
    async fn nothing_is_reserved_until_it_is() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let get = || Input {
            function_name: "sum".into(),
        };
        let before = handle(&fixture.context, get()).await.unwrap();
        assert_eq!(before.reserved_concurrent_executions, None);
        let put = PutFunctionConcurrencyRequest {
            function_name: "sum".into(),
            reserved_concurrent_executions: 7,
        };
        put_function_concurrency::handle(&fixture.context, put)
            .await
            .unwrap();
        let after = handle(&fixture.context, get()).await.unwrap();
        assert_eq!(after.reserved_concurrent_executions, Some(7));
    }
}
