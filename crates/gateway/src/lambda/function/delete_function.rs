//! `DeleteFunction`: forgets a function, its URLs and its policy. Its logs and usage stay.

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{DeleteFunctionRequest as Input, DeleteFunctionResponse as Output};
use crate::lambda::refusal::{function_not_found, invalid};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    match target.qualifier.as_deref() {
        None => {}
        Some("$LATEST") => {
            return Err(invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(_) => return Err(function_not_found(target.qualified_arn())),
    }
    match context.deps.store.delete_function(&target.id()).await {
        Ok(_) => Ok(Output::default()),
        Err(kiln_store::Error::NotFound(_)) => Err(function_not_found(&target.arn)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn delete(name: &str, qualifier: Option<&str>) -> Input {
        Input {
            function_name: name.into(),
            qualifier: qualifier.map(Into::into),
        }
    }

    #[tokio::test]
    async fn a_deleted_function_is_gone() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        handle(&fixture.context, delete("sum", None)).await.unwrap();
        assert!(fixture.context.deps.store.function(&id).is_none());
        let again = handle(&fixture.context, delete("sum", None))
            .await
            .unwrap_err();
        assert_eq!(again.exception, Exception::ResourceNotFound);
    }

    #[tokio::test]
    async fn latest_alone_cannot_be_deleted() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let refused = handle(&fixture.context, delete("sum:$LATEST", None))
            .await
            .unwrap_err();
        assert_eq!(
            refused.message,
            "$LATEST version cannot be deleted without deleting the function."
        );
        let version = handle(&fixture.context, delete("sum", Some("1")))
            .await
            .unwrap_err();
        assert!(version.message.ends_with("function:sum:1"));
        assert!(fixture.context.deps.store.function(&id).is_some());
    }
}
