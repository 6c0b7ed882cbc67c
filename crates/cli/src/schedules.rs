//! `kiln schedules`: functions that run at times.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln schedules create nightly --function report --when 'cron(0 3 * * ? *)' --zone Europe/Berlin
  kiln schedules create often --function poll --when 'rate(5 minutes)' --input '{\"full\": false}'
  kiln schedules create once --function remind --when 'at(2027-01-01T09:00:00)'
  kiln schedules list
  kiln schedules pause nightly
  kiln schedules resume nightly
  kiln schedules delete nightly";

/// The role of schedules made here: Kiln asks for one as AWS does, and assumes none.
const ROLE: &str = "role/kiln-schedules";

/// What to do with schedules.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The group
    #[arg(long, global = true, value_name = "NAME")]
    group: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List schedules
    List,
    /// Show everything about one schedule
    Show {
        /// Its name
        name: String,
    },
    /// Run a function at times
    Create(Create),
    /// Let a schedule rest
    Pause {
        /// Its name
        name: String,
    },
    /// Let a schedule that rests run again
    Resume {
        /// Its name
        name: String,
    },
    /// Delete a schedule
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Its name
    name: String,
    /// The function to run
    #[arg(long, value_name = "NAME")]
    function: String,
    /// When: cron(…), rate(…) or at(…)
    #[arg(long, value_name = "EXPRESSION")]
    when: String,
    /// The time zone of cron and at
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// The event: JSON; without it one that describes the schedule
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Run up to so many minutes after each time
    #[arg(long, value_name = "MINUTES")]
    window: Option<u32>,
    /// Delete the schedule when it has run for the last time
    #[arg(long)]
    delete_when_done: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let group = args.group.as_deref().unwrap_or("default");
    match &args.what {
        What::List => {
            let schedules = client.schedules(args.group.as_deref()).await?;
            match format {
                Format::Json => output::print_json(&Value::Array(schedules))?,
                Format::Table => output::print(&table(&schedules))?,
            }
        }
        What::Show { name } => output::print_json(&client.schedule(group, name).await?)?,
        What::Create(create) => {
            let Some(function) = client.configuration(&create.function).await? else {
                bail!(
                    "there is no function '{}'\n  next: `kiln list` shows what exists",
                    create.function
                );
            };
            let arn = show(&function["FunctionArn"]);
            let document = document(create, group, &arn)?;
            client.create_schedule(&create.name, &document).await?;
            print(format, &create.name, "created")?;
        }
        What::Pause { name } => {
            set_state(client, group, name, "DISABLED").await?;
            print(format, name, "paused")?;
        }
        What::Resume { name } => {
            set_state(client, group, name, "ENABLED").await?;
            print(format, name, "resumed")?;
        }
        What::Delete { name } => {
            client.delete_schedule(group, name).await?;
            print(format, name, "deleted")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(format: Format, name: &str, what: &str) -> Result<()> {
    output::tell(format, &json!({ "schedule": name, "is": what }), || {
        format!("schedule {name} is {what}\n")
    })
}

fn document(create: &Create, group: &str, function_arn: &str) -> Result<Value> {
    let account = function_arn.split(':').nth(4);
    let account = account.context("the server's ARN of the function names no account")?;
    let mut target = json!({
        "Arn": function_arn,
        "RoleArn": format!("arn:aws:iam::{account}:{ROLE}"),
    });
    if let Some(input) = &create.input {
        target["Input"] = json!(input);
    }
    let window = match create.window {
        Some(minutes) => json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}),
        None => json!({"Mode": "OFF"}),
    };
    let action = match create.delete_when_done {
        true => "DELETE",
        false => "NONE",
    };
    Ok(json!({
        "GroupName": group,
        "ScheduleExpression": create.when,
        "ScheduleExpressionTimezone": create.zone,
        "FlexibleTimeWindow": window,
        "ActionAfterCompletion": action,
        "Target": target,
    }))
}

/// An update says all that it does not change, too.
async fn set_state(client: &Client, group: &str, name: &str, state: &str) -> Result<()> {
    let shown = client.schedule(group, name).await?;
    let is_set = |key: &str| {
        !matches!(
            key,
            "Arn" | "Name" | "State" | "CreationDate" | "LastModificationDate"
        )
    };
    let members = shown.as_object().into_iter().flatten();
    let kept = members.filter(|(key, _)| is_set(key));
    let mut document: Map<String, Value> = kept
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    document.insert("State".to_owned(), json!(state));
    client.update_schedule(name, &Value::Object(document)).await
}

fn table(schedules: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", "GROUP", "STATE", "TARGET"]);
    for schedule in schedules {
        let cell = |member: &str| show(&schedule[member]);
        rows.push([
            cell("Name"),
            cell("GroupName"),
            cell("State"),
            show(&schedule["Target"]["Arn"]),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{ok, serve};

    #[tokio::test]
    async fn pausing_changes_the_state_and_nothing_else() {
        let shown = json!({
            "Arn": "a", "Name": "nightly", "GroupName": "team", "State": "ENABLED",
            "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "f", "RoleArn": "r", "Input": "{}"}, "CreationDate": 1.5,
        });
        let script = move |_: &crate::scripted::Asked| ok(&shown);
        let work =
            |client: Client| async move { set_state(&client, "team", "nightly", "DISABLED").await };
        let (done, asked) = serve(script, work).await;
        done.unwrap();
        assert_eq!(asked[0].line, "GET /schedules/nightly?groupName=team");
        assert_eq!(asked[1].line, "PUT /schedules/nightly");
        let expected = json!({
            "GroupName": "team", "State": "DISABLED", "ScheduleExpression": "rate(1 hour)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "f", "RoleArn": "r", "Input": "{}"},
        });
        assert_eq!(asked[1].document, expected);
    }

    #[test]
    fn what_is_not_said_takes_its_default() {
        let create = Create {
            name: "n".to_owned(),
            function: "f".to_owned(),
            when: "rate(1 hour)".to_owned(),
            zone: "UTC".to_owned(),
            input: None,
            window: Some(15),
            delete_when_done: true,
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let document = document(&create, "default", arn).unwrap();
        assert_eq!(document["Target"]["Arn"], arn);
        let role = "arn:aws:iam::000000000000:role/kiln-schedules";
        assert_eq!(document["Target"]["RoleArn"], role);
        assert_eq!(document["Target"].get("Input"), None);
        assert_eq!(document["FlexibleTimeWindow"]["MaximumWindowInMinutes"], 15);
        assert_eq!(document["ActionAfterCompletion"], "DELETE");
    }
}
