//! `kiln events`: asynchronous events that wait or run, and those that were given up.

use std::process::ExitCode;

use anyhow::{Result, bail};
use kiln_types::Timestamp;
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln events list                        dead letters: events that were given up
  kiln events list --queued               events that wait or run
  kiln events show 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11
  kiln events redrive --function orders   try them again
  kiln events purge --all                 forget them

What waits for a function can be given up at once, without its destination's help: reserve it no
concurrency, and purge its dead letters.";

/// What to do with events.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List dead letters, or with --queued events that wait or run
    List {
        /// Only this function's
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// Events that wait or run
        #[arg(long)]
        queued: bool,
        /// How many at most
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
    },
    /// Show everything about one event or dead letter, its payload included
    Show {
        /// Its request id
        id: String,
    },
    /// Make dead letters events again
    Redrive(Which),
    /// Forget dead letters for good
    Purge(Which),
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Which {
    /// Those with these request ids
    ids: Vec<String>,
    /// All of this function
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    function: Option<String>,
    /// All of the account
    #[arg(long, conflicts_with_all = ["ids", "function"])]
    all: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List {
            function,
            queued,
            limit,
        } => {
            let state = if *queued { "queued" } else { "dead" };
            let events = client.events(state, function.as_deref(), *limit).await?;
            let events_count = events.len();
            match format {
                Format::Json => output::print_json(&Value::Array(events))?,
                Format::Table => output::print(&table(&events))?,
            }
            if events_count == *limit {
                eprintln!("there may be more than these {limit}: --limit COUNT shows more");
            }
        }
        What::Show { id } => output::print_json(&readable(client.event(id).await?))?,
        What::Redrive(which) => change(client, format, "redrive", which).await?,
        What::Purge(which) => change(client, format, "purge", which).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(client: &Client, format: Format, what: &str, which: &Which) -> Result<()> {
    let function = which.function.as_deref();
    if which.ids.is_empty() && function.is_none() && !which.all {
        bail!("say which: request ids, --function NAME or --all");
    }
    let mut count = 0;
    if which.ids.is_empty() {
        count += client.change_dead_letters(what, function, None).await?;
    }
    for id in &which.ids {
        count += client.change_dead_letters(what, None, Some(id)).await?;
    }
    output::tell(format, &json!({ "count": count }), || {
        format!("{}\n", sentence(what, count))
    })
}

fn sentence(what: &str, count: u64) -> String {
    if count == 0 {
        return "no dead letter is meant; `kiln events list` shows them, and with --queued what waits".to_owned();
    }
    let letters = match count {
        1 => "1 dead letter".to_owned(),
        many => format!("{many} dead letters"),
    };
    match what {
        "redrive" => format!("{letters} will be tried again"),
        _ => format!("{letters} forgotten"),
    }
}

fn table(events: &[Value]) -> String {
    let mut rows = Rows::new(&[
        "REQUEST ID",
        "FUNCTION",
        "STATE",
        "ACCEPTED",
        // Starts that have ended: one that runs counts when its end is known.
        ">ENDED STARTS",
        "NEXT OR WHY",
    ]);
    for event in events {
        let accepted = event["accepted"].as_i64().map(time).unwrap_or_default();
        let last = match event["reason"].as_str() {
            Some(reason) => reason.to_owned(),
            None => event["due"].as_i64().map(time).unwrap_or_default(),
        };
        let cell = |member: &str| show(&event[member]);
        rows.push([
            cell("requestId"),
            cell("functionName"),
            cell("state"),
            accepted,
            cell("starts"),
            last,
        ]);
    }
    rows.render()
}

/// The event with its times as a person reads them.
fn readable(mut event: Value) -> Value {
    for name in ["accepted", "due", "died"] {
        if let Some(ms) = event[name].as_i64() {
            event[name] = Value::String(time(ms));
        }
    }
    event
}

fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_say_why_and_waiting_events_when() {
        let text = table(&[
            json!({
                "requestId": "a", "functionName": "f", "state": "dead", "accepted": 0, "starts": 3,
                "reason": "RetriesExhausted",
            }),
            json!({
                "requestId": "b", "functionName": "f", "state": "waiting", "accepted": 0, "starts": 1,
                "due": 60_000,
            }),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].ends_with("3  RetriesExhausted"), "{text}");
        assert!(lines[2].ends_with("1  1970-01-01T00:01:00.000Z"), "{text}");
    }

    #[test]
    fn times_of_one_event_are_texts() {
        let shown =
            readable(json!({ "requestId": "a", "accepted": 0, "died": 60_000, "starts": 3 }));
        let expected = json!({
            "requestId": "a", "accepted": "1970-01-01T00:00:00.000Z",
            "died": "1970-01-01T00:01:00.000Z", "starts": 3,
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_was_done_is_one_sentence() {
        assert_eq!(sentence("redrive", 1), "1 dead letter will be tried again");
        assert_eq!(sentence("purge", 2), "2 dead letters forgotten");
        assert!(sentence("purge", 0).contains("--queued"));
    }
}
