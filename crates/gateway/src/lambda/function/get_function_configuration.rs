//! `GetFunctionConfiguration`: the settings of a version.

use super::configuration::render;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    FunctionConfiguration as Output, GetFunctionConfigurationRequest as Input,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = target.version(context)?;
    Ok(render(&named.arn, &named.configuration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn the_arn_is_qualified_as_asked() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let get = |qualifier: Option<&str>| Input {
            function_name: "sum".into(),
            qualifier: qualifier.map(Into::into),
        };
        let plain = handle(&fixture.context, get(None)).await.unwrap();
        assert!(plain.function_arn.unwrap().ends_with(":function:sum"));
        assert_eq!(plain.state.as_deref(), Some("Active"));
        assert_eq!(plain.last_update_status.as_deref(), Some("Successful"));
        let latest = handle(&fixture.context, get(Some("$LATEST")))
            .await
            .unwrap();
        assert!(
            latest
                .function_arn
                .unwrap()
                .ends_with(":function:sum:$LATEST")
        );
        let missing = handle(&fixture.context, get(Some("7"))).await.unwrap_err();
        assert_eq!(missing.exception, Exception::ResourceNotFound);
    }
}
