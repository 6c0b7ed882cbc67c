//! `DeleteFunction`: forgets a function with its versions, aliases, URLs and policies, or one of its
//! versions. Its logs and usage stay.

use kiln_types::{Qualifier, Version};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{DeleteFunctionRequest as Input, DeleteFunctionResponse as Output};
use crate::lambda::refusal::{conflict, function_not_found, invalid};
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
        Some(_) => return delete_version(context, &target).await,
    }
    match context.deps.store.delete_function(&target.id()).await {
        Ok(_) => Ok(Output::default()),
        Err(kiln_store::Error::NotFound(_)) => Err(function_not_found(&target.arn)),
        Err(error) => Err(error.into()),
    }
}

async fn delete_version(context: &Context, target: &Target) -> Result<Output> {
    let not_found = function_not_found(target.qualified_arn());
    let Some(Some(Qualifier::Version(Version::Published(number)))) = target.read_qualifier() else {
        return Err(not_found);
    };
    let version = Version::Published(number);
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        if !function.versions.contains_key(&number) {
            return Err(not_found);
        }
        let mut aliases = function.aliases.iter();
        if let Some((alias, _)) = aliases.find(|(_, alias)| alias.names(version)) {
            return Err(conflict(format!(
                "Version {number} cannot be deleted because alias {alias} points at it; point the alias at another version first."
            )));
        }
        function.versions.remove(&number);
        function.forget_qualifier(Qualifier::Version(version));
        Ok(())
    });
    changed.await.map(|_| Output::default())
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
