//! `kiln iam`: users, roles, the access keys of users and of the account, and what policies would decide.

use std::process::ExitCode;

use anyhow::{Result, bail};
use kiln_types::limits::ACCESS_KEYS_MAX;
use serde_json::{Value, json};

use crate::api::{Client, Identity, Matched, NewKey, Simulated};
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
  kiln iam simulate role/worker sqs:SendMessage --resource arn:aws:sqs:us-east-1:000000000000:orders

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
    /// Say what policies would decide, and by which statement
    Simulate(Simulate),
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
struct Simulate {
    /// Whose policies: user/NAME, group/NAME, role/NAME or an ARN
    who: String,
    /// What is to be done, such as lambda:InvokeFunction
    #[arg(required = true)]
    actions: Vec<String>,
    /// With what: an ARN; repeatable [default: *]
    #[arg(long = "resource", value_name = "ARN")]
    resources: Vec<String>,
    /// The value of a condition key, such as aws:SourceIp=192.0.2.7; of several values the flag repeated
    #[arg(long = "context", value_name = "KEY=VALUE", value_parser = key_and_value)]
    context: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as aws:SourceIp=192.0.2.7".to_owned()),
    }
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
        What::Simulate(asked) => simulate(client, format, asked).await?,
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

async fn simulate(client: &Client, format: Format, asked: &Simulate) -> Result<()> {
    let arn = client.identity_arn(&asked.who).await?;
    let mut context: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in &asked.context {
        match context.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.clone()),
            None => context.push((key.clone(), vec![value.clone()])),
        }
    }
    let decided = client.simulate(&arn, &asked.actions, &asked.resources, &context);
    print_decisions(format, &decided.await?)
}

fn print_decisions(format: Format, decided: &[Simulated]) -> Result<()> {
    match format {
        Format::Json => {
            let shown = decided.iter().map(|one| {
                let place = |by: &Matched| json!({"policy": by.policy, "line": by.line, "column": by.column});
                json!({
                    "action": one.action,
                    "resource": one.resource,
                    "decision": one.decision,
                    "withinBoundary": one.is_within_boundary,
                    "by": one.by.iter().map(place).collect::<Vec<_>>(),
                })
            });
            output::print_json(&shown.collect())
        }
        Format::Table => {
            let mut rows = Rows::new(&["ACTION", "RESOURCE", "DECISION", "BECAUSE"]);
            for one in decided {
                let decision = match one.decision.as_str() {
                    "allowed" => "allowed",
                    _ => "denied",
                };
                let (action, resource) = (one.action.clone(), one.resource.clone());
                rows.push([action, resource, decision.to_owned(), because(one)]);
            }
            output::print(&rows.render())
        }
    }
}

/// The statements that decided, or what is missing.
fn because(one: &Simulated) -> String {
    let place = |by: &Matched| match (&by.line, &by.column) {
        (Some(line), Some(column)) => format!("{} at {line}:{column}", by.policy),
        _ => by.policy.clone(),
    };
    match one.decision.as_str() {
        "implicitDeny" if one.is_within_boundary == Some(false) => {
            "the permissions boundary does not allow it".to_owned()
        }
        "implicitDeny" => "nothing allows it".to_owned(),
        _ => one.by.iter().map(place).collect::<Vec<_>>().join(", "),
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
    output::tell(
        format,
        &json!({
            "accessKeyId": made.id,
            "secretAccessKey": made.secret,
        }),
        || {
            format!(
                "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
                made.id, made.secret
            )
        },
    )
}

fn say(format: Format, id: &str, what: &str) -> Result<()> {
    output::tell(format, &json!({"accessKeyId": id}), || {
        format!("{id} {what}\n")
    })
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

    #[test]
    fn a_decision_says_which_statement_made_it_or_that_none_did() {
        let decided = |decision: &str, within: Option<bool>| Simulated {
            action: "a".to_owned(),
            resource: "*".to_owned(),
            decision: decision.to_owned(),
            is_within_boundary: within,
            by: vec![Matched {
                policy: "policy own of user/ada".to_owned(),
                line: Some("3".to_owned()),
                column: Some("5".to_owned()),
            }],
        };
        assert_eq!(
            because(&decided("explicitDeny", None)),
            "policy own of user/ada at 3:5"
        );
        assert_eq!(because(&decided("implicitDeny", None)), "nothing allows it");
        let bounded = because(&decided("implicitDeny", Some(false)));
        assert_eq!(bounded, "the permissions boundary does not allow it");
    }
}
