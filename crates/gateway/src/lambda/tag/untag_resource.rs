//! `UntagResource`: takes tags off a function or an event source mapping; those it does not have are no error.

use super::tagged;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::UntagResourceRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let tagged = tagged(context, &input.resource)?;
    let remove = tagged.change(context, move |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
    });
    remove.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn named_tags_go_and_others_stay() {
        let fixture = Fixture::new().await;
        let mut request = fixture.create_request("sum");
        request.tags = Some([("a".into(), "1".into()), ("b".into(), "2".into())].into());
        crate::lambda::function::create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        let untag = Input {
            resource: "arn:aws:lambda:us-east-1:000000000000:function:sum".into(),
            tag_keys: vec!["a".into(), "absent".into()],
        };
        handle(&fixture.context, untag).await.unwrap();
        let tags = &fixture.function(&fixture.id("sum")).tags;
        assert_eq!(tags.keys().collect::<Vec<_>>(), ["b"]);
    }
}
