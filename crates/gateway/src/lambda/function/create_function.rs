//! `CreateFunction`: takes code and settings and answers before the function is ready.
//!
//! AWS differs: parts that Kiln does not have are refused with 501.

use kiln_types::{
    Configuration, Function, FunctionId, LoggingConfig, RevisionId, State, UpdateStatus, Version,
};

use super::configuration::render;
use super::memory::check_memory;
use super::package::{Package, Source};
use super::role::check_role;
use super::runtime::check_architecture;
use super::settings::Settings;
use super::{dead_letter, file_system, image, prepare, snap_start, tenancy, wasm};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{CreateFunctionRequest as Input, FunctionConfiguration as Output};
use crate::lambda::layer::attach;
use crate::lambda::refusal::{conflict, invalid};
use crate::lambda::signing;
use crate::lambda::tag;
use crate::lambda::target::Target;
use crate::lambda::version::render_published;

pub(crate) async fn handle(context: &Context, mut input: Input) -> Result<Output> {
    let target = Target::read_new(context, &input.function_name)?;
    let id = target.id();
    check_role(context, &input.role)?;
    let mut change = Settings::of_new(&mut input)?.check(&context.deps.runtimes)?;
    change.layers = attach::layers(context, input.layers.take())?;
    change.file_systems = file_system::resolve(context, input.file_system_configs.take())?;
    change.dead_letters = dead_letter::resolve(context, input.dead_letter_config.take())?;
    let is_image = input.package_type.as_deref() == Some("Image");
    let image_config = input.image_config.take();
    if is_image {
        image::refuse_runtime(&change)?;
    } else {
        image::refuse_config(&image_config, "creating")?;
        if change.runtime.is_none() || change.handler.is_none() {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
    }
    let image_config = image_config.map(image::config).transpose()?;
    check_memory(
        change.memory.unwrap_or_default(),
        context.config.memory_budget_mb,
    )?;
    let signing_arn = input.code_signing_config_arn.take();
    let signing = signing::find_named(context, signing_arn.as_deref())?;
    let architectures = input.architectures.as_deref();
    let is_wasm = wasm::is_wasm(change.runtime.as_ref());
    let architecture = match is_wasm {
        true => wasm::architecture(architectures)?,
        false => check_architecture(architectures)?,
    };
    let tags = input.tags.take().unwrap_or_default();
    tag::check(&tags)?;
    tag::check_services(context, &tags)?;
    if context.deps.store.function(&id).is_some() {
        return Err(already_exists(&id));
    }
    let package = match is_image {
        true => Package::image_of_new(context, input.code, image_config).await?,
        false => {
            let source = Source::of_new(input.code)?.or_module(is_wasm);
            let (runtime, handler) = (change.runtime.as_ref(), change.handler.as_deref());
            Package::Zip(wasm::take(context, source, runtime, handler).await?)
        }
    };
    let mut latest = blank(context, &id, package);
    latest.architecture = architecture;
    latest.is_per_tenant = input.tenancy_config.is_some();
    change.apply(&mut latest);
    tag::settle(&mut latest, &tags)?;
    tenancy::check(&latest)?;
    snap_start::check(&latest)?;
    attach::check_size(&latest)?;
    signing::check_new(context, signing.as_deref(), &target.arn, &latest).await?;
    let mut function = Function::new(id, context.now, latest);
    function.tags = tags;
    function.code_signing = signing.map(|config| config.id.clone());
    let published = (input.publish == Some(true)).then(|| function.publish(None));
    let created =
        context
            .deps
            .store
            .create_function(function)
            .await
            .map_err(|error| match error {
                kiln_store::Error::AlreadyExists(id) => already_exists(&id),
                other => signing::not_given(signing_arn.as_deref(), other),
            })?;
    prepare::start(&context.deps, &created);
    Ok(match published {
        Some(version) => render_published(&target.arn, &version),
        None => render(&target.arn, &created.latest),
    })
}

/// A new function with AWS's defaults.
fn blank(context: &Context, id: &FunctionId, package: Package) -> Configuration {
    let (code, container) = package.into_parts();
    Configuration {
        version: Version::Latest,
        revision: RevisionId::random(),
        modified: context.now,
        runtime: None,
        handler: None,
        role: String::new(),
        description: String::new(),
        timeout: Default::default(),
        memory: Default::default(),
        ephemeral: Default::default(),
        environment: Default::default(),
        architecture: Default::default(),
        logging: LoggingConfig::of(id),
        code,
        container,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: State::Pending,
        update: UpdateStatus::InProgress,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: Default::default(),
    }
}

fn already_exists(id: &FunctionId) -> ApiError {
    conflict(format!("Function already exist: {}", id.name))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::{Fixture, ROLE};
    use crate::lambda::generated as wire;

    #[tokio::test]
    async fn a_new_function_is_pending_and_has_the_defaults() {
        let fixture = Fixture::new().await;
        let request = fixture.create_request("sum");
        let digest = Sha256::digest(request.code.zip_file.as_ref().unwrap());
        let output = handle(&fixture.context, request).await.unwrap();
        let shown = serde_json::to_value(&output).unwrap();
        for (pointer, value) in [
            ("/FunctionName", "sum"),
            (
                "/FunctionArn",
                "arn:aws:lambda:us-east-1:000000000000:function:sum",
            ),
            ("/Runtime", "python3.11"),
            ("/Role", ROLE),
            ("/Handler", "index.handler"),
            ("/Description", ""),
            ("/Version", "$LATEST"),
            ("/LastModified", "2026-11-23T13:23:00.000+0000"),
            ("/State", "Pending"),
            ("/StateReason", "The function is being created."),
            ("/StateReasonCode", "Creating"),
            ("/PackageType", "Zip"),
            ("/TracingConfig/Mode", "PassThrough"),
            ("/SnapStart/ApplyOn", "None"),
            ("/SnapStart/OptimizationStatus", "Off"),
            ("/LoggingConfig/LogFormat", "Text"),
            ("/LoggingConfig/LogGroup", "/aws/lambda/sum"),
            ("/CodeSha256", BASE64_STANDARD.encode(digest).as_str()),
        ] {
            assert_eq!(shown.pointer(pointer).unwrap(), value, "{pointer}");
        }
        assert_eq!(shown["Timeout"], 3);
        assert_eq!(shown["MemorySize"], 128);
        assert_eq!(shown["EphemeralStorage"]["Size"], 512);
        assert!(shown.get("LastUpdateStatus").is_none());
        assert!(shown.get("LastUpdateStatusReason").is_none());
        assert!(shown.get("Environment").is_none());
    }

    #[tokio::test]
    async fn it_becomes_active_soon() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let latest = &fixture.function(&id).latest;
        assert_eq!(
            (latest.state, latest.update),
            (State::Active, UpdateStatus::Successful)
        );
    }

    #[tokio::test]
    async fn settings_are_kept_and_given_back() {
        let fixture = Fixture::new().await;
        let output = handle(
            &fixture.context,
            Input {
                timeout: Some(30),
                memory_size: Some(512),
                description: Some("adds".into()),
                environment: Some(wire::Environment {
                    variables: Some([("A".into(), "1".into())].into()),
                }),
                tracing_config: Some(wire::TracingConfig {
                    mode: Some("Active".into()),
                }),
                snap_start: Some(wire::SnapStart {
                    apply_on: Some("None".into()),
                }),
                tags: Some([("team".into(), "a".into())].into()),
                ..fixture.create_request("sum")
            },
        );
        let shown = serde_json::to_value(output.await.unwrap()).unwrap();
        assert_eq!(shown["Timeout"], 30);
        assert_eq!(shown["MemorySize"], 512);
        assert_eq!(shown["Description"], "adds");
        assert_eq!(shown["Environment"]["Variables"]["A"], "1");
        assert_eq!(shown["TracingConfig"]["Mode"], "Active");
        assert_eq!(shown["SnapStart"]["ApplyOn"], "None");
        assert_eq!(fixture.function(&fixture.id("sum")).tags["team"], "a");
    }

    #[tokio::test]
    async fn a_name_is_taken_once() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let again = handle(&fixture.context, fixture.create_request("sum"))
            .await
            .unwrap_err();
        assert_eq!(again.exception, Exception::ResourceConflict);
        assert_eq!(again.message, "Function already exist: sum");
    }

    #[tokio::test]
    async fn runtime_and_handler_are_needed() {
        let fixture = Fixture::new().await;
        let bare = Input {
            handler: None,
            ..fixture.create_request("sum")
        };
        let refused = handle(&fixture.context, bare).await.unwrap_err();
        assert!(
            refused
                .message
                .starts_with("Runtime and Handler are mandatory")
        );
    }

    #[tokio::test]
    async fn a_function_larger_than_the_server_is_refused() {
        let fixture = Fixture::new().await;
        let request = Input {
            memory_size: Some(4_097),
            ..fixture.create_request("sum")
        };
        let refused = handle(&fixture.context, request).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert!(refused.message.contains("--memory-budget-mb"));
    }

    #[tokio::test]
    async fn a_function_is_published_at_once_when_asked_for() {
        let fixture = Fixture::new().await;
        let publish = Input {
            publish: Some(true),
            ..fixture.create_request("sum")
        };
        let output = handle(&fixture.context, publish).await.unwrap();
        assert_eq!(output.version.as_deref(), Some("1"));
        assert_eq!(output.state.as_deref(), Some("Pending"));
        fixture.settle().await;
        let function = fixture.function(&fixture.id("sum"));
        assert_eq!(function.versions[&1].state, State::Active);
    }

    #[tokio::test]
    async fn what_would_not_happen_is_refused() {
        let fixture = Fixture::new().await;
        let signed = Input {
            code_signing_config_arn: Some("arn:x".into()),
            ..fixture.create_request("sum")
        };
        let refused = handle(&fixture.context, signed).await.unwrap_err();
        assert_eq!(refused.exception, Exception::CodeSigningConfigNotFound);
        assert!(
            fixture
                .context
                .deps
                .store
                .function(&fixture.id("sum"))
                .is_none()
        );
    }
}
