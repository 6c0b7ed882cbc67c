//! `PutFunctionConcurrency`: reserves concurrency for a function.
//!
//! AWS differs: an account there has ten executions at the least and is granted more before it may
//! reserve. Here `--concurrency` may be small, so a tenth of it is what must stay unreserved when
//! that is less than AWS's 100; and what takes nothing more from the pool, zero above all, is
//! never refused: it stops a function that runs away.

use super::{reserved, unreserved_min};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{Concurrency as Output, PutFunctionConcurrencyRequest as Input};
use crate::lambda::refusal::invalid;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.function(context)?;
    let wanted = input.reserved_concurrent_executions;
    let total = i64::from(context.account_concurrency());
    let unreserved_min = unreserved_min(context.account_concurrency());
    // Checked among changes that run one after the other, so that two callers cannot both take
    // the last of the pool.
    let id = target.id();
    let store = &context.deps.store;
    let changed = store.update_function_among(&id, move |function, others| {
        let others = i64::try_from(reserved(others)).unwrap_or(i64::MAX);
        let left = total.saturating_sub(others).saturating_sub(wanted);
        let provisioned = function.provisioned_total();
        if wanted < i64::from(provisioned) {
            // AWS's words, its spaces included.
            return Err(invalid(format!(
                " ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        let takes_more = wanted > i64::from(function.kept_concurrency());
        match u32::try_from(wanted) {
            Ok(count) if !takes_more || left >= i64::from(unreserved_min) => {
                function.reserved_concurrency = Some(count);
                Ok(())
            }
            _ => Err(invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{unreserved_min}]."
            ))),
        }
    });
    changed.await?;
    Ok(Output {
        reserved_concurrent_executions: Some(wanted),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn put(name: &str, count: i64) -> Input {
        Input {
            function_name: name.into(),
            reserved_concurrent_executions: count,
        }
    }

    #[tokio::test]
    async fn a_reservation_is_kept_and_replaced() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        for count in [900, 0, 5] {
            let output = handle(&fixture.context, put("sum", count)).await.unwrap();
            assert_eq!(output.reserved_concurrent_executions, Some(count));
            assert_eq!(
                fixture.function(&id).reserved_concurrency,
                Some(count as u32)
            );
        }
    }

    #[tokio::test]
    async fn one_hundred_stay_unreserved() {
        let fixture = Fixture::new().await;
        fixture.create("a").await;
        let id = fixture.create("b").await;
        handle(&fixture.context, put("a", 600)).await.unwrap();
        for count in [301, i64::MAX] {
            let refused = handle(&fixture.context, put("b", count)).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert_eq!(
                refused.message,
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
            );
        }
        assert_eq!(fixture.function(&id).reserved_concurrency, None);
        assert!(handle(&fixture.context, put("b", 300)).await.is_ok());
    }

    #[tokio::test]
    async fn a_small_account_keeps_a_tenth_unreserved() {
        let mut fixture = Fixture::new().await;
        fixture.account_concurrency(8);
        fixture.create("a").await;
        let id = fixture.create("b").await;
        assert!(handle(&fixture.context, put("a", 5)).await.is_ok());
        let refused = handle(&fixture.context, put("b", 3)).await.unwrap_err();
        assert!(
            refused.message.ends_with("minimum value of [1]."),
            "{}",
            refused.message
        );
        assert!(handle(&fixture.context, put("b", 2)).await.is_ok());
        assert_eq!(fixture.function(&id).reserved_concurrency, Some(2));
    }

    /// As after a restart with a smaller `--concurrency`.
    #[tokio::test]
    async fn a_function_can_be_stopped_when_the_pool_has_nothing_to_spare() {
        let mut fixture = Fixture::new().await;
        fixture.create("a").await;
        let id = fixture.create("b").await;
        handle(&fixture.context, put("a", 500)).await.unwrap();
        fixture.account_concurrency(50);
        assert!(handle(&fixture.context, put("b", 1)).await.is_err());
        handle(&fixture.context, put("b", 0)).await.unwrap();
        assert_eq!(fixture.function(&id).reserved_concurrency, Some(0));
        assert!(handle(&fixture.context, put("a", 501)).await.is_err());
        handle(&fixture.context, put("a", 40)).await.unwrap();
    }

    #[tokio::test]
    async fn two_at_once_cannot_both_take_the_last_of_the_pool() {
        let fixture = Fixture::new().await;
        let store = fixture.context.deps.store.clone();
        let (a, b) = (fixture.create("a").await, fixture.create("b").await);
        // Both wait behind a change that does not end before both are there.
        let (go_on, wait) = std::sync::mpsc::channel();
        let held = store.update_function(&a, move |_| {
            wait.recv().unwrap();
            Ok::<(), kiln_store::Error>(())
        });
        let (held, first, second, ()) = tokio::join!(
            biased;
            held,
            handle(&fixture.context, put("a", 500)),
            handle(&fixture.context, put("b", 500)),
            async { go_on.send(()).unwrap() },
        );
        held.unwrap();
        assert!(first.is_ok());
        assert_eq!(
            second.unwrap_err().exception,
            Exception::InvalidParameterValue
        );
        assert_eq!(fixture.function(&b).reserved_concurrency, None);
    }

    #[tokio::test]
    async fn versions_have_no_reservation() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let refused = handle(&fixture.context, put("sum:1", 1)).await.unwrap_err();
        assert!(
            refused
                .message
                .starts_with("This operation is permitted on Lambda functions only.")
        );
        let missing = handle(&fixture.context, put("other", 1)).await.unwrap_err();
        assert_eq!(missing.exception, Exception::ResourceNotFound);
    }
}
