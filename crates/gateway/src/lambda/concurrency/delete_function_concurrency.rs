//! `DeleteFunctionConcurrency`: gives a function's reservation back.

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::DeleteFunctionConcurrencyRequest as Input;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.function(context)?;
    let id = target.id();
    let changed = context.deps.store.update_function(&id, |function| {
        function.reserved_concurrency = None;
        Ok::<(), ApiError>(())
    });
    changed.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::concurrency::put_function_concurrency;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::PutFunctionConcurrencyRequest;

    #[tokio::test]
    async fn a_reservation_can_be_given_back_twice() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let put = PutFunctionConcurrencyRequest {
            function_name: "sum".into(),
            reserved_concurrent_executions: 7,
        };
        put_function_concurrency::handle(&fixture.context, put)
            .await
            .unwrap();
        for _ in 0..2 {
            handle(
                &fixture.context,
                Input {
                    function_name: "sum".into(),
                },
            )
            .await
            .unwrap();
            assert_eq!(fixture.function(&id).reserved_concurrency, None);
        }
        let missing = handle(
            &fixture.context,
            Input {
                function_name: "other".into(),
            },
        )
        .await;
        assert_eq!(missing.unwrap_err().exception, Exception::ResourceNotFound);
    }
}
