//! The settings of a function as a caller gives them, checked and turned into a change.
//!
//! Creating and updating take the same settings, so both go through [`Settings`]. What a
//! function may not ask for yet is refused by name; accepting it and doing nothing would be a
//! wrong success.
//!
//! AWS differs: `TracingConfig` is kept and given back, but nothing is sent to X-Ray; what a
//! function does is the same without.

use std::collections::BTreeMap;

use kiln_types::{
    AttachedLayer, Configuration, Destination, EphemeralMb, FileSystemMount, ImageConfig,
    InvalidUnit, MemoryMb, Runtime, TimeoutSecs,
};
use serde_json::{Value, json};

use super::configuration::kept;
use super::runtime::check_runtime;
use super::{environment, logging};
use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::constraint;

/// Settings as they came; what is absent stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<i64>,
    memory_size: Option<i64>,
    ephemeral_storage: Option<wire::EphemeralStorage>,
    environment: Option<wire::Environment>,
    logging_config: Option<wire::LoggingConfig>,
    tracing_config: Option<wire::TracingConfig>,
    snap_start: Option<wire::SnapStart>,
    vpc_config: Option<wire::VpcConfig>,
}

/// Settings that may be put in force.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) runtime: Option<Runtime>,
    pub(crate) handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<TimeoutSecs>,
    pub(crate) memory: Option<MemoryMb>,
    ephemeral: Option<EphemeralMb>,
    environment: Option<BTreeMap<String, String>>,
    snap_start: Option<bool>,
    /// Added by the operation, which knows whose layers the caller may use.
    pub(crate) layers: Option<Vec<AttachedLayer>>,
    /// Likewise, which knows whether the function is an image.
    pub(crate) image_config: Option<ImageConfig>,
    /// Likewise.
    pub(crate) file_systems: Option<Vec<FileSystemMount>>,
    /// Likewise; none inside takes it away.
    pub(crate) dead_letters: Option<Option<Destination>>,
    logging: Option<wire::LoggingConfig>,
    kept: BTreeMap<&'static str, Option<Value>>,
}

impl Settings {
    /// Takes the settings out of a request to create a function.
    pub(crate) fn of_new(request: &mut wire::CreateFunctionRequest) -> Result<Self> {
        refuse(&[
            (has_text(&request.kms_key_arn), "customer managed keys"),
            (request.publish_to.is_some(), "PublishTo"),
            (
                request.capacity_provider_config.is_some(),
                "capacity providers",
            ),
            (request.durable_config.is_some(), "durable functions"),
            (
                request.runtime_config.is_some(),
                "runtime versions to choose from",
            ),
            (request.accelerator_config.is_some(), "accelerators"),
        ])?;
        Ok(Self {
            runtime: request.runtime.take(),
            handler: request.handler.take(),
            role: Some(std::mem::take(&mut request.role)),
            description: request.description.take(),
            timeout: request.timeout,
            memory_size: request.memory_size,
            ephemeral_storage: request.ephemeral_storage.take(),
            environment: request.environment.take(),
            logging_config: request.logging_config.take(),
            tracing_config: request.tracing_config.take(),
            snap_start: request.snap_start.take(),
            vpc_config: request.vpc_config.take(),
        })
    }

    /// Takes the settings out of a request to update a function.
    pub(crate) fn of_update(request: wire::UpdateFunctionConfigurationRequest) -> Result<Self> {
        refuse(&[
            (has_text(&request.kms_key_arn), "customer managed keys"),
            (
                request.capacity_provider_config.is_some(),
                "capacity providers",
            ),
            (request.durable_config.is_some(), "durable functions"),
            (
                request.runtime_config.is_some(),
                "runtime versions to choose from",
            ),
            (request.accelerator_config.is_some(), "accelerators"),
        ])?;
        Ok(Self {
            runtime: request.runtime,
            handler: request.handler,
            role: request.role,
            description: request.description,
            timeout: request.timeout,
            memory_size: request.memory_size,
            ephemeral_storage: request.ephemeral_storage,
            environment: request.environment,
            logging_config: request.logging_config,
            tracing_config: request.tracing_config,
            snap_start: request.snap_start,
            vpc_config: request.vpc_config,
        })
    }

    /// Checks everything that does not depend on the function's present state. `installed` are
    /// the runtimes that this server can run.
    pub(crate) fn check(self, installed: &[String]) -> Result<Change> {
        let has_vpc = |vpc: &wire::VpcConfig| {
            has_items(&vpc.subnet_ids)
                || has_items(&vpc.security_group_ids)
                || vpc.ipv6_allowed_for_dual_stack == Some(true)
        };
        refuse(&[(
            self.vpc_config.as_ref().is_some_and(has_vpc),
            "private networks (VpcConfig)",
        )])?;
        if let Some(logging) = &self.logging_config {
            logging::check(logging)?;
        }
        let ephemeral = self.ephemeral_storage.as_ref().map(|storage| storage.size);
        Ok(Change {
            runtime: self
                .runtime
                .as_deref()
                .map(|r| check_runtime(r, installed))
                .transpose()?,
            timeout: bounded(self.timeout, "timeout", TimeoutSecs::new)?,
            memory: bounded(self.memory_size, "memorySize", MemoryMb::new)?,
            ephemeral: bounded(ephemeral, "ephemeralStorage.size", EphemeralMb::new)?,
            environment: self
                .environment
                .as_ref()
                .map(environment::check)
                .transpose()?,
            snap_start: self
                .snap_start
                .as_ref()
                .and_then(|snap| snap.apply_on.as_deref())
                .map(|on| on != "None"),
            layers: None,
            image_config: None,
            file_systems: None,
            dead_letters: None,
            kept: self.kept(),
            handler: self.handler,
            role: self.role,
            description: self.description,
            logging: self.logging_config,
        })
    }

    /// What is kept under its name without being acted on; `None` takes a setting away.
    fn kept(&self) -> BTreeMap<&'static str, Option<Value>> {
        let mut all = BTreeMap::new();
        if let Some(config) = &self.tracing_config {
            all.insert(
                kept::TRACING_CONFIG,
                config.mode.as_ref().map(|mode| json!({"Mode": mode})),
            );
        }
        if self.vpc_config.is_some() {
            all.insert(kept::VPC_CONFIG, Some(json!({})));
        }
        all
    }
}

impl Change {
    /// Puts the settings in force.
    pub(crate) fn apply(self, to: &mut Configuration) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        if self.runtime.is_some() {
            to.runtime = self.runtime;
        }
        if self.handler.is_some() {
            to.handler = self.handler;
        }
        set(&mut to.role, self.role);
        set(&mut to.description, self.description);
        set(&mut to.timeout, self.timeout);
        set(&mut to.memory, self.memory);
        set(&mut to.ephemeral, self.ephemeral);
        set(&mut to.environment, self.environment);
        set(&mut to.snap_start.on_publish, self.snap_start);
        set(&mut to.layers, self.layers);
        set(&mut to.file_systems, self.file_systems);
        set(&mut to.dead_letters, self.dead_letters);
        if let Some(container) = &mut to.container {
            set(&mut container.config, self.image_config);
        }
        if let Some(logging) = self.logging {
            logging::apply(&logging, &mut to.logging);
        }
        for (name, value) in self.kept {
            match value {
                Some(value) => to.kept.insert(name.to_owned(), value),
                None => to.kept.remove(name),
            };
        }
    }
}

/// Refuses the first of these that was asked for.
fn refuse(asked: &[(bool, &str)]) -> Result<()> {
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(ApiError::not_implemented(what)),
        None => Ok(()),
    }
}

fn has_items<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

fn has_text(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

/// The service model's upper bounds include offers that Kiln does not have.
fn bounded<T>(
    value: Option<i64>,
    member: &str,
    new: fn(u64) -> std::result::Result<T, InvalidUnit>,
) -> Result<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    let checked = u64::try_from(value)
        .map_err(|_| ())
        .and_then(|value| new(value).map_err(|_| ()));
    checked.map(Some).map_err(|()| {
        let max = match member {
            "timeout" => kiln_types::limits::TIMEOUT_SECS_MAX,
            "memorySize" => kiln_types::limits::MEMORY_MB_MAX,
            _ => kiln_types::limits::EPHEMERAL_MB_MAX,
        };
        constraint(
            value,
            member,
            &format!("Member must have value less than or equal to {max}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;

    fn update(request: wire::UpdateFunctionConfigurationRequest) -> Result<Change> {
        Settings::of_update(request)?.check(&["python3.11".into()])
    }

    #[test]
    fn what_kiln_does_not_have_is_refused_by_name() {
        let refused = update(wire::UpdateFunctionConfigurationRequest {
            durable_config: Some(wire::DurableConfig::default()),
            ..Default::default()
        });
        let refused = refused.unwrap_err();
        assert_eq!(refused.exception, Exception::NotImplemented);
        assert_eq!(refused.message, "Kiln does not have durable functions yet.");
        let subnets = wire::VpcConfig {
            subnet_ids: Some(vec!["subnet-1".into()]),
            ..Default::default()
        };
        let dual_stack = wire::VpcConfig {
            ipv6_allowed_for_dual_stack: Some(true),
            ..Default::default()
        };
        for vpc in [subnets, dual_stack] {
            let with_vpc = wire::UpdateFunctionConfigurationRequest {
                vpc_config: Some(vpc),
                ..Default::default()
            };
            assert_eq!(
                update(with_vpc).unwrap_err().exception,
                Exception::NotImplemented
            );
        }
    }

    #[test]
    fn settings_without_effect_are_kept_where_no_function_would_miss_them() {
        let tracing = wire::UpdateFunctionConfigurationRequest {
            tracing_config: Some(wire::TracingConfig {
                mode: Some("Active".into()),
            }),
            ..Default::default()
        };
        assert!(update(tracing).is_ok());
    }

    #[test]
    fn empty_lists_ask_for_nothing() {
        let request = wire::UpdateFunctionConfigurationRequest {
            kms_key_arn: Some(String::new()),
            vpc_config: Some(wire::VpcConfig::default()),
            ..Default::default()
        };
        assert!(update(request).is_ok());
    }

    #[test]
    fn bounds_are_those_of_the_quotas_and_not_of_the_model() {
        let request = wire::UpdateFunctionConfigurationRequest {
            memory_size: Some(10_241),
            ..Default::default()
        };
        let refused = update(request).unwrap_err();
        assert_eq!(refused.exception, Exception::Validation);
        assert_eq!(
            refused.message,
            "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"
        );
        let request = wire::UpdateFunctionConfigurationRequest {
            timeout: Some(901),
            ..Default::default()
        };
        assert!(update(request).unwrap_err().message.contains("'timeout'"));
    }
}
