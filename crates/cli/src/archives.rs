//! `kiln archives`: what event buses keep of what is put on them, and replays of it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use kiln_types::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, duration, output};

const AFTER_HELP: &str = "\
Examples:
  kiln archives create orders --bus shop --days 30
  kiln archives create refunds --pattern '{\"detail-type\": [\"refunded\"]}'
  kiln archives list
  kiln archives replay start january --archive orders --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z
  kiln archives replay start lately --archive orders --from 1h --rule bill
  kiln archives replay show lately
  kiln archives replay cancel lately
  kiln archives delete orders";

/// What to do with archives.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List archives with what they hold
    List {
        /// Only those of this bus
        #[arg(long, value_name = "NAME")]
        bus: Option<String>,
    },
    /// Show everything about one archive
    Show {
        /// Its name
        name: String,
    },
    /// Keep what is put on a bus from now on
    Create(Create),
    /// Delete an archive with all that is in it
    Delete {
        /// Its name
        name: String,
    },
    /// Send what an archive holds to its bus once more
    Replay {
        #[command(subcommand)]
        what: Replay,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Its name
    name: String,
    /// The bus
    #[arg(long, value_name = "NAME", default_value = "default")]
    bus: String,
    /// Which events: an event pattern; without it all
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,
    /// For how many days each is kept; without it for ever
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Replay {
    /// List replays
    List {
        /// Only those of this archive
        #[arg(long, value_name = "NAME")]
        archive: Option<String>,
    },
    /// Begin a replay
    Start(Start),
    /// Show how far a replay is
    Show {
        /// Its name
        name: String,
    },
    /// Stop a replay; what it has sent is sent
    Cancel {
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Start {
    /// Its name
    name: String,
    /// The archive
    #[arg(long, value_name = "NAME")]
    archive: String,
    /// Events that happened from this time on: 2026-01-01T00:00:00Z, or so long ago: 24h
    #[arg(long, value_name = "TIME")]
    from: String,
    /// And before this one [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only to this rule of the bus; repeat it for more
    #[arg(long = "rule", value_name = "NAME")]
    rules: Vec<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List { bus } => {
            let bus = match bus {
                Some(name) => Some(client.bus_arn(name).await?),
                None => None,
            };
            let archives = client.archives(bus.as_deref()).await?;
            match format {
                Format::Json => output::print_json(&Value::Array(archives))?,
                Format::Table => output::print(&table(&archives))?,
            }
        }
        What::Show { name } => output::print_json(&client.archive(name).await?)?,
        What::Create(create) => {
            let bus = client.bus_arn(&create.bus).await?;
            let arn = client.create_archive(&document(create, &bus)).await?;
            output::tell(format, &json!({"archiveArn": arn}), || format!("{arn}\n"))?;
        }
        What::Delete { name } => {
            client.delete_archive(name).await?;
            output::tell(format, &json!({"archive": name}), || {
                format!("{name} is deleted\n")
            })?;
        }
        What::Replay { what } => replay(client, format, what).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(client: &Client, format: Format, what: &Replay) -> Result<()> {
    match what {
        Replay::List { archive } => {
            let archive = match archive {
                Some(name) => Some(archive_arn(client, name).await?),
                None => None,
            };
            let replays = client.replays(archive.as_deref()).await?;
            match format {
                Format::Json => output::print_json(&Value::Array(replays)),
                Format::Table => output::print(&replays_table(&replays)),
            }
        }
        Replay::Start(start) => {
            let archive = client.archive(&start.archive).await?;
            let now = client.clock.timestamp();
            let state = client.start_replay(&begins(start, &archive, now)?).await?;
            say(format, &start.name, &state)
        }
        Replay::Show { name } => output::print_json(&client.replay(name).await?),
        Replay::Cancel { name } => {
            let state = client.cancel_replay(name).await?;
            say(format, name, &state)
        }
    }
}

fn say(format: Format, replay: &str, state: &Value) -> Result<()> {
    output::tell(format, &json!({"replay": replay, "state": state}), || {
        format!("replay {replay} is {}\n", show(state))
    })
}

async fn archive_arn(client: &Client, name: &str) -> Result<String> {
    let archive = client.archive(name).await?;
    Ok(show(&archive["ArchiveArn"]))
}

fn document(create: &Create, bus_arn: &str) -> Value {
    let mut document = json!({"ArchiveName": create.name, "EventSourceArn": bus_arn});
    if let Some(pattern) = &create.pattern {
        document["EventPattern"] = json!(pattern);
    }
    if let Some(days) = create.days {
        document["RetentionDays"] = json!(days);
    }
    if let Some(text) = &create.description {
        document["Description"] = json!(text);
    }
    document
}

/// What begins a replay to the bus of its archive.
fn begins(start: &Start, archive: &Value, now: Timestamp) -> Result<Value> {
    let bus = show(&archive["EventSourceArn"]);
    let from = moment(&start.from, now)?;
    let to = start.to.as_deref().map(|text| moment(text, now));
    let to = to.transpose()?.unwrap_or(seconds(now));
    let mut destination = json!({"Arn": bus});
    if !start.rules.is_empty() {
        let arns: Vec<String> = start
            .rules
            .iter()
            .map(|name| rule_arn(&bus, name))
            .collect();
        destination["FilterArns"] = json!(arns);
    }
    Ok(json!({
        "ReplayName": start.name,
        "EventSourceArn": archive["ArchiveArn"],
        "EventStartTime": from,
        "EventEndTime": to,
        "Destination": destination,
    }))
}

/// A time, or one so long ago, as the API takes it.
///
/// A number without a unit would be seconds ago, where whoever writes it may mean a time or a year.
fn moment(text: &str, now: Timestamp) -> Result<f64> {
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    if has_unit && let Ok(ago) = duration::parse(text) {
        let millis = duration::before(now.as_millis(), ago);
        return Ok(seconds(Timestamp::from_millis(millis)));
    }
    let time: jiff::Timestamp = text.parse().with_context(|| {
        format!("'{text}' is neither a time such as 2026-01-01T00:00:00Z nor a length of time such as 24h")
    })?;
    Ok(seconds(Timestamp::from_millis(time.as_millisecond())))
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

/// The ARN of a rule of a bus.
fn rule_arn(bus_arn: &str, rule: &str) -> String {
    if rule.starts_with("arn:") {
        return rule.to_owned();
    }
    match bus_arn.split_once(":event-bus/") {
        Some((before, "default")) => format!("{before}:rule/{rule}"),
        Some((before, bus)) => format!("{before}:rule/{bus}/{rule}"),
        None => rule.to_owned(),
    }
}

/// A time of the API as a person reads it.
fn shown_time(value: &Value) -> String {
    match value.as_f64() {
        Some(seconds) => Timestamp::from_millis((seconds * 1_000.0) as i64).to_string(),
        None => "-".to_owned(),
    }
}

/// What an ARN names last.
fn last(value: &Value) -> String {
    let text = show(value);
    text.rsplit('/').next().unwrap_or_default().to_owned()
}

fn table(archives: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", "BUS", "STATE", ">EVENTS", ">SIZE", ">DAYS"]);
    for one in archives {
        let days = match one["RetentionDays"].as_u64() {
            None | Some(0) => "-".to_owned(),
            Some(days) => days.to_string(),
        };
        rows.push([
            show(&one["ArchiveName"]),
            last(&one["EventSourceArn"]),
            show(&one["State"]),
            show(&one["EventCount"]),
            show_bytes(one["SizeBytes"].as_u64().unwrap_or_default()),
            days,
        ]);
    }
    rows.render()
}

fn replays_table(replays: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", "ARCHIVE", "STATE", "FROM", "TO", "SENT UP TO"]);
    for one in replays {
        rows.push([
            show(&one["ReplayName"]),
            last(&one["EventSourceArn"]),
            show(&one["State"]),
            shown_time(&one["EventStartTime"]),
            shown_time(&one["EventEndTime"]),
            shown_time(&one["EventLastReplayedTime"]),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{ok, serve};

    const BUS: &str = "arn:aws:events:eu-west-1:123456789012:event-bus/shop";
    const NOW: Timestamp = Timestamp::from_millis(1_767_312_000_000);

    fn start(from: &str, to: Option<&str>) -> Start {
        Start {
            name: "again".to_owned(),
            archive: "orders".to_owned(),
            from: from.to_owned(),
            to: to.map(str::to_owned),
            rules: vec!["bill".to_owned()],
        }
    }

    #[test]
    fn a_number_without_a_unit_is_no_moment() {
        assert_eq!(moment("24h", NOW).unwrap(), 1_767_225_600.0);
        for text in ["1767225600", "2026", ""] {
            assert!(moment(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replay_goes_to_rules_of_the_archives_own_bus() {
        let archive = json!({"ArchiveArn": "arn:archive", "EventSourceArn": BUS});
        let expected = json!({
            "ReplayName": "again",
            "EventSourceArn": "arn:archive",
            "EventStartTime": 1_767_225_600.0,
            "EventEndTime": 1_767_312_000.0,
            "Destination": {
                "Arn": BUS,
                "FilterArns": ["arn:aws:events:eu-west-1:123456789012:rule/shop/bill"],
            },
        });
        let ago = begins(&start("24h", None), &archive, NOW).unwrap();
        assert_eq!(ago, expected);
        let named = start("2026-01-01T00:00:00Z", Some("2026-01-02T01:00:00+01:00"));
        assert_eq!(begins(&named, &archive, NOW).unwrap(), expected);
        let wrong = begins(&start("yesterday", None), &archive, NOW).unwrap_err();
        assert!(format!("{wrong:#}").contains("'yesterday'"), "{wrong:#}");
    }

    #[test]
    fn a_rule_of_the_default_bus_is_named_without_it() {
        let default = BUS.replace("shop", "default");
        let expected = "arn:aws:events:eu-west-1:123456789012:rule/bill";
        assert_eq!(rule_arn(&default, "bill"), expected);
        assert_eq!(rule_arn(BUS, expected), expected);
    }

    #[test]
    fn archives_and_replays_are_shown_as_a_person_reads_them() {
        let archive = json!({
            "ArchiveName": "orders", "EventSourceArn": BUS, "State": "ENABLED",
            "EventCount": 7, "SizeBytes": 2048, "RetentionDays": 0,
        });
        let text = table(&[archive]);
        let line: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(line, ["orders", "shop", "ENABLED", "7", "2.0", "KiB", "-"]);
        let replay = json!({
            "ReplayName": "again", "EventSourceArn": "arn:aws:events:eu-west-1:123456789012:archive/orders",
            "State": "RUNNING", "EventStartTime": 1_767_225_600.0, "EventEndTime": 1_767_312_000.5,
        });
        let text = replays_table(&[replay]);
        let line: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        let times = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.500Z"];
        let expected = ["again", "orders", "RUNNING", times[0], times[1], "-"];
        assert_eq!(line, expected);
    }

    #[tokio::test]
    async fn a_list_follows_the_token_to_the_last_page() {
        let (archives, asked) = serve(
            |asked| match asked.document["NextToken"].as_str() {
                None => ok(&json!({"Archives": [{"ArchiveName": "a"}], "NextToken": "t"})),
                Some("t") => ok(&json!({"Archives": [{"ArchiveName": "b"}]})),
                other => panic!("{other:?}"),
            },
            async |client| client.archives(Some(BUS)).await.unwrap(),
        )
        .await;
        assert_eq!(archives.len(), 2);
        assert!(
            asked
                .iter()
                .all(|one| one.document["EventSourceArn"] == BUS)
        );
        assert!(asked[0].authorization.contains("/events/aws4_request"));
    }
}
