//! Where and how a function logs: what a caller may set, and what follows from it.

use kiln_types::{LogFormat, LogLevel, LoggingConfig};

use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Checks what does not depend on the present settings.
pub(super) fn check(logging: &wire::LoggingConfig) -> Result<()> {
    let has_level = logging.application_log_level.is_some() || logging.system_log_level.is_some();
    if has_level && logging.log_format.as_deref() != Some("JSON") {
        return Err(invalid(
            "Log levels need the log format JSON: set LogFormat to JSON as well.",
        ));
    }
    Ok(())
}

/// Changes what was given. Text has no levels, and JSON starts with INFO.
pub(super) fn apply(given: &wire::LoggingConfig, to: &mut LoggingConfig) {
    match given.log_format.as_deref() {
        Some("JSON") => to.format = LogFormat::Json,
        Some(_) => to.format = LogFormat::Text,
        None => {}
    }
    if let Some(group) = &given.log_group {
        to.group = group.clone();
    }
    (to.application_level, to.system_level) = match to.format {
        LogFormat::Text => (None, None),
        LogFormat::Json => (
            given
                .application_log_level
                .as_deref()
                .and_then(level)
                .or(to.application_level),
            given
                .system_log_level
                .as_deref()
                .and_then(level)
                .or(to.system_level),
        ),
    };
    if to.format == LogFormat::Json {
        to.application_level.get_or_insert(LogLevel::Info);
        to.system_level.get_or_insert(LogLevel::Info);
    }
}

fn level(name: &str) -> Option<LogLevel> {
    use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    [Trace, Debug, Info, Warn, Error, Fatal]
        .into_iter()
        .find(|level| level.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_logs_start_at_info_and_text_has_no_levels() {
        let id = kiln_types::FunctionId {
            account: Default::default(),
            name: "f".parse().unwrap(),
        };
        let mut logging = LoggingConfig::of(&id);
        let json = wire::LoggingConfig {
            log_format: Some("JSON".into()),
            system_log_level: Some("WARN".into()),
            ..Default::default()
        };
        check(&json).unwrap();
        apply(&json, &mut logging);
        assert_eq!(logging.application_level, Some(LogLevel::Info));
        assert_eq!(logging.system_level, Some(LogLevel::Warn));
        let text = wire::LoggingConfig {
            log_format: Some("Text".into()),
            ..Default::default()
        };
        apply(&text, &mut logging);
        assert_eq!(
            (logging.application_level, logging.system_level),
            (None, None)
        );
        assert_eq!(logging.group, "/aws/lambda/f");
        let level_alone = wire::LoggingConfig {
            system_log_level: Some("WARN".into()),
            ..Default::default()
        };
        assert!(check(&level_alone).is_err());
    }
}
