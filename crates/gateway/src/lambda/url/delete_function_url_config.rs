//! `DeleteFunctionUrlConfig`: takes a function's URL away. A new one will have another address.

use super::target;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::DeleteFunctionUrlConfigRequest as Input;
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let named = target(context, &input.function_name, input.qualifier.as_deref())?;
    let (id, qualifier) = (&named.function.id, named.qualifier);
    let changed = context.deps.store.update_function(id, move |function| {
        function
            .urls
            .remove(&qualifier)
            .map(|_| ())
            .ok_or_else(resource_not_found)
    });
    changed.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::CreateFunctionUrlConfigRequest;
    use crate::lambda::url::create_function_url_config;

    #[tokio::test]
    async fn a_deleted_url_leads_nowhere() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let create = CreateFunctionUrlConfigRequest {
            function_name: "sum".into(),
            auth_type: "NONE".into(),
            ..Default::default()
        };
        create_function_url_config::handle(&fixture.context, create)
            .await
            .unwrap();
        let url = fixture.function(&id).urls[&None].id.clone();
        let delete = || Input {
            function_name: "sum".into(),
            qualifier: None,
        };
        handle(&fixture.context, delete()).await.unwrap();
        assert!(fixture.context.deps.store.function_by_url(&url).is_none());
        let again = handle(&fixture.context, delete()).await.unwrap_err();
        assert_eq!(again.message, "The resource you requested does not exist.");
    }
}
