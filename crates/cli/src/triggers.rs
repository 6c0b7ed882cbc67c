//! `kiln triggers`: what makes functions run on its own, by way of event source mappings.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kiln_types::{Clock, MappingId};
use serde_json::Value;

use self::add::Add;
use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

mod add;

const AFTER_HELP: &str = "\
Examples:
  kiln triggers add ship orders-queue --batch-size 100 --window 5
  kiln triggers add audit postgres://db.example.com/shop --table orders --secret shop
  kiln triggers add audit mariadb://db.example.com/shop --table orders --secret shop --from-start
  kiln triggers add audit redis://127.0.0.1/0 --stream orders
  kiln triggers add audit nats://127.0.0.1/ORDERS --subject 'orders.>'
  kiln triggers add audit mqtt://127.0.0.1 --topic 'house/+/door'
  kiln triggers add ship amqps://mq.example.com --queue orders --secret mq
  kiln triggers add ship kafka://b1.example.com:9096 --topic orders --secret kafka --retries 5 --bisect
  kiln triggers list --function audit
  kiln triggers show 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11
  kiln triggers pause 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11
  kiln triggers resume 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11
  kiln triggers delete 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11";

/// How often the server is asked while a change goes on.
const INTERVAL: Duration = Duration::from_millis(100);
/// After how long somebody who waits is told for what.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// How long a change is waited for. What runs may take as long as its function may.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(1_000);

/// What to do with triggers.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Have a function hear of messages of a queue or a broker, or of changes in a database
    Add(Box<Add>),
    /// List the triggers of this account
    List {
        /// Only this function's
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
    },
    /// Show everything about one trigger
    Show(Which),
    /// Have it hear nothing until it is resumed, and wait until nothing of it runs
    Pause(Which),
    /// Have it hear again, from where it was paused
    Resume(Which),
    /// Have it hear nothing more and remove what it made at its source
    Delete(Which),
}

/// A trigger.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its UUID
    #[arg(value_parser = uuid)]
    uuid: String,
}

fn uuid(text: &str) -> Result<String> {
    match text.parse::<MappingId>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => bail!("it is no UUID: `kiln triggers list` shows those of all triggers"),
    }
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Add(add) => {
            let made = client
                .create_mapping(&add::document(client, add).await?)
                .await?;
            let made = until_at_rest(client, uuid_of(&made)?).await?;
            let made = made.context("the trigger was deleted while it was made")?;
            output::tell(format, &made, || format!("{}\n", show(&made["UUID"])))?;
            warn_of_problems(&made);
        }
        What::List { function } => {
            let mappings = client.mappings(function.as_deref()).await?;
            match format {
                Format::Json => output::print_json(&Value::Array(mappings))?,
                Format::Table if mappings.is_empty() => {
                    eprintln!("no triggers: `kiln triggers add` makes one");
                }
                Format::Table => output::print(&table(&mappings))?,
            }
        }
        What::Show(which) => output::print_json(&found(client, which).await?)?,
        What::Pause(which) => change(client, format, which, false).await?,
        What::Resume(which) => change(client, format, which, true).await?,
        What::Delete(which) => {
            client.delete_mapping(&which.uuid).await?;
            if let Some(left) = until_at_rest(client, &which.uuid).await? {
                bail!("the trigger is still there: {}", show(&left["State"]));
            }
            eprintln!("deleted");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(client: &Client, format: Format, which: &Which, is_enabled: bool) -> Result<()> {
    found(client, which).await?;
    client.enable_mapping(&which.uuid, is_enabled).await?;
    let changed = until_at_rest(client, &which.uuid).await?;
    let changed = changed.context("the trigger was deleted meanwhile")?;
    output::tell(format, &changed, || {
        format!("{}\n", show(&changed["State"]))
    })?;
    warn_of_problems(&changed);
    Ok(())
}

async fn found(client: &Client, which: &Which) -> Result<Value> {
    let uuid = &which.uuid;
    let found = client.mapping(uuid).await?;
    found.with_context(|| format!("there is no trigger {uuid}; `kiln triggers list` shows all"))
}

/// Waits until a change is done; none when the trigger is gone.
async fn until_at_rest(client: &Client, uuid: &str) -> Result<Option<Value>> {
    let start = client.clock.now();
    let mut is_told = false;
    loop {
        let Some(mapping) = client.mapping(uuid).await? else {
            return Ok(None);
        };
        if ["Enabled", "Disabled"].contains(&show(&mapping["State"]).as_str()) {
            return Ok(Some(mapping));
        }
        let waited = client.clock.now().since(start);
        if waited > TELL_AFTER && !std::mem::replace(&mut is_told, true) {
            eprintln!(
                "it is still {}, and Kiln goes on with it whether you wait or not: {}",
                show(&mapping["State"]),
                show(&mapping["LastProcessingResult"])
            );
        }
        if waited > CHANGE_TIMEOUT {
            bail!(
                "the trigger is still {}: {}",
                show(&mapping["State"]),
                show(&mapping["LastProcessingResult"])
            );
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn uuid_of(mapping: &Value) -> Result<&str> {
    mapping["UUID"]
        .as_str()
        .context("the server's answer has no UUID")
}

/// A trigger that cannot hear yet is tried again and again: that is no failure, but no success either.
fn warn_of_problems(mapping: &Value) {
    let result = show(&mapping["LastProcessingResult"]);
    if mapping["State"] == "Enabled" && result.starts_with("PROBLEM") {
        eprintln!("warning: {result}");
    }
}

fn table(mappings: &[Value]) -> String {
    let mut rows = Rows::new(&["UUID", "FUNCTION", "SOURCE", "STATE", "LAST RESULT"]);
    for mapping in mappings {
        let function = show(&mapping["FunctionArn"]);
        let function = function
            .split_once(":function:")
            .map_or("", |(_, name)| name)
            .to_owned();
        rows.push([
            show(&mapping["UUID"]),
            function,
            source(mapping),
            show(&mapping["State"]),
            show(&mapping["LastProcessingResult"]),
        ]);
    }
    rows.render()
}

/// A source in one word: its ARN, or its endpoints and what is heard of them.
fn source(mapping: &Value) -> String {
    if let Some(arn) = mapping["EventSourceArn"].as_str() {
        return arn.to_owned();
    }
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.map(show).collect()
    };
    let endpoints = mapping["SelfManagedEventSource"]["Endpoints"].as_object();
    let endpoints = endpoints
        .into_iter()
        .flat_map(|kinds| kinds.values().flat_map(texts));
    let endpoints: Vec<_> = endpoints.collect();
    let heard = [&mapping["Topics"], &mapping["Queues"]].map(texts).concat();
    format!("{} {}", endpoints.join(","), heard.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trigger_is_a_line_with_its_source() {
        let text = table(&[
            json!({
                "UUID": "u1", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:sum:live",
                "SelfManagedEventSource": {"Endpoints": {"POSTGRESQL": ["postgres://db/shop"]}},
                "Topics": ["orders", "items"], "State": "Enabled", "LastProcessingResult": "OK",
            }),
            json!({
                "UUID": "u2", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:sum",
                "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q", "State": "Disabled",
            }),
            json!({
                "UUID": "u3", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:sum",
                "SelfManagedEventSource": {"Endpoints": {"RABBITMQ": ["amqps://mq"]}},
                "Queues": ["orders"], "State": "Enabled", "LastProcessingResult": "OK",
            }),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].contains("sum:live  postgres://db/shop orders,items"),
            "{text}"
        );
        assert!(
            lines[2].contains("arn:aws:sqs:us-east-1:000000000000:q"),
            "{text}"
        );
        assert!(lines[2].ends_with('-'), "{text}");
        assert!(lines[3].contains("amqps://mq orders"), "{text}");
    }
}
