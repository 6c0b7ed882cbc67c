//! `kiln logs`: shows what a function logged, once or as it happens.

mod follow;

use std::borrow::Cow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use kiln_types::{Clock, Timestamp};

use crate::api::{Client, LogEvent, LogQuery};
use crate::{Format, duration, output};
use follow::Follower;

/// How often a followed log is read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  kiln logs sum --since 1h
  kiln logs sum -f --filter ERROR";

/// Which lines to show.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name
    name: String,
    /// Keep showing new lines until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How far back to start, such as 90s, 10m, 24h or 7d
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = duration::parse)]
    since: Duration,
    /// Only lines that match this CloudWatch Logs filter pattern
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Only this log stream
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let (group, exists) = group(client, &args.name).await?;
    let since_ms = duration::before(client.clock.timestamp().as_millis(), args.since);
    let mut follower = Follower::new(since_ms);
    let mut query = LogQuery {
        group,
        stream: args.stream.clone(),
        pattern: args.filter.clone(),
        since_ms,
    };
    let mut told = false;
    loop {
        query.since_ms = follower.since_ms();
        let events = client.log_events(&query).await?;
        if events.is_none() && !told {
            told = true;
            let why = if exists {
                "the group appears with the first invocation"
            } else {
                "and there is no such function; `kiln list` shows what exists"
            };
            eprintln!("no logs yet in {}: {why}", query.group);
        }
        let text: String = follower
            .take(events.unwrap_or_default())
            .iter()
            .map(|event| line(event, format))
            .collect();
        if text.is_empty() && !args.follow && !told {
            eprintln!(
                "nothing in {} for that time; look further back with --since 7d",
                query.group
            );
        }
        output::print(&text)?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The function's log group, and whether there is such a function; a deleted one's logs stay under the
/// usual name.
pub(crate) async fn group(client: &Client, name: &str) -> Result<(String, bool)> {
    let configuration = client.configuration(name).await?;
    let named = configuration
        .as_ref()
        .and_then(|c| c["LoggingConfig"]["LogGroup"].as_str());
    let group = named.map_or_else(|| format!("/aws/lambda/{name}"), str::to_owned);
    Ok((group, configuration.is_some()))
}

fn line(event: &LogEvent, format: Format) -> String {
    match format {
        Format::Json => {
            format!(
                "{}\n",
                serde_json::to_string(event).expect("an event of texts is JSON")
            )
        }
        Format::Table => {
            let time = Timestamp::from_millis(event.timestamp);
            format!("{time}  {}\n", plain(event.message.trim_end_matches('\n')))
        }
    }
}

/// A message without what would drive a terminal: a function may log anything.
fn plain(message: &str) -> Cow<'_, str> {
    let drives = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    match message.contains(drives) {
        false => Cow::Borrowed(message),
        true => message
            .chars()
            .map(|c| match drives(c) {
                true => c.escape_default().to_string(),
                false => c.to_string(),
            })
            .collect::<String>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_drive_a_terminal_is_written_out() {
        assert_eq!(plain("a\tb\nc"), "a\tb\nc");
        assert_eq!(plain("\u{1b}]52;c;eA\u{7}"), "\\u{1b}]52;c;eA\\u{7}");
    }

    #[test]
    fn line_shows_when_and_what() {
        let event = LogEvent {
            event_id: "1".to_owned(),
            log_stream_name: "s".to_owned(),
            timestamp: 1_500,
            message: "hello\n".to_owned(),
        };
        assert_eq!(
            line(&event, Format::Table),
            "1970-01-01T00:00:01.500Z  hello\n"
        );
        assert_eq!(
            line(&event, Format::Json),
            "{\"eventId\":\"1\",\"logStreamName\":\"s\",\"timestamp\":1500,\"message\":\"hello\\n\"}\n"
        );
    }
}
