//! `GetFunctionEventInvokeConfig`: how asynchronous events of a version or an alias are handled.

use super::{Meant, shown};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    FunctionEventInvokeConfig as Output, GetFunctionEventInvokeConfigRequest as Input,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let meant = Meant::read(context, &input.function_name, input.qualifier.as_deref())?;
    let function = context.deps.store.function(&meant.target.id());
    let found = function.as_ref().and_then(|function| {
        let key = meant.key(function)?;
        let config = function.event_invokes.get(&key)?;
        Some(shown(&meant.target.arn, &key, config))
    });
    found.ok_or_else(|| meant.no_config())
}
