//! The file systems that a function mounts.
//!
//! AWS differs: an access point is a directory that the server's operator has named, and a function
//! needs no VPC for it.

use std::path::{Path, PathBuf};

use kiln_types::{AccessPointArn, FileSystemMount};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The file systems that a request names, if it names any or none at all.
pub(super) fn resolve(
    context: &Context,
    configs: Option<Vec<wire::FileSystemConfig>>,
) -> Result<Option<Vec<FileSystemMount>>> {
    let mounts = |configs: Vec<_>| {
        configs
            .iter()
            .map(|config| mount(context, config))
            .collect()
    };
    configs.map(mounts).transpose()
}

/// As the API shows them.
pub(super) fn render(mounts: &[FileSystemMount]) -> Option<Vec<wire::FileSystemConfig>> {
    let shown = mounts.iter().map(|mount| wire::FileSystemConfig {
        arn: mount.arn.to_string(),
        local_mount_path: mount.path.to_string_lossy().into_owned(),
        s3_files_config: None,
    });
    (!mounts.is_empty()).then(|| shown.collect())
}

fn mount(context: &Context, config: &wire::FileSystemConfig) -> Result<FileSystemMount> {
    // The service model has checked that it is one of the two.
    let Ok(arn) = config.arn.parse::<AccessPointArn>() else {
        return Err(ApiError::not_implemented("access points of S3 Files"));
    };
    if config.s3_files_config.is_some() {
        return Err(invalid(
            "S3FilesConfig is valid only for an access point of Amazon S3 Files.",
        ));
    }
    let is_here = arn.region == context.config.region && arn.account == context.caller.account;
    let known = &context.config.file_systems;
    if !is_here || !known.contains_key(&arn.access_point) {
        return Err(invalid(format!(
            "The access point {arn} does not exist. On this Kiln server an access point is a directory that the operator has named with --file-system."
        )));
    }
    let path = PathBuf::from(&config.local_mount_path);
    // The model's pattern lets dots through that lead elsewhere.
    let is_below = path.parent() == Some(Path::new("/mnt")) && path.file_name().is_some();
    match is_below {
        true => Ok(FileSystemMount { arn, path }),
        false => Err(invalid(format!(
            "LocalMountPath {} must be a directory below /mnt.",
            config.local_mount_path
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::function::{create_function, update_function_configuration};

    fn config(name: &str, path: &str) -> wire::FileSystemConfig {
        let id = kiln_types::AccessPoint::named(name);
        wire::FileSystemConfig {
            arn: format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}"),
            local_mount_path: path.into(),
            s3_files_config: None,
        }
    }

    #[tokio::test]
    async fn a_file_system_is_kept_shown_and_taken_away() {
        let fixture = Fixture::new().await;
        let wanted = vec![config("data", "/mnt/data")];
        let request = wire::CreateFunctionRequest {
            file_system_configs: Some(wanted.clone()),
            ..fixture.create_request("sum")
        };
        let created = create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        assert_eq!(created.file_system_configs.as_ref(), Some(&wanted));
        fixture.settle().await;
        let update = |configs| {
            let request = wire::UpdateFunctionConfigurationRequest {
                function_name: "sum".into(),
                file_system_configs: configs,
                ..Default::default()
            };
            update_function_configuration::handle(&fixture.context, request)
        };
        let kept = update(None).await.unwrap();
        assert_eq!(kept.file_system_configs, Some(wanted));
        fixture.settle().await;
        let none = update(Some(Vec::new())).await.unwrap();
        assert_eq!(none.file_system_configs, None);
    }

    #[tokio::test]
    async fn what_is_not_there_or_leads_elsewhere_is_refused() {
        let mut fixture = Fixture::new().await;
        let refusal = |fixture: &Fixture, config| {
            let refused = resolve(&fixture.context, Some(vec![config])).unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            refused.message.into_owned()
        };
        let unknown = config("other", "/mnt/data");
        let message = refusal(&fixture, unknown.clone());
        assert!(message.starts_with(&format!("The access point {} does not exist.", unknown.arn)));
        for path in ["/mnt/..", "/mnt/."] {
            let message = refusal(&fixture, config("data", path));
            assert!(
                message.contains("must be a directory below /mnt"),
                "{message}"
            );
        }
        fixture.context.caller.account = "111122223333".parse().unwrap();
        let message = refusal(&fixture, config("data", "/mnt/data"));
        assert!(message.contains("does not exist"), "{message}");
    }
}
