//! `ListFunctionUrlConfigs`: the URLs of a function and of its aliases.

use super::{render, target};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListFunctionUrlConfigsRequest as Input, ListFunctionUrlConfigsResponse as Output,
};
use crate::lambda::page;

/// The service model's bound of `MaxItems`.
const URLS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let function = target(context, &input.function_name, None)?.function;
    let urls = function
        .urls
        .iter()
        .map(|(qualifier, url)| render(context, &function, qualifier, url));
    let mut urls: Vec<_> = urls.collect();
    urls.sort_by(|a, b| a.function_arn.cmp(&b.function_arn));
    let size = page::size(input.max_items, URLS_MAX);
    let page = page::page(
        urls,
        |url| url.function_arn.as_str(),
        input.marker.as_deref(),
        size,
    )?;
    Ok(Output {
        function_url_configs: page.items,
        next_marker: page.next_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::CreateFunctionUrlConfigRequest;
    use crate::lambda::url::create_function_url_config;

    #[tokio::test]
    async fn a_functions_urls_are_listed() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let list = || Input {
            function_name: "sum".into(),
            ..Default::default()
        };
        assert!(
            handle(&fixture.context, list())
                .await
                .unwrap()
                .function_url_configs
                .is_empty()
        );
        let create = CreateFunctionUrlConfigRequest {
            function_name: "sum".into(),
            auth_type: "NONE".into(),
            ..Default::default()
        };
        let created = create_function_url_config::handle(&fixture.context, create)
            .await
            .unwrap();
        let listed = handle(&fixture.context, list()).await.unwrap();
        assert_eq!(
            listed.function_url_configs[0].function_url,
            created.function_url
        );
        assert_eq!(listed.next_marker, None);
        let missing = Input {
            function_name: "other".into(),
            ..Default::default()
        };
        let refused = handle(&fixture.context, missing).await.unwrap_err();
        assert_eq!(refused.message, "Function does not exist");
    }
}
