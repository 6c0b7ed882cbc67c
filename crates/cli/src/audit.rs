//! `kiln audit`: what was changed and what was refused, and whether all of it is still there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use kiln_types::Clock as _;
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, duration, output};

const AFTER_HELP: &str = "\
Examples:
  kiln audit show                         the latest records
  kiln audit show --since 1h --denied     what was refused within the last hour
  kiln --output json audit show --name CreateAccessKey
  kiln audit verify                       reads the whole chain and tells its head: note that
  kiln audit verify --head 42:9f86d0...   is what was noted still in it?

Whoever can write the server's files can write a whole new chain: only a head that was noted elsewhere shows that.";

/// What to do with the audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show records, the latest first
    Show(Show),
    /// Look whether every record is there as it was written
    Verify {
        /// A head that was told before, NUMBER:HASH; it must still be in the chain
        #[arg(long)]
        head: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Only what happened within this time, such as 30m, 24h or 7d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    since: Option<Duration>,
    /// Only this operation, such as CreateFunction
    #[arg(long, value_name = "OPERATION")]
    name: Option<String>,
    /// Only what somebody whose ARN ends with this did, such as user/deploy
    #[arg(long, value_name = "ARN")]
    by: Option<String>,
    /// Only what was refused or failed
    #[arg(long)]
    denied: bool,
    /// How many records at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Show(wanted) => print(format, &find(client, wanted).await?)?,
        What::Verify { head } => return verify(client, format, head.as_deref()).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Records page by page, until there are as many as are wanted.
async fn find(client: &Client, wanted: &Show) -> Result<Vec<Value>> {
    let now_ms = client.clock.timestamp().as_millis();
    let since = wanted
        .since
        .map_or(0, |since| duration::before(now_ms, since));
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = client.audit(since, before).await?;
        let records = page["records"].as_array().into_iter().flatten();
        found.extend(
            records
                .filter(|one| is_wanted(&one["record"], wanted))
                .cloned(),
        );
        before = page["next"].as_i64();
        if found.len() >= wanted.limit || before.is_none() {
            found.truncate(wanted.limit);
            return Ok(found);
        }
    }
}

fn is_wanted(record: &Value, wanted: &Show) -> bool {
    let has = |value: &Value, text: &str| value.as_str() == Some(text);
    let is_named = wanted
        .name
        .as_ref()
        .is_none_or(|name| has(&record["eventName"], name));
    let arn = record["userIdentity"]["arn"].as_str().unwrap_or_default();
    let is_by = wanted
        .by
        .as_ref()
        .is_none_or(|by| arn.ends_with(by.as_str()));
    is_named && is_by && (!wanted.denied || record["errorCode"].is_string())
}

fn print(format: Format, records: &[Value]) -> Result<()> {
    match format {
        Format::Json => output::print_json(&Value::Array(records.to_vec())),
        Format::Table => output::print(&table(records)),
    }
}

fn table(records: &[Value]) -> String {
    let mut rows = Rows::new(&["NUMBER", "TIME", "WHO", "FROM", "WHAT", "ON", "OUTCOME"]);
    for one in records {
        let record = &one["record"];
        let service = record["eventSource"].as_str().unwrap_or_default();
        let service = service.split('.').next().unwrap_or_default();
        let names = record["requestParameters"].as_object();
        let names = names
            .into_iter()
            .flatten()
            .filter_map(|(_, name)| name.as_str());
        rows.push([
            one["number"].to_string(),
            show(&record["eventTime"]),
            show(&record["userIdentity"]["arn"]),
            show(&record["sourceIPAddress"]),
            format!("{service}:{}", show(&record["eventName"])),
            names.collect::<Vec<_>>().join(" "),
            record["errorCode"].as_str().unwrap_or("done").to_owned(),
        ]);
    }
    rows.render()
}

async fn verify(client: &Client, format: Format, head: Option<&str>) -> Result<ExitCode> {
    let found = client.verify_audit(head).await?;
    let is_intact = found["isIntact"] == true;
    match format {
        Format::Json => output::print_json(&found)?,
        Format::Table if is_intact => {
            let head = show(&found["head"]);
            output::print(&format!(
                "every record is as it was written; the head is\n{head}\n"
            ))?;
        }
        Format::Table => output::print(&format!("BROKEN: {}\n", show(&found["broken"])))?,
    }
    Ok(match is_intact {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, arn: &str, code: Option<&str>) -> Value {
        json!({
            "eventName": name,
            "eventSource": "lambda.amazonaws.com",
            "userIdentity": {"arn": arn},
            "errorCode": code,
        })
    }

    #[test]
    fn records_are_chosen_by_name_by_whom_and_by_outcome() {
        let all = || Show {
            since: None,
            name: None,
            by: None,
            denied: false,
            limit: 50,
        };
        let made = record(
            "CreateFunction",
            "arn:aws:iam::000000000000:user/deploy",
            None,
        );
        let refused = record(
            "Invoke",
            "arn:aws:iam::000000000000:user/ada",
            Some("AccessDeniedException"),
        );
        let chosen = |wanted: &Show| [is_wanted(&made, wanted), is_wanted(&refused, wanted)];
        assert_eq!(chosen(&all()), [true, true]);
        let named = Show {
            name: Some("Invoke".into()),
            ..all()
        };
        assert_eq!(chosen(&named), [false, true]);
        let by = Show {
            by: Some("user/deploy".into()),
            ..all()
        };
        assert_eq!(chosen(&by), [true, false]);
        let denied = Show {
            denied: true,
            ..all()
        };
        assert_eq!(chosen(&denied), [false, true]);
    }

    #[test]
    fn a_line_says_who_did_what_on_what() {
        let mut made = record("CreateFunction", "arn:x", None);
        made["requestParameters"] = json!({"functionName": "sum"});
        let shown = table(&[json!({"number": 7, "record": made})]);
        let words: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            [
                "7",
                "-",
                "arn:x",
                "-",
                "lambda:CreateFunction",
                "sum",
                "done"
            ]
        );
    }
}
