//! `kiln deploy --image`: a function that is a container image which is somewhere already.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Action, Args, Attached, document, wait};
use crate::api::Client;

/// Creates the function, or brings it to what the image's name means now.
pub(super) async fn deploy(
    client: &Client,
    name: &str,
    uri: &str,
    attached: &Attached,
    args: &Args,
) -> Result<Action> {
    match client.function(name).await? {
        None => create(client, name, uri, attached, args).await,
        Some(existing) => {
            let existing = &existing["Configuration"];
            super::check_tenancy(name, existing, args)?;
            update(client, name, uri, existing, attached, args).await
        }
    }
}

async fn create(
    client: &Client,
    name: &str,
    uri: &str,
    attached: &Attached,
    args: &Args,
) -> Result<Action> {
    let role = super::role(client, args).await?;
    let wanted = wanted(attached, args, Some(&role));
    let mut document = document::creation(name, &wanted);
    document["PackageType"] = "Image".into();
    eprintln!("creating {name} at {}: {uri}", client.endpoint());
    client
        .create_function_from(document, json!({ "ImageUri": uri }))
        .await?;
    Ok(Action::Created)
}

async fn update(
    client: &Client,
    name: &str,
    uri: &str,
    existing: &Value,
    attached: &Attached,
    args: &Args,
) -> Result<Action> {
    if existing["PackageType"] != "Image" {
        bail!("{name} is not a container image: delete it first, or choose another --name");
    }
    let mut action = Action::Unchanged;
    wait::until_idle(client, name).await?;
    let wanted = wanted(attached, args, args.role.as_deref());
    if let Some(changes) = document::configuration_changes(existing, &wanted) {
        eprintln!("changing the configuration of {name}");
        client.update_configuration(name, &changes).await?;
        wait::until_idle(client, name).await?;
        action = Action::Updated;
    }
    // Only the server knows what the name means now.
    let dry = json!({ "ImageUri": uri, "DryRun": true });
    let would_be = client.update_code_from(name, dry).await?;
    if would_be["CodeSha256"] == existing["CodeSha256"] && existing["State"] == "Active" {
        eprintln!("the image of {name} is the same as before");
        return Ok(action);
    }
    eprintln!("changing the image of {name}");
    let changes = json!({ "ImageUri": uri });
    client
        .update_code_from(name, changes)
        .await
        .context("change the image")?;
    Ok(Action::Updated)
}

fn wanted<'a>(
    attached: &'a Attached,
    args: &'a Args,
    role: Option<&'a str>,
) -> document::Wanted<'a> {
    document::Wanted {
        runtime: None,
        handler: None,
        role,
        attached,
        args,
    }
}
