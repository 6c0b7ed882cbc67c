//! `kiln iam`: users, roles, and the access keys of users and of the account.

use std::process::ExitCode;

use anyhow::{Result, bail};
use kiln_types::limits::ACCESS_KEYS_MAX;
use serde_json::{Value, json};

use crate::api::{Client, Identity, NewKey};
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln iam users
  kiln iam keys list --user deploy           when each was last used, too
  kiln iam keys create --user deploy         the secret is shown this once
  kiln iam keys rotate --user deploy         a second key, so that both are good for a while
  kiln iam keys disable AKIA...              once nobody uses the old one
  kiln iam keys delete AKIA...

Users, roles and policies are made by IAM's API: aws iam create-user, boto3, Terraform.";

/// What to do with identities.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the users
    Users,
    /// List the roles
    Roles,
    /// List, make, replace, switch and delete access keys
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Keys {
    /// List keys with their last uses
    List(Whose),
    /// Make a key
    Create(Whose),
    /// Make a key beside the one in use; a second one that is disabled goes for it
    Rotate(Whose),
    /// Have a key refused, until it is enabled again
    Disable {
        /// The key's id
        id: String,
    },
    /// Have a disabled key be good again
    Enable {
        /// The key's id
        id: String,
    },
    /// Delete a key for good
    Delete {
        /// The key's id
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// Of this user; without it, of whoever asks
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Users => list(format, &client.users().await?)?,
        What::Roles => list(format, &client.roles().await?)?,
        What::Keys { what } => keys(client, format, what).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn keys(client: &Client, format: Format, what: &Keys) -> Result<()> {
    match what {
        Keys::List(whose) => list_keys(client, format, whose.user.as_deref()).await,
        Keys::Create(whose) => {
            let made = client.create_key(whose.user.as_deref()).await?;
            print_new(format, &made)
        }
        Keys::Rotate(whose) => {
            let made = rotate(client, whose.user.as_deref()).await?;
            print_new(format, &made)
        }
        Keys::Disable { id } => {
            let user = client.key_use(id).await?.user;
            client.switch_key(user.as_deref(), id, false).await?;
            say(format, id, "is refused from now on")
        }
        Keys::Enable { id } => {
            let user = client.key_use(id).await?.user;
            client.switch_key(user.as_deref(), id, true).await?;
            say(format, id, "is good again")
        }
        Keys::Delete { id } => {
            let user = client.key_use(id).await?.user;
            client.delete_key(user.as_deref(), id).await?;
            say(format, id, "is deleted")
        }
    }
}

/// Makes room by what is disabled already, and never by what may be in use.
async fn rotate(client: &Client, user: Option<&str>) -> Result<NewKey> {
    let present = client.keys(user).await?;
    if present.len() >= ACCESS_KEYS_MAX {
        let Some(idle) = present.iter().find(|key| !key.is_active) else {
            bail!(
                "there are two keys and both are good\n  next: `kiln iam keys list` shows which nobody uses; \
                 disable that"
            );
        };
        client.delete_key(user, &idle.id).await?;
    }
    client.create_key(user).await
}

fn list(format: Format, all: &[Identity]) -> Result<()> {
    match format {
        Format::Json => {
            let shown = all
                .iter()
                .map(|one| json!({"name": one.name, "arn": one.arn, "created": one.created}));
            output::print_json(&shown.collect())
        }
        Format::Table => {
            let mut rows = Rows::new(&["NAME", "CREATED", "ARN"]);
            for one in all {
                rows.push([one.name.clone(), one.created.clone(), one.arn.clone()]);
            }
            output::print(&rows.render())
        }
    }
}

async fn list_keys(client: &Client, format: Format, user: Option<&str>) -> Result<()> {
    let mut shown = Vec::new();
    for key in client.keys(user).await? {
        let last = client.key_use(&key.id).await?;
        shown.push(json!({
            "id": key.id,
            "active": key.is_active,
            "created": key.created,
            "user": last.user,
            "lastUsed": last.at,
            "lastService": last.service,
        }));
    }
    match format {
        Format::Json => output::print_json(&Value::Array(shown)),
        Format::Table => output::print(&table(&shown)),
    }
}

fn table(keys: &[Value]) -> String {
    let mut rows = Rows::new(&["KEY", "STATUS", "CREATED", "LAST USED", "FOR"]);
    for key in keys {
        let status = match key["active"] == true {
            true => "active",
            false => "disabled",
        };
        rows.push([
            show(&key["id"]),
            status.to_owned(),
            show(&key["created"]),
            show(&key["lastUsed"]),
            show(&key["lastService"]),
        ]);
    }
    rows.render()
}

/// The one time that the secret is shown, as lines for a shell.
fn print_new(format: Format, made: &NewKey) -> Result<()> {
    match format {
        Format::Json => output::print_json(&json!({
            "accessKeyId": made.id,
            "secretAccessKey": made.secret,
        })),
        Format::Table => output::print(&format!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
            made.id, made.secret
        )),
    }
}

fn say(format: Format, id: &str, what: &str) -> Result<()> {
    match format {
        Format::Json => output::print_json(&json!({"accessKeyId": id})),
        Format::Table => output::print(&format!("{id} {what}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed_with_their_last_uses() {
        let shown = table(&[
            json!({"id": "AKIAONE", "active": true, "created": "c", "lastUsed": "u", "lastService": "sqs"}),
            json!({"id": "AKIATWO", "active": false, "created": "c", "lastUsed": null, "lastService": null}),
        ]);
        let words = |line: usize| -> Vec<&str> {
            shown
                .lines()
                .nth(line)
                .unwrap()
                .split_whitespace()
                .collect()
        };
        assert_eq!(words(1), ["AKIAONE", "active", "c", "u", "sqs"]);
        assert_eq!(words(2), ["AKIATWO", "disabled", "c", "-", "-"]);
    }
}
