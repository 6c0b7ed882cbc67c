//! `GetAccountSettings`: the account's limits, and how much of them is used.

use kiln_types::{AccountId, limits};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::concurrency::reserved;
use crate::lambda::generated::{
    AccountLimit, AccountUsage, GetAccountSettingsRequest as Input,
    GetAccountSettingsResponse as Output,
};

pub(crate) async fn handle(context: &Context, _input: Input) -> Result<Output> {
    let account = &context.caller.account;
    let functions = context.deps.store.functions(account);
    let total = context.account_concurrency();
    let reserved = reserved(&functions);
    let code = code_bytes(context, account);
    let own = context.deps.store.tenants().limits(account);
    let code_max = own.code_bytes.unwrap_or(limits::CODE_STORAGE_BYTES_MAX);
    Ok(Output {
        account_limit: Some(AccountLimit {
            total_code_size: Some(i64::try_from(code_max).unwrap_or(i64::MAX)),
            code_size_unzipped: Some(limits::UNZIPPED_BYTES_MAX as i64),
            code_size_zipped: Some(limits::ZIPPED_BYTES_MAX as i64),
            concurrent_executions: Some(total.into()),
            unreserved_concurrent_executions: Some((i64::from(total) - reserved as i64).max(0)),
        }),
        account_usage: Some(AccountUsage {
            total_code_size: Some(code as i64),
            function_count: Some(functions.len() as i64),
        }),
    })
}

/// What counts as code storage of an account: the zips of all versions of its functions and layers.
pub(crate) fn code_bytes(context: &Context, account: &AccountId) -> u64 {
    let store = &context.deps.store;
    let functions = store.functions(account);
    let of_functions = functions.iter().map(|function| function.code_bytes());
    let layers = store.layers().list(account);
    let of_layers = layers.iter().map(|layer| layer.code.zipped_bytes);
    of_functions.chain(of_layers).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::concurrency::put_function_concurrency;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::PutFunctionConcurrencyRequest;

    #[tokio::test]
    async fn usage_is_what_the_functions_use() {
        let fixture = Fixture::new().await;
        let empty = handle(&fixture.context, Input::default()).await.unwrap();
        assert_eq!(empty.account_usage.unwrap().function_count, Some(0));
        let id = fixture.create("sum").await;
        let put = PutFunctionConcurrencyRequest {
            function_name: "sum".into(),
            reserved_concurrent_executions: 250,
        };
        put_function_concurrency::handle(&fixture.context, put)
            .await
            .unwrap();
        let output = handle(&fixture.context, Input::default()).await.unwrap();
        let (limit, usage) = (output.account_limit.unwrap(), output.account_usage.unwrap());
        assert_eq!(limit.concurrent_executions, Some(1_000));
        assert_eq!(limit.unreserved_concurrent_executions, Some(750));
        assert_eq!(limit.total_code_size, Some(80_530_636_800));
        assert_eq!(limit.code_size_unzipped, Some(262_144_000));
        assert_eq!(limit.code_size_zipped, Some(52_428_800));
        assert_eq!(usage.function_count, Some(1));
        let zipped = fixture.function(&id).latest.code.zipped_bytes;
        assert_eq!(usage.total_code_size, Some(zipped as i64));
    }
}
