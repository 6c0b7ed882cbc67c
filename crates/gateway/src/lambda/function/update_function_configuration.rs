//! `UpdateFunctionConfiguration`: changes the settings of `$LATEST`; what is absent stays.

use super::change::{After, change_latest};
use super::configuration::render;
use super::memory::check_memory;
use super::role::check_role;
use super::settings::Settings;
use super::{dead_letter, file_system, image, snap_start, tenancy};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    FunctionConfiguration as Output, UpdateFunctionConfigurationRequest as Input,
};
use crate::lambda::layer::attach;
use crate::lambda::signing::{self, Deployment};
use crate::lambda::tag;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, mut input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.function(context)?;
    let revision = input.revision_id.take();
    let layers = attach::layers(context, input.layers.take())?;
    let file_systems = file_system::resolve(context, input.file_system_configs.take())?;
    let dead_letters = dead_letter::resolve(context, input.dead_letter_config.take())?;
    let image_config = input.image_config.take();
    if let Some(role) = &input.role {
        check_role(context, role)?;
    }
    let mut change = Settings::of_update(input)?.check(&context.deps.runtimes)?;
    (change.layers, change.file_systems) = (layers, file_systems);
    change.dead_letters = dead_letters;
    if function.latest.container.is_some() {
        image::refuse_runtime(&change)?;
    } else {
        image::refuse_config(&image_config, "updating")?;
    }
    change.image_config = image_config.map(image::config).transpose()?;
    if let Some(memory) = change.memory {
        check_memory(memory, context.config.memory_budget_mb)?;
    }
    if function.latest.container.is_none() {
        let deployed = Deployment {
            code: None,
            layers: change.layers.as_deref(),
        };
        let config = signing::of_function(context, &function)?;
        signing::check(context, config.as_deref(), &target.arn, deployed).await?;
    }
    let changed = change_latest(context, &target, revision, After::Keep, |latest| {
        change.apply(latest);
        tag::check_slots(latest)?;
        tenancy::check(latest)?;
        snap_start::check(latest)?;
        attach::check_size(latest)
    });
    Ok(render(&target.arn, &changed.await?.latest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::{Fixture, ROLE};
    use crate::lambda::generated as wire;

    #[tokio::test]
    async fn what_is_absent_stays() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let request = Input {
            function_name: "sum".into(),
            timeout: Some(60),
            ..Default::default()
        };
        let output = handle(&fixture.context, request).await.unwrap();
        assert_eq!(output.timeout, Some(60));
        assert_eq!(output.handler.as_deref(), Some("index.handler"));
        assert_eq!(output.role.as_deref(), Some(ROLE));
        assert_eq!(output.last_update_status.as_deref(), Some("InProgress"));
        assert_eq!(
            output.last_update_status_reason_code.as_deref(),
            Some("Creating")
        );
    }

    #[tokio::test]
    async fn more_memory_than_the_server_has_is_refused() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let request = Input {
            function_name: "sum".into(),
            memory_size: Some(4_097),
            ..Default::default()
        };
        let refused = handle(&fixture.context, request).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        let memory = fixture.function(&fixture.id("sum")).latest.memory;
        assert_eq!(memory, Default::default());
    }

    #[tokio::test]
    async fn settings_can_be_taken_away() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let set = Input {
            function_name: "sum".into(),
            environment: Some(wire::Environment {
                variables: Some([("A".into(), "1".into())].into()),
            }),
            ..Default::default()
        };
        let output = handle(&fixture.context, set).await.unwrap();
        assert!(output.environment.is_some());
        fixture.settle().await;
        let unset = Input {
            function_name: "sum".into(),
            environment: Some(wire::Environment {
                variables: Some(Default::default()),
            }),
            dead_letter_config: Some(wire::DeadLetterConfig {
                target_arn: Some(String::new()),
            }),
            ..Default::default()
        };
        let output = handle(&fixture.context, unset).await.unwrap();
        assert!(output.environment.is_none());
        assert!(output.dead_letter_config.is_none());
    }

    #[tokio::test]
    async fn a_dead_letter_queue_is_one_that_is_there() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        fixture.make_queue("dead").await;
        fixture.make_queue("dead.fifo").await;
        let with = async |target: &str| {
            let request = Input {
                function_name: "sum".into(),
                dead_letter_config: Some(wire::DeadLetterConfig {
                    target_arn: Some(target.into()),
                }),
                ..Default::default()
            };
            let shown = handle(&fixture.context, request).await?.dead_letter_config;
            Ok::<_, crate::error::ApiError>(shown.and_then(|config| config.target_arn))
        };
        let dead = "arn:aws:sqs:us-east-1:000000000000:dead";
        for (target, expected) in [
            (
                "arn:aws:sqs:us-east-1:000000000000:absent",
                Exception::InvalidParameterValue,
            ),
            (
                "arn:aws:sqs:us-east-1:000000000000:dead.fifo",
                Exception::InvalidParameterValue,
            ),
            (
                "arn:aws:sns:us-east-1:000000000000:absent",
                Exception::InvalidParameterValue,
            ),
        ] {
            assert_eq!(
                with(target).await.unwrap_err().exception,
                expected,
                "{target}"
            );
        }
        assert_eq!(with(dead).await.unwrap().as_deref(), Some(dead));
        let latest = &fixture.function(&fixture.id("sum")).latest;
        let kept = latest.dead_letters.as_ref().map(ToString::to_string);
        assert_eq!(kept.as_deref(), Some(dead));
    }

    #[tokio::test]
    async fn an_unseen_revision_is_a_failed_precondition() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let stale = Input {
            function_name: "sum".into(),
            revision_id: Some("1".into()),
            ..Default::default()
        };
        let refused = handle(&fixture.context, stale).await.unwrap_err();
        assert_eq!(refused.exception, Exception::PreconditionFailed);
    }
}
