//! `CreateLogGroup`: makes a group before anything is logged to it.
//!
//! AWS differs: keys, tags, classes other than `STANDARD` and protection from deletion do not
//! exist and are refused.

use super::generated::CreateLogGroupRequest as Input;
use super::group::already_exists;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    refuse_what_is_missing(&input)?;
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    match logs.create_group(account, &input.log_group_name).await? {
        true => Ok(()),
        false => Err(already_exists()),
    }
}

fn refuse_what_is_missing(input: &Input) -> Result<()> {
    let missing = if input.kms_key_id.is_some() {
        "keys of log groups (kmsKeyId)"
    } else if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        "tags of log groups"
    } else if input.log_group_class.as_deref().unwrap_or("STANDARD") != "STANDARD" {
        "classes of log groups other than STANDARD"
    } else if input.deletion_protection_enabled == Some(true) {
        "log groups protected from deletion (deletionProtectionEnabled)"
    } else {
        return Ok(());
    };
    Err(ApiError::not_implemented(missing))
}

#[cfg(test)]
mod tests {
    use kiln_store::Page;

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    fn create(name: &str) -> Input {
        Input {
            log_group_name: name.into(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_group_is_made_once() {
        let fixture = Fixture::new().await;
        handle(&fixture.context, create("/new")).await.unwrap();
        write(&fixture, "/logged", "s", &["x"]);
        for name in ["/new", "/logged"] {
            let refused = handle(&fixture.context, create(name)).await.unwrap_err();
            assert_eq!(refused.exception, Exception::ResourceAlreadyExists);
            assert_eq!(refused.message, "The specified log group already exists");
        }
        let logs = fixture.context.deps.store.logs();
        let page = Page {
            token: None,
            limit: 9,
        };
        let account = &fixture.context.caller.account;
        let groups = logs.groups(account, "", page).await.unwrap();
        assert_eq!(groups.items.len(), 2);
    }

    #[tokio::test]
    async fn what_a_group_cannot_have_is_refused_and_makes_none() {
        let fixture = Fixture::new().await;
        let class = Input {
            log_group_class: Some("INFREQUENT_ACCESS".into()),
            ..create("/new")
        };
        let protected = Input {
            deletion_protection_enabled: Some(true),
            ..create("/new")
        };
        for input in [class, protected] {
            let refused = handle(&fixture.context, input).await.unwrap_err();
            assert_eq!(refused.exception, Exception::NotImplemented);
        }
        assert!(handle(&fixture.context, create("/new")).await.is_ok());
    }
}
