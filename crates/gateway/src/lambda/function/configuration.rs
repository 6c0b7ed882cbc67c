//! A function's configuration as the API shows it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::{
    AttachedLayer, Configuration, FunctionArn, LoggingConfig, State, Timestamp, UpdateStatus,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{dead_letter, file_system, image, snap_start, tenancy};
use crate::lambda::generated as wire;
use crate::lambda::signing::render_signer;

/// The names under which [`Configuration::kept`] keeps settings that Kiln does not act on.
pub(crate) mod kept {
    pub(crate) const TRACING_CONFIG: &str = "TracingConfig";
    pub(crate) const VPC_CONFIG: &str = "VpcConfig";
}

/// Shows a configuration in full.
pub(crate) fn render(arn: &FunctionArn, of: &Configuration) -> wire::FunctionConfiguration {
    let (state, state_reason) = state(of);
    let update = update_status(of);
    let update_reason = match update {
        Some("InProgress") => reason(),
        Some("Failed") => failure(of).unwrap_or_default(),
        _ => (None, None),
    };
    wire::FunctionConfiguration {
        runtime_version_config: of
            .runtime
            .as_ref()
            .map(|runtime| wire::RuntimeVersionConfig {
                runtime_version_arn: Some(runtime_version_arn(arn, runtime.as_str())),
                error: None,
            }),
        state: Some(state.to_owned()),
        state_reason: state_reason.0,
        state_reason_code: state_reason.1,
        last_update_status: update.map(str::to_owned),
        last_update_status_reason: update_reason.0,
        last_update_status_reason_code: update_reason.1,
        ..render_in_list(arn, of)
    }
}

/// Shows a configuration as `ListFunctions` does: without its states and its runtime's version.
pub(crate) fn render_in_list(arn: &FunctionArn, of: &Configuration) -> wire::FunctionConfiguration {
    let container = of.container.as_ref();
    let package_type = container.map_or("Zip", |_| "Image");
    let (signing_profile_version_arn, signing_job_arn) = render_signer(&of.code);
    wire::FunctionConfiguration {
        function_name: Some(arn.name.to_string()),
        function_arn: Some(arn.to_string()),
        runtime: of.runtime.as_ref().map(ToString::to_string),
        role: Some(of.role.clone()),
        handler: of.handler.clone(),
        code_size: Some(of.code.zipped_bytes as i64),
        description: Some(of.description.clone()),
        timeout: Some(of.timeout.get().into()),
        memory_size: Some(of.memory.get().into()),
        last_modified: Some(last_modified(of.modified)),
        code_sha256: Some(code_sha256(of)),
        version: Some(of.version.to_string()),
        revision_id: Some(of.revision.to_string()),
        environment: environment(&of.environment),
        package_type: Some(package_type.to_owned()),
        image_config_response: container.and_then(|container| image::render(&container.config)),
        architectures: Some(vec![of.architecture.as_str().to_owned()]),
        ephemeral_storage: Some(wire::EphemeralStorage {
            size: of.ephemeral.get().into(),
        }),
        logging_config: Some(logging(&of.logging)),
        tracing_config: Some(wire::TracingConfigResponse {
            mode: Some(text_in(of, kept::TRACING_CONFIG, "Mode").unwrap_or("PassThrough".into())),
        }),
        snap_start: Some(snap_start::render(of)),
        tenancy_config: tenancy::render(of),
        layers: layers(&of.layers),
        signing_profile_version_arn,
        signing_job_arn,
        file_system_configs: file_system::render(&of.file_systems),
        dead_letter_config: dead_letter::render(of.dead_letters.as_ref()),
        vpc_config: of.kept.contains_key(kept::VPC_CONFIG).then(no_vpc),
        ..Default::default()
    }
}

/// `2026-11-23T13:23:00.000+0000`, the form in which Lambda alone writes times.
pub(crate) fn last_modified(time: Timestamp) -> String {
    time.to_jiff()
        .strftime("%Y-%m-%dT%H:%M:%S.%3f+0000")
        .to_string()
}

type Reason = (Option<String>, Option<String>);

/// The digest of the code: in base64 of a zip, in hexadecimal of an image.
pub(crate) fn code_sha256(of: &Configuration) -> String {
    match &of.container {
        Some(container) => container.wanted().digest.to_string(),
        None => BASE64_STANDARD.encode(of.code.sha256.to_bytes()),
    }
}

/// Why there is no snapshot of it, or why the last image could not be had.
fn failure(of: &Configuration) -> Option<Reason> {
    let container = of.container.as_ref();
    let of_image = container.and_then(|container| container.failure.as_ref());
    let failure = of.snap_start.failure.as_ref().or(of_image)?;
    Some((Some(failure.reason.clone()), Some(failure.code.clone())))
}

fn state(of: &Configuration) -> (&'static str, Reason) {
    match of.state {
        State::Pending => ("Pending", reason()),
        State::Active => ("Active", (None, None)),
        State::Failed => {
            let own = || {
                let why = "Kiln could not make the function ready; update its code.";
                (Some(why.to_owned()), Some("InternalError".to_owned()))
            };
            ("Failed", failure(of).unwrap_or_else(own))
        }
    }
}

/// AWS gives a new function no update status until it has become active.
fn update_status(of: &Configuration) -> Option<&'static str> {
    match of.update {
        _ if of.state == State::Pending => None,
        UpdateStatus::Successful => Some("Successful"),
        UpdateStatus::InProgress => Some("InProgress"),
        UpdateStatus::Failed => Some("Failed"),
    }
}

/// AWS says this of updates too.
fn reason() -> Reason {
    (
        Some("The function is being created.".to_owned()),
        Some("Creating".to_owned()),
    )
}

fn environment(variables: &BTreeMap<String, String>) -> Option<wire::EnvironmentResponse> {
    let variables = Some(variables.clone()).filter(|variables| !variables.is_empty())?;
    Some(wire::EnvironmentResponse {
        variables: Some(variables),
        error: None,
    })
}

fn layers(layers: &[AttachedLayer]) -> Option<Vec<wire::Layer>> {
    let shown = layers.iter().map(|layer| {
        let (signing_profile_version_arn, signing_job_arn) = render_signer(&layer.code);
        wire::Layer {
            arn: Some(layer.arn.to_string()),
            code_size: Some(layer.code.zipped_bytes as i64),
            signing_profile_version_arn,
            signing_job_arn,
        }
    });
    (!layers.is_empty()).then(|| shown.collect())
}

fn logging(logging: &LoggingConfig) -> wire::LoggingConfig {
    wire::LoggingConfig {
        log_format: Some(logging.format.as_str().to_owned()),
        application_log_level: logging
            .application_level
            .map(|level| level.as_str().to_owned()),
        system_log_level: logging.system_level.map(|level| level.as_str().to_owned()),
        log_group: Some(logging.group.clone()),
    }
}

fn no_vpc() -> wire::VpcConfigResponse {
    wire::VpcConfigResponse {
        subnet_ids: Some(Vec::new()),
        security_group_ids: Some(Vec::new()),
        vpc_id: Some(String::new()),
        ipv6_allowed_for_dual_stack: Some(false),
    }
}

fn text_in(of: &Configuration, member: &str, key: &str) -> Option<String> {
    of.kept
        .get(member)?
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// AWS names each build of a runtime by a digest; Kiln's is that of its identifier, because it
/// runs what the machine has.
fn runtime_version_arn(arn: &FunctionArn, runtime: &str) -> String {
    let digest = hex::encode(Sha256::digest(runtime));
    format!("arn:aws:lambda:{}::runtime:{digest}", arn.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_numeric_offset() {
        let time = Timestamp::from_millis(1_795_440_180_000);
        assert_eq!(last_modified(time), "2026-11-23T13:23:00.000+0000");
    }

    #[test]
    fn runtime_version_is_an_arn_of_64_digits() {
        let arn: FunctionArn = "arn:aws:lambda:us-east-1:000000000000:function:f"
            .parse()
            .unwrap();
        let version = runtime_version_arn(&arn, "python3.13");
        let digest = version
            .strip_prefix("arn:aws:lambda:us-east-1::runtime:")
            .unwrap();
        assert_eq!(digest.len(), 64);
        assert_ne!(version, runtime_version_arn(&arn, "python3.12"));
    }
}
