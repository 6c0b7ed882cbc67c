//! SnapStart: what a function may not have beside it, and how it is shown.
//!
//! AWS differs: every Python runtime that is installed can start from snapshots, not only those from
//! Python 3.12 on; container images cannot, which AWS takes since July 2026. A version of which no
//! snapshot can be taken (it runs threads, for example) is Active with the optimisation Off, and each of
//! its instances is initialised; its log says why.

use kiln_types::{Configuration, EphemeralMb, Language};

use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Refuses a `$LATEST` whose versions could not be published.
pub(crate) fn check(latest: &Configuration) -> Result<()> {
    if !latest.snap_start.on_publish {
        return Ok(());
    }
    if latest.container.is_some() {
        return Err(invalid(
            "ContainerImage is not supported for SnapStart enabled functions.",
        ));
    }
    if let Some(runtime) = &latest.runtime
        && !matches!(runtime.language(), Language::Python { .. })
    {
        let message = format!("{runtime} is not supported for SnapStart enabled functions.");
        return Err(invalid(message));
    }
    if latest.ephemeral != EphemeralMb::default() {
        return Err(invalid(
            "Ephemeral storage greater than 512 MB is not supported for SnapStart enabled functions.",
        ));
    }
    if !latest.file_systems.is_empty() {
        return Err(invalid(
            "EFS is not supported for SnapStart enabled functions.",
        ));
    }
    Ok(())
}

pub(crate) fn render(of: &Configuration) -> wire::SnapStartResponse {
    let apply_on = match of.snap_start.on_publish {
        true => "PublishedVersions",
        false => "None",
    };
    let is_on = of.starts_from_snapshot() && of.snap_start.is_taken;
    wire::SnapStartResponse {
        apply_on: Some(apply_on.to_owned()),
        optimization_status: Some(if is_on { "On" } else { "Off" }.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kiln_testkit::image as built;
    use kiln_testkit::registry::Registry;

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::function::{create_function, update_function_configuration};
    use crate::lambda::version::publish_version;

    fn on() -> Option<wire::SnapStart> {
        Some(wire::SnapStart {
            apply_on: Some("PublishedVersions".to_owned()),
        })
    }

    #[tokio::test]
    async fn what_aws_does_not_combine_with_it_is_refused() {
        let fixture = Fixture::new().await;
        let mut request = fixture.create_request("sum");
        request.snap_start = on();
        request.ephemeral_storage = Some(wire::EphemeralStorage { size: 1024 });
        let refused = create_function::handle(&fixture.context, request).await;
        let error = refused.unwrap_err();
        assert_eq!(error.exception, Exception::InvalidParameterValue);
        let id = fixture.create_pending("sum").await;
        let mut latest = (*fixture.function(&id).latest).clone();
        latest.snap_start.on_publish = true;
        assert!(check(&latest).is_ok());
        latest.runtime = Some("nodejs20.x".parse().unwrap());
        assert_eq!(
            check(&latest).unwrap_err().message,
            "nodejs20.x is not supported for SnapStart enabled functions."
        );
        latest.snap_start.on_publish = false;
        assert!(check(&latest).is_ok());
    }

    #[tokio::test]
    async fn a_container_image_is_refused_on_create_and_on_update() {
        let fixture = Fixture::new().await;
        let registry = Registry::start();
        let layer = built::Layer::default().file("app", b"");
        let image = built::Image::default().layer(layer).command(&["/app"]);
        registry.push("app", "1", &image);
        let mut request = fixture.create_image_request("app", registry.name("app:1"));
        request.snap_start = on();
        let refused = create_function::handle(&fixture.context, request.clone()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        let sentence = "ContainerImage is not supported for SnapStart enabled functions.";
        assert_eq!(refused.message, sentence);
        request.snap_start = None;
        create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        fixture.settle().await;
        let update = wire::UpdateFunctionConfigurationRequest {
            function_name: "app".into(),
            snap_start: on(),
            ..Default::default()
        };
        let refused = update_function_configuration::handle(&fixture.context, update).await;
        assert_eq!(refused.unwrap_err().message, sentence);
        let kept = fixture.function(&fixture.id("app"));
        assert!(!kept.latest.snap_start.on_publish);
    }

    #[tokio::test]
    async fn latest_says_that_it_applies_and_a_version_is_pending_until_it_is_taken() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let update = wire::UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            snap_start: on(),
            ..Default::default()
        };
        let updated = update_function_configuration::handle(&fixture.context, update).await;
        let shown = updated.unwrap().snap_start.unwrap();
        assert_eq!(shown.apply_on.as_deref(), Some("PublishedVersions"));
        assert_eq!(shown.optimization_status.as_deref(), Some("Off"));
        fixture.settle().await;
        let request = wire::PublishVersionRequest {
            function_name: "sum".into(),
            ..Default::default()
        };
        let published = publish_version::handle(&fixture.context, request)
            .await
            .unwrap();
        assert_eq!(published.state.as_deref(), Some("Pending"));
        assert_eq!(published.state_reason_code.as_deref(), Some("Creating"));
    }
}
