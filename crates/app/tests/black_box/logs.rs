//! What a function writes, and what the platform writes around it.

use kiln_testkit::Server;
use serde_json::{Value, json};

#[test]
fn start_end_and_report_frame_what_the_function_wrote() {
    let server = Server::start();
    let source = "import sys\nprint('at init')\n\ndef handler(event, context):\n    print('out')\n    \
                  print('err', file=sys.stderr)\n    print('two\\nlines')\n    return 1\n";
    server.function("frame", source).memory(256).create();
    let cold = server.invoke("frame", &json!({}));
    let warm = server.invoke("frame", &json!({}));
    let id = &cold.request_id;
    let lines: Vec<&str> = cold
        .log
        .lines()
        .skip_while(|line| !line.starts_with("START"))
        .collect();
    assert_eq!(
        lines[0],
        format!("START RequestId: {id} Version: $LATEST"),
        "{}",
        cold.log
    );
    assert_eq!(lines[1..5], ["out", "err", "two", "lines"], "{lines:?}");
    assert_eq!(lines[5], format!("END RequestId: {id}"), "{lines:?}");
    let cold_report = report(&cold.log);
    assert_eq!(cold_report["Memory Size"], "256 MB", "{}", cold.log);
    let charged = millis(&cold_report["Duration"]) + millis(&cold_report["Init Duration"]);
    let billed = millis(&cold_report["Billed Duration"]);
    assert!((0.0..1.01).contains(&(billed - charged)), "{}", cold.log);
    let peak = millis(&cold_report["Max Memory Used"]);
    assert!((1.0..256.0).contains(&peak), "{}", cold.log);

    assert!(!warm.log.contains("Init Duration"), "{}", warm.log);
    assert!(!warm.log.contains("at init"), "{}", warm.log);
    let warm_report = report(&warm.log);
    let difference = millis(&warm_report["Billed Duration"]) - millis(&warm_report["Duration"]);
    assert!((0.0..1.01).contains(&difference), "{}", warm.log);

    let stored = server.log_until(
        "/aws/lambda/frame",
        &format!("REPORT RequestId: {}", warm.request_id),
    );
    let count = |text: &str| stored.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("START RequestId: "), 2, "{stored:?}");
    assert_eq!(count("at init"), 1, "{stored:?}");
    let place = |text: &str| stored.iter().position(|line| line.contains(text));
    assert!(place("at init") < place("START RequestId: "), "{stored:?}");
    assert_eq!(count("out"), 2, "{stored:?}");
}

#[test]
fn the_logging_module_writes_as_on_aws() {
    let server = Server::start();
    let source = "import logging\nlog = logging.getLogger()\nlog.setLevel(logging.INFO)\n\n\
                  def handler(event, context):\n    log.info('seen')\n    log.debug('unseen')\n";
    server.function("logging", source).create();
    let invoked = server.invoke("logging", &json!({}));
    let line = invoked
        .log
        .lines()
        .find(|line| line.contains("seen"))
        .unwrap_or_default();
    let words: Vec<&str> = line.split('\t').collect();
    assert_eq!(words[0], "[INFO]", "{line:?}");
    assert!(
        words[1].ends_with('Z') && words[1].contains('T'),
        "{line:?}"
    );
    assert_eq!(words[2], invoked.request_id, "{line:?}");
    assert_eq!(words[3], "seen", "{line:?}");
    assert!(!invoked.log.contains("unseen"), "{}", invoked.log);
}

#[test]
fn the_json_format_makes_every_line_a_document() {
    let server = Server::start();
    let source = "import logging\nlog = logging.getLogger()\n\ndef handler(event, context):\n    \
                  log.warning('careful')\n    log.info('chatter')\n    return 1\n";
    let logging =
        json!({"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "INFO"});
    server
        .function("json-log", source)
        .set("LoggingConfig", logging)
        .create();
    let invoked = server.invoke("json-log", &json!({}));
    let documents: Vec<Value> = invoked
        .log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let of_type = |name: &str| documents.iter().find(|document| document["type"] == name);
    let start = of_type("platform.start").unwrap_or_else(|| panic!("{documents:?}"));
    assert_eq!(start["record"]["requestId"], invoked.request_id.as_str());
    assert_eq!(start["record"]["version"], "$LATEST");
    let report = of_type("platform.report").unwrap_or_else(|| panic!("{documents:?}"));
    assert_eq!(report["record"]["status"], "success");
    assert!(
        report["record"]["metrics"]["durationMs"].as_f64().unwrap() > 0.0,
        "{report}"
    );
    assert_eq!(report["record"]["metrics"]["memorySizeMB"], 128);
    let warning = documents
        .iter()
        .find(|document| document["level"] == "WARNING" || document["level"] == "WARN");
    let warning = warning.unwrap_or_else(|| panic!("{documents:?}"));
    assert_eq!(warning["message"], "careful");
    assert_eq!(warning["requestId"], invoked.request_id.as_str());
    assert!(!invoked.log.contains("chatter"), "{}", invoked.log);
}

#[test]
fn a_log_group_of_ones_own_choice_is_used() {
    let server = Server::start();
    let source =
        "def handler(event, context):\n    print('here')\n    return context.log_group_name\n";
    server
        .function("grouped", source)
        .set("LoggingConfig", json!({"LogGroup": "/team/a"}))
        .create();
    assert_eq!(
        server.invoke("grouped", &json!({})).success(),
        json!("/team/a")
    );
    assert!(
        server
            .log_until("/team/a", "REPORT")
            .iter()
            .any(|line| line.contains("here"))
    );
}

/// The fields of the REPORT line.
fn report(log: &str) -> std::collections::BTreeMap<String, String> {
    let line = log
        .lines()
        .find(|line| line.starts_with("REPORT "))
        .unwrap_or_else(|| panic!("{log}"));
    line.trim_start_matches("REPORT ")
        .split('\t')
        .filter_map(|field| field.split_once(": "))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn millis(value: &str) -> f64 {
    value
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{value}"))
}
