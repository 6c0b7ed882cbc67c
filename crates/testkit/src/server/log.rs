//! Which lines of a server's log a test must have announced.

/// The ERROR and WARN lines, and panics, that contain none of the expected texts.
pub(super) fn unexpected(log: &str, expected: &[String]) -> Vec<String> {
    log.lines()
        .filter(|line| is_alarm(line))
        .filter(|line| !expected.iter().any(|text| line.contains(text.as_str())))
        .map(str::to_owned)
        .collect()
}

/// The level is the second word of a text record, a member of a JSON one; a panic has none.
fn is_alarm(line: &str) -> bool {
    let level = line.split_whitespace().nth(1).unwrap_or_default();
    matches!(level, "ERROR" | "WARN")
        || line.contains("\"level\":\"ERROR\"")
        || line.contains("\"level\":\"WARN\"")
        || (line.starts_with("thread '") && line.contains("panicked at"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-11-23T13:00:00.000000Z  INFO kiln: ready\n\
        2026-11-23T13:00:01.000000Z  WARN kiln_sandbox: no landlock\n\
        {\"timestamp\":\"x\",\"level\":\"ERROR\",\"fields\":{}}\n\
        thread 'tokio-runtime-worker' panicked at src/a.rs:1:1:\n\
        a function printed WARN and ERROR\n";

    #[test]
    fn alarms_are_unexpected_until_announced() {
        assert_eq!(unexpected(LOG, &[]).len(), 3);
        assert_eq!(unexpected(LOG, &["no landlock".to_owned()]).len(), 2);
        assert!(unexpected("2026-11-23T13:00:00Z  INFO kiln: x WARN\n", &[]).is_empty());
    }
}
