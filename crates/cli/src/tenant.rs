//! `kiln tenant`: accounts that the operator of a server makes, limits and erases.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln tenant create \"Shop Ltd\"                       an account with its first access key, which is shown this once
  kiln tenant list
  kiln tenant show 123456789012                       what it has, and what it used
  kiln tenant limit 123456789012 --concurrency 20 --code-bytes 500000000
  kiln tenant limit 123456789012 --concurrency none   as every account
  kiln tenant erase 123456789012 --yes-erase 123456789012

Only the server's own account may do this. docs/guide/tenants.md says what an erasure removes, and what stays.";

/// What to do with tenants.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make an account, and its first access key
    Create {
        /// What people call it
        name: String,
        /// Its twelve digits [default: drawn at random]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// List the accounts
    List,
    /// Show an account: its limits, what it has, and what it used in the last 30 days
    Show {
        /// Its twelve digits
        id: String,
    },
    /// Say what an account may have at most; each a number, or none
    Limit(Limit),
    /// Remove everything of an account for good, and look whether anything is left
    Erase {
        /// Its twelve digits
        id: String,
        /// The same once more: what is erased cannot be had back
        #[arg(long, value_name = "ID")]
        yes_erase: String,
    },
}

#[derive(Debug, clap::Args)]
struct Limit {
    /// Its twelve digits
    id: String,
    /// Invocations at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// Functions
    #[arg(long, value_name = "N")]
    functions: Option<String>,
    /// Bytes of the zips of all versions of functions and layers
    #[arg(long, value_name = "N")]
    code_bytes: Option<String>,
    /// Message queues
    #[arg(long, value_name = "N")]
    queues: Option<String>,
    /// Buckets
    #[arg(long, value_name = "N")]
    buckets: Option<String>,
    /// Event source mappings
    #[arg(long, value_name = "N")]
    event_sources: Option<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Create { name, id } => {
            let made = client.create_tenant(name, id.as_deref()).await?;
            output::tell(format, &made, || created(&made))?;
        }
        What::List => {
            let listed = client.tenants().await?;
            output::tell(format, &listed, || table(&listed))?;
        }
        What::Show { id } => {
            let shown = client.tenant(id).await?;
            output::tell(format, &shown, || described(&shown))?;
        }
        What::Limit(limit) => {
            let limited = client.limit_tenant(&limit.id, &limit.given()).await?;
            output::tell(format, &limited, || limits(&limited))?;
        }
        What::Erase { id, yes_erase } => {
            if id != yes_erase {
                bail!(
                    "nothing was erased: --yes-erase must repeat the id\n  next: kiln tenant erase {id} --yes-erase {id}"
                );
            }
            let report = client.erase_tenant(id).await?;
            output::tell(format, &report, || erased(&report))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Limit {
    /// Names of parameters with their values, of those that are given.
    fn given(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("concurrency", &self.concurrency),
            ("functions", &self.functions),
            ("codeBytes", &self.code_bytes),
            ("queues", &self.queues),
            ("buckets", &self.buckets),
            ("eventSources", &self.event_sources),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }
}

/// The one time that the secret is shown, as lines for a shell.
fn created(made: &Value) -> String {
    let text = |name: &str| show(&made[name]);
    format!(
        "# account {}, {}\nexport AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        text("id"),
        text("name"),
        text("accessKeyId"),
        text("secretAccessKey")
    )
}

fn table(listed: &Value) -> String {
    let mut rows = Rows::new(&[
        "ACCOUNT",
        "NAME",
        "STATE",
        ">CONCURRENCY",
        ">FUNCTIONS",
        ">CODE BYTES",
    ]);
    for tenant in listed["tenants"].as_array().into_iter().flatten() {
        let name = match tenant["isOwn"] == true {
            true if tenant["name"].is_null() => "the server's own".to_owned(),
            _ => show(&tenant["name"]),
        };
        let limit = |name: &str| show(&tenant["limits"][name]);
        rows.push([
            show(&tenant["id"]),
            name,
            show(&tenant["state"]),
            limit("concurrency"),
            limit("functions"),
            limit("codeBytes"),
        ]);
    }
    rows.render()
}

fn described(shown: &Value) -> String {
    let mut rows = Rows::pairs();
    rows.push(["account".to_owned(), show(&shown["id"])]);
    rows.push(["name".to_owned(), show(&shown["name"])]);
    rows.push(["state".to_owned(), show(&shown["state"])]);
    let bytes = shown["codeBytes"].as_u64().unwrap_or_default();
    rows.push(["code".to_owned(), show_bytes(bytes)]);
    for (kind, count) in shown["has"].as_object().into_iter().flatten() {
        rows.push([kind.clone(), show(count)]);
    }
    let usage = &shown["usage"];
    rows.push([
        "invocations, 30 days".to_owned(),
        show(&usage["invocations"]),
    ]);
    rows.push(["cost in USD, 30 days".to_owned(), show(&usage["costUsd"])]);
    rows.render() + &limits(shown)
}

fn limits(shown: &Value) -> String {
    let mut rows = Rows::pairs();
    for (name, value) in shown["limits"].as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => "as every account".to_owned(),
            value => show(value),
        };
        rows.push([format!("limit of {name}"), value]);
    }
    rows.render()
}

fn erased(report: &Value) -> String {
    let mut text = format!("account {} is erased\n", show(&report["account"]));
    let mut rows = Rows::pairs();
    for (kind, count) in report["removed"].as_object().into_iter().flatten() {
        rows.push([format!("removed {kind}"), show(count)]);
    }
    for key in report["dataKeys"].as_array().into_iter().flatten() {
        let at = key["destroyed"].as_i64().unwrap_or_default();
        let at = kiln_types::Timestamp::from_millis(at).to_seconds();
        rows.push([
            "destroyed data key".to_owned(),
            format!("{}, {at}", show(&key["id"])),
        ]);
    }
    let searched = &report["searched"];
    let bytes = show_bytes(searched["bytes"].as_u64().unwrap_or_default());
    let looked = format!(
        "{} files with {bytes} and {} tables, for the id and {} samples",
        searched["files"], searched["tables"], searched["markers"]
    );
    rows.push(["searched".to_owned(), looked]);
    for kept in report["kept"].as_array().into_iter().flatten() {
        let why = format!("{}: {}", show(&kept["what"]), show(&kept["why"]));
        rows.push(["kept".to_owned(), why]);
    }
    text += &rows.render();
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_of_a_new_tenant_is_told_as_lines_for_a_shell() {
        let made = json!({"id": "123456789012", "name": "Shop", "accessKeyId": "AKIA", "secretAccessKey": "s"});
        assert_eq!(
            created(&made),
            "# account 123456789012, Shop\nexport AWS_ACCESS_KEY_ID=AKIA\nexport AWS_SECRET_ACCESS_KEY=s\n"
        );
    }

    #[test]
    fn only_limits_that_are_given_are_sent() {
        let limit = Limit {
            id: "123456789012".to_owned(),
            concurrency: Some("none".to_owned()),
            functions: None,
            code_bytes: Some("5".to_owned()),
            queues: None,
            buckets: None,
            event_sources: None,
        };
        assert_eq!(limit.given(), [("concurrency", "none"), ("codeBytes", "5")]);
    }

    #[test]
    fn an_erasure_tells_what_went_what_was_searched_and_what_stays() {
        let text = erased(&json!({
            "account": "123456789012",
            "removed": {"functions": 2},
            "dataKeys": [{"id": "00ff", "destroyed": 0}],
            "searched": {"files": 9, "bytes": 2048, "tables": 60, "markers": 4},
            "kept": [{"what": "audit.db", "why": "evidence"}],
        }));
        for part in [
            "account 123456789012 is erased",
            "removed functions",
            "00ff, 1970-01-01T00:00:00Z",
            "9 files with 2.0 KiB and 60 tables, for the id and 4 samples",
            "audit.db: evidence",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_servers_own_account_is_listed_as_that() {
        let text = table(&json!({"tenants": [
            {"id": "000000000000", "state": "active", "isOwn": true, "limits": {}},
            {"id": "123456789012", "name": "Shop", "state": "erasing", "isOwn": false, "limits": {"functions": 3}},
        ]}));
        let words = |line: usize| {
            text.lines()
                .nth(line)
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        assert_eq!(words(1)[..4], ["000000000000", "the", "server's", "own"]);
        assert_eq!(words(2), ["123456789012", "Shop", "erasing", "-", "3", "-"]);
    }
}
