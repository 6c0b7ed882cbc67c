//! `ListFunctions`: the account's functions by name, 50 at a time.
//!
//! AWS differs: `MasterRegion` is ignored, because nothing is replicated from another region.

use kiln_types::{Configuration, FunctionArn, Qualifier};

use super::configuration::render_in_list;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{ListFunctionsRequest as Input, ListFunctionsResponse as Output};
use crate::lambda::page::{self, version_key};

/// AWS returns no more at once, whatever `MaxItems` says.
const FUNCTIONS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let functions = context.deps.store.functions(&context.caller.account);
    let size = page::size(input.max_items, FUNCTIONS_MAX);
    // `ALL` asks for every version, and every ARN then says which it is.
    let every_version = input.function_version.is_some();
    let mut listed = Vec::new();
    for function in &functions {
        let arn = FunctionArn::new(context.config.region.clone(), &function.id);
        if !every_version {
            listed.push(Listed::new(arn, &function.latest));
            continue;
        }
        for version in function.configurations() {
            let qualifier = Qualifier::Version(version.version);
            listed.push(Listed::new(arn.clone().qualified(Some(qualifier)), version));
        }
    }
    let page = page::page(listed, |listed| &listed.key, input.marker.as_deref(), size)?;
    let shown = page
        .items
        .iter()
        .map(|listed| render_in_list(&listed.arn, listed.version));
    Ok(Output {
        functions: Some(shown.collect()),
        next_marker: page.next_marker,
    })
}

/// A version in the list, with its place there.
struct Listed<'a> {
    key: String,
    arn: FunctionArn,
    version: &'a Configuration,
}

impl<'a> Listed<'a> {
    fn new(arn: FunctionArn, version: &'a Configuration) -> Self {
        Self {
            key: format!("{} {}", arn.name, version_key(version.version)),
            arn,
            version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn functions_are_listed_by_name_in_pages() {
        let fixture = Fixture::new().await;
        for name in ["b", "a", "c"] {
            fixture.create(name).await;
        }
        let first = Input {
            max_items: Some(2),
            ..Default::default()
        };
        let first = handle(&fixture.context, first).await.unwrap();
        let names = |output: &Output| {
            let functions = output.functions.iter().flatten();
            functions
                .map(|f| f.function_name.clone().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&first), ["a", "b"]);
        let rest = Input {
            marker: first.next_marker,
            ..Default::default()
        };
        let rest = handle(&fixture.context, rest).await.unwrap();
        assert_eq!(names(&rest), ["c"]);
        assert_eq!(rest.next_marker, None);
    }

    #[tokio::test]
    async fn lists_show_no_states() {
        let fixture = Fixture::new().await;
        fixture.create("a").await;
        let list = handle(&fixture.context, Input::default()).await.unwrap();
        let shown = serde_json::to_value(&list.functions.unwrap()[0]).unwrap();
        for absent in ["State", "LastUpdateStatus", "RuntimeVersionConfig"] {
            assert!(shown.get(absent).is_none(), "{absent}");
        }
    }

    #[tokio::test]
    async fn versions_are_listed_with_qualified_arns() {
        let fixture = Fixture::new().await;
        fixture.create("a").await;
        let all = Input {
            function_version: Some("ALL".into()),
            ..Default::default()
        };
        let list = handle(&fixture.context, all)
            .await
            .unwrap()
            .functions
            .unwrap();
        assert!(
            list[0]
                .function_arn
                .as_ref()
                .unwrap()
                .ends_with(":a:$LATEST")
        );
    }
}
