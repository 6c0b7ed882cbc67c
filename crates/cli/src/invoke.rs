//! `kiln invoke`: runs a function and prints what it returns.
//!
//! Stdout holds the result and nothing else, with `--stream` while the function makes it; the log tail and errors go to stderr. The status is 1
//! when the function reported an error, so that scripts can tell it from Kiln's own failures (2).

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::{Answer, Client, InvokeCall, Kind, Streamed, StreamedEvent};
use crate::{Format, output, samples};

/// The status when the function reported an error.
const STATUS_FUNCTION_ERROR: u8 = 1;

const AFTER_HELP: &str = "\
Examples:
  kiln invoke sum --payload '{\"num1\": 1, \"num2\": 2}'
  kiln invoke sum --event test.json --tail
  kiln invoke thumbnails --event sample:s3-put      an event as the source sends it
  kiln invoke sum --event test.json --async
  kiln invoke chat --payload '{\"question\": \"why?\"}' --stream
  echo '{\"num1\": 1, \"num2\": 2}' | kiln invoke sum --event -

Status: 0 the function returned, 1 it reported an error, 2 anything else.";

/// What to run, with which event.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name or ARN
    name: String,
    /// The event, as JSON [default: {}]
    #[arg(long, short, value_name = "JSON", conflicts_with = "event")]
    payload: Option<String>,
    /// Read the event from a file, from stdin with -, or take a source's sample: s3-put, sqs, url ...
    #[arg(long, short, value_name = "FILE|sample:NAME")]
    event: Option<PathBuf>,
    /// Run this version or alias
    #[arg(long, value_name = "VERSION|ALIAS")]
    qualifier: Option<String>,
    /// Run it for this tenant, if the function tells its tenants apart
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Show the last 4 KB of the invocation's log on stderr
    #[arg(long)]
    tail: bool,
    /// Hand the event over and do not wait: it is kept until the function has handled it
    #[arg(long = "async", conflicts_with_all = ["tail", "dry_run", "raw"])]
    is_async: bool,
    /// Check that the function could be invoked, without running it
    #[arg(long)]
    dry_run: bool,
    /// Print the result exactly as the function returned it, byte for byte
    #[arg(long)]
    raw: bool,
    /// Print what the function streams while it comes, byte for byte; what does not stream is printed at its end
    #[arg(long, conflicts_with_all = ["is_async", "dry_run"])]
    stream: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let call = InvokeCall {
        name: &args.name,
        qualifier: args.qualifier.as_deref(),
        tenant: args.tenant.as_deref(),
        event: event(args)?,
        tail: args.tail,
        kind: match (args.is_async, args.dry_run) {
            (true, _) => Kind::Event,
            (false, true) => Kind::DryRun,
            (false, false) => Kind::RequestResponse,
        },
    };
    if args.stream {
        return stream(client.invoke_streaming(call).await?, args).await;
    }
    let answer = client.invoke(call).await?;
    if args.is_async {
        let id = answer.header("x-amzn-requestid").unwrap_or_default();
        output::tell(format, &json!({ "requestId": id }), || format!("{id}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        eprintln!(
            "{} can be invoked with these keys; it did not run",
            args.name
        );
        return Ok(ExitCode::SUCCESS);
    }
    let tail = log_tail(&answer)?;
    if let (Some(tail), Format::Table) = (&tail, format) {
        eprint!("{tail}");
    }
    match format {
        _ if args.raw => output::print_bytes(&answer.body)?,
        Format::Json => output::print_json(&envelope(&answer, tail))?,
        Format::Table => {
            output::print(&for_people(&answer.body, std::io::stdout().is_terminal()))?;
        }
    }
    Ok(match answer.header("x-amz-function-error") {
        None => ExitCode::SUCCESS,
        Some(kind) => failed(args, kind),
    })
}

/// Prints an answer while it comes.
async fn stream(mut streamed: Streamed, args: &Args) -> Result<ExitCode> {
    let complete = loop {
        match streamed.next().await? {
            StreamedEvent::Chunk(bytes) => output::print_bytes(&bytes)?,
            StreamedEvent::Complete(complete) => break complete,
        }
    };
    if let Some(tail) = &complete.log_result {
        eprint!("{}", read_tail(tail)?);
    }
    let Some(kind) = complete.error_code else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(details) = complete.error_details {
        eprintln!("{details}");
    }
    Ok(failed(args, &kind))
}

/// Says that the function has failed.
fn failed(args: &Args, kind: &str) -> ExitCode {
    eprintln!("error: {} reported an error ({kind})", args.name);
    if !args.tail {
        eprintln!("  next: `kiln logs {}` shows what it logged", args.name);
    }
    ExitCode::from(STATUS_FUNCTION_ERROR)
}

/// The event's bytes exactly as given, once they are known to be JSON.
fn event(args: &Args) -> Result<Bytes> {
    let (bytes, origin) = match (&args.payload, &args.event) {
        (Some(payload), _) => (payload.clone().into_bytes(), "--payload".to_owned()),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .context("read the event from stdin")?;
            (bytes, "stdin".to_owned())
        }
        (None, Some(path)) => {
            let origin = path.display().to_string();
            let bytes = match samples::find(&origin)? {
                Some(sample) => sample.as_bytes().to_vec(),
                None => {
                    std::fs::read(path).with_context(|| format!("read the event from {origin}"))?
                }
            };
            (bytes, origin)
        }
        (None, None) => (b"{}".to_vec(), String::new()),
    };
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).with_context(|| {
        format!("the event in {origin} is not JSON (text must be quoted twice: '\"text\"')")
    })?;
    Ok(bytes.into())
}

fn log_tail(answer: &Answer) -> Result<Option<String>> {
    let header = answer.header("x-amz-log-result");
    header.map(read_tail).transpose()
}

fn read_tail(base64: &str) -> Result<String> {
    let bytes = BASE64.decode(base64).context("read the log tail")?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// The result on lines of its own; indented where a person reads it.
fn for_people(body: &[u8], indent: bool) -> String {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(document) if indent => format!("{document:#}\n"),
        _ => format!("{}\n", text.trim_end_matches('\n')),
    }
}

fn envelope(answer: &Answer, tail: Option<String>) -> Value {
    let payload = serde_json::from_slice::<Value>(&answer.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body)));
    json!({
        "StatusCode": answer.status.as_u16(),
        "FunctionError": answer.header("x-amz-function-error"),
        "ExecutedVersion": answer.header("x-amz-executed-version"),
        "LogTail": tail,
        "Payload": payload,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn args(payload: Option<&str>, event: Option<PathBuf>) -> Args {
        Args {
            name: "sum".to_owned(),
            payload: payload.map(str::to_owned),
            event,
            qualifier: None,
            tenant: None,
            tail: false,
            is_async: false,
            dry_run: false,
            raw: false,
            stream: false,
        }
    }

    #[test]
    fn event_is_sent_as_it_was_written() {
        let text = "{ \"num1\":1.0 ,\n\"num2\":2}";
        assert_eq!(event(&args(Some(text), None)).unwrap(), text.as_bytes());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event.json");
        std::fs::write(&path, text).unwrap();
        assert_eq!(event(&args(None, Some(path))).unwrap(), text.as_bytes());
        assert_eq!(event(&args(None, None)).unwrap(), "{}");
    }

    #[test]
    fn event_that_is_not_json_is_refused_before_it_is_sent() {
        let error = event(&args(Some("{num1: 1}"), None))
            .unwrap_err()
            .to_string();
        assert!(error.contains("--payload is not JSON"), "{error}");
    }

    #[test]
    fn result_is_indented_only_for_a_terminal() {
        assert_eq!(for_people(br#"{"result": 3}"#, false), "{\"result\": 3}\n");
        assert_eq!(
            for_people(br#"{"result": 3}"#, true),
            "{\n  \"result\": 3\n}\n"
        );
        assert_eq!(for_people(b"not json", true), "not json\n");
    }

    #[test]
    fn envelope_tells_function_errors_from_results() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-function-error", "Unhandled".parse().unwrap());
        headers.insert("x-amz-executed-version", "$LATEST".parse().unwrap());
        let body = Bytes::from_static(br#"{"errorType":"KeyError"}"#);
        let document = envelope(
            &Answer {
                status: StatusCode::OK,
                headers,
                body,
            },
            None,
        );
        assert_eq!(document["FunctionError"], "Unhandled");
        assert_eq!(document["Payload"]["errorType"], "KeyError");
        assert_eq!(document["StatusCode"], 200);
    }

    #[test]
    fn log_tail_is_decoded_and_ends_its_last_line() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-log-result",
            BASE64.encode("START\nEND").parse().unwrap(),
        );
        let answer = Answer {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
        };
        assert_eq!(log_tail(&answer).unwrap().unwrap(), "START\nEND\n");
    }
}
