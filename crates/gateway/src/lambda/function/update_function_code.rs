//! `UpdateFunctionCode`: replaces the code of `$LATEST`.

use std::sync::Arc;

use kiln_types::function::Code;
use kiln_types::{Configuration, Image};

use super::change::{After, change_latest, check_revision};
use super::configuration::render;
use super::package::{Package, Source};
use super::prepare::is_unfinished;
use super::runtime::check_architecture;
use super::wasm;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{
    FunctionConfiguration as Output, UpdateFunctionCodeRequest as Input,
};
use crate::lambda::layer::attach;
use crate::lambda::refusal::update_in_progress;
use crate::lambda::signing::{self, Deployment};
use crate::lambda::target::Target;
use crate::lambda::version::render_published;

pub(crate) async fn handle(context: &Context, mut input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.function(context)?;
    if input.publish_to.is_some() {
        return Err(ApiError::not_implemented("PublishTo"));
    }
    let after = match input.publish {
        Some(true) => After::Publish,
        _ => After::Keep,
    };
    if is_unfinished(&function) {
        return Err(update_in_progress(&target.arn));
    }
    check_revision(&function, input.revision_id.as_deref())?;
    let (runtime, handler) = (&function.latest.runtime, &function.latest.handler);
    let is_wasm = wasm::is_wasm(runtime.as_ref());
    let architectures = input.architectures.take();
    let architecture = match &architectures {
        Some(named) if is_wasm => wasm::architecture(Some(named))?,
        Some(named) => check_architecture(Some(named))?,
        None => function.latest.architecture,
    };
    let new = match function.latest.container.is_some() {
        true => New::Image(Package::image_of_update(context, &mut input).await?),
        false => {
            let source = Source::of_update(&mut input)?.or_module(is_wasm);
            let (runtime, handler) = (runtime.as_ref(), handler.as_deref());
            New::Zip(wasm::take(context, source, runtime, handler).await?)
        }
    };
    if let New::Zip(code) = &new {
        // The layers were looked at when they were named.
        let deployed = Deployment {
            code: Some(code),
            layers: None,
        };
        let config = signing::of_function(context, &function)?;
        signing::check(context, config.as_deref(), &target.arn, deployed).await?;
    }
    let change = move |latest: &mut Configuration| {
        latest.architecture = architecture;
        new.replace(latest);
        attach::check_size(latest)
    };
    if input.dry_run == Some(true) {
        let mut latest = Arc::unwrap_or_clone(function.latest.clone());
        change(&mut latest)?;
        return Ok(render(&target.arn, &latest));
    }
    let changed = change_latest(context, &target, input.revision_id, after, change);
    let function = changed.await?;
    match function.versions.get(&function.last_version) {
        Some(version) if after == After::Publish => Ok(render_published(&target.arn, version)),
        _ => Ok(render(&target.arn, &function.latest)),
    }
}

/// What takes the place of a function's code.
enum New {
    Zip(Code),
    Image(Image),
}

impl New {
    /// An image that is not the function's yet takes the place of the former one when it is here.
    fn replace(self, latest: &mut Configuration) {
        match (self, &mut latest.container) {
            (Self::Image(image), Some(container)) => {
                container.failure = None;
                container.incoming = None;
                if container.image.digest == image.digest {
                    container.image = image;
                } else {
                    container.incoming = Some(image);
                }
            }
            (Self::Zip(code), None) => latest.code = code,
            // A function stays what it was created as.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::{Fixture, zip_of};

    fn update(name: &str) -> Input {
        let zip = zip_of(&[("index.py", b"def handler(e, c): return 2")]);
        Input {
            function_name: name.into(),
            zip_file: Some(zip),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn new_code_gets_a_new_digest_and_revision() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let before = fixture.function(&id);
        let output = handle(&fixture.context, update("sum")).await.unwrap();
        assert_ne!(
            output.revision_id.unwrap(),
            before.latest.revision.to_string()
        );
        assert_eq!(output.last_update_status.as_deref(), Some("InProgress"));
        assert_eq!(output.state.as_deref(), Some("Active"));
        fixture.settle().await;
        let after = fixture.function(&id);
        assert_ne!(after.latest.code.sha256, before.latest.code.sha256);
        assert_eq!(after.latest.update, kiln_types::UpdateStatus::Successful);
    }

    #[tokio::test]
    async fn a_dry_run_shows_the_result_and_changes_nothing() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let before = fixture.function(&id);
        let dry = Input {
            dry_run: Some(true),
            ..update("sum")
        };
        let output = handle(&fixture.context, dry).await.unwrap();
        assert_eq!(fixture.function(&id).latest, before.latest);
        let real = handle(&fixture.context, update("sum")).await.unwrap();
        assert_eq!(output.code_sha256, real.code_sha256);
    }

    #[tokio::test]
    async fn an_unseen_revision_is_a_failed_precondition() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let stale = Input {
            revision_id: Some("1".into()),
            ..update("sum")
        };
        let refused = handle(&fixture.context, stale).await.unwrap_err();
        assert_eq!(refused.exception, Exception::PreconditionFailed);
        assert_eq!(
            refused.message,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        );
        let seen = fixture.function(&id).latest.revision.to_string();
        let fresh = Input {
            revision_id: Some(seen),
            ..update("sum")
        };
        assert!(handle(&fixture.context, fresh).await.is_ok());
    }

    #[tokio::test]
    async fn one_change_at_a_time() {
        let fixture = Fixture::new().await;
        fixture.create_pending("sum").await;
        let refused = handle(&fixture.context, update("sum")).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceConflict);
        assert_eq!(
            refused.message,
            "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:us-east-1:000000000000:function:sum"
        );
    }

    #[tokio::test]
    async fn unknown_functions_are_refused() {
        let fixture = Fixture::new().await;
        let missing = handle(&fixture.context, update("sum")).await.unwrap_err();
        assert_eq!(missing.exception, Exception::ResourceNotFound);
    }

    #[tokio::test]
    async fn an_update_is_published_when_asked_for() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let publish = Input {
            publish: Some(true),
            ..update("sum")
        };
        let output = handle(&fixture.context, publish).await.unwrap();
        assert_eq!(output.version.as_deref(), Some("1"));
        assert!(output.function_arn.unwrap().ends_with(":function:sum:1"));
        let function = fixture.function(&id);
        assert_eq!(function.versions[&1].code, function.latest.code);
    }
}
