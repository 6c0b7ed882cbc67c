//! What Node.js functions log: AWS's format of the console, as text and as JSON.

use serde_json::{Value, json};

use super::{function, invoke_once, server};

#[test]
fn console_lines_have_time_request_and_level() {
    let server = server();
    let source = "console.log('loading');\n\
                  exports.handler = async () => {\n\
                  console['debug']('d %s', 1); console.info({ a: 1 }); console.warn('two\\nlines'); console.error('e');\n\
                  process.stdout.write('raw\\n');\n};";
    let log = invoke_once(&server, "text", source);
    let id = &log.request_id;
    let lines: Vec<&str> = log.log.lines().collect();
    let ends = |end: &str| lines.iter().filter(|line| line.ends_with(end)).count();
    assert_eq!(ends("Z\tundefined\tINFO\tloading"), 1, "{lines:?}");
    for (level, text) in [
        ("DEBUG", "d 1"),
        ("INFO", "{ a: 1 }"),
        ("WARN", "two"),
        ("ERROR", "e"),
    ] {
        assert_eq!(ends(&format!("Z\t{id}\t{level}\t{text}")), 1, "{lines:?}");
    }
    assert!(lines.contains(&"raw"), "{lines:?}");
    // A record of two lines is one event.
    let events = server.log_until("/aws/lambda/text", "REPORT");
    assert!(
        events
            .iter()
            .any(|event| event.ends_with("\tWARN\ttwo\nlines")),
        "{events:?}"
    );
}

#[test]
fn json_format_filters_by_level_and_spells_errors_out() {
    let server = server();
    let source = "exports.handler = async () => {\n\
                  console.info('not kept'); console.warn({ order: 7 }); console.error('failed:', new TypeError('no'));\n\
                  throw new Error('end');\n};";
    function(&server, "json", &[("index.js", source)])
        .set(
            "LoggingConfig",
            json!({"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "WARN"}),
        )
        .create();
    let failed = server.invoke("json", &json!({}));
    let records: Vec<Value> = failed
        .log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |level: &str| -> Vec<&Value> {
        records
            .iter()
            .filter(|record| record["level"] == level)
            .collect()
    };
    assert!(of("INFO").is_empty(), "{records:?}");
    assert_eq!(of("WARN")[0]["message"], json!({"order": 7}));
    assert_eq!(of("WARN")[0]["requestId"], failed.request_id.as_str());
    let failures = of("ERROR");
    assert_eq!(failures[0]["errorType"], "TypeError", "{failures:?}");
    assert_eq!(failures[0]["errorMessage"], "no");
    assert_eq!(
        failures[1]["message"]["errorMessage"], "end",
        "{failures:?}"
    );
}
