//! `ListTags`: what tags a function, an event source mapping or a code-signing configuration has.

use super::tagged;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{ListTagsRequest as Input, ListTagsResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tags = tagged(context, &input.resource)?.tags(context)?;
    Ok(Output { tags: Some(tags) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn tags_of_creation_are_listed() {
        let fixture = Fixture::new().await;
        let mut request = fixture.create_request("sum");
        request.tags = Some([("a".into(), "1".into())].into());
        crate::lambda::function::create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        let list = Input {
            resource: "arn:aws:lambda:us-east-1:000000000000:function:sum".into(),
        };
        let output = handle(&fixture.context, list).await.unwrap();
        assert_eq!(output.tags.unwrap()["a"], "1");
    }
}
