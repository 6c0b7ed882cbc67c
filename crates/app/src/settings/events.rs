//! Settings of asynchronous invocation.

use std::time::Duration;

use clap::{Args, value_parser};
use kiln_invoke::queued::QueueConfig;

/// How many asynchronous events wait and run, and when they are tried again.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Events {
    /// What asynchronous events that wait, dead letters and messages of queues may take together,
    /// in MiB; beyond it events are refused (500, `ServiceException`) instead of accepted, and
    /// messages (503) instead of sent.
    #[arg(
        long,
        env = "KILN_QUEUE_MAX_MB",
        value_name = "MIB",
        default_value_t = kiln_store::Config::QUEUE_BYTES_MAX >> 20,
        value_parser = value_parser!(u64).range(1..=1 << 24)
    )]
    queue_max_mb: u64,
    /// What archives of event buses may hold together, in MiB; beyond it what they are to keep is refused.
    #[arg(
        long,
        env = "KILN_ARCHIVES_MAX_MB",
        value_name = "MIB",
        default_value_t = kiln_store::Config::ARCHIVE_BYTES_MAX >> 20,
        value_parser = value_parser!(u64).range(1..=1 << 30)
    )]
    archives_max_mb: u64,
    /// Asynchronous events that run at once. One function alone gets a third of them at most, so that
    /// whoever comes next finds a place.
    #[arg(
        long,
        env = "KILN_EVENTS_IN_FLIGHT",
        value_name = "COUNT",
        default_value_t = QueueConfig::IN_FLIGHT_MAX,
        value_parser = value_parser!(u32).range(1..)
    )]
    events_in_flight: u32,
    /// How long after a function error an asynchronous event is tried again, in seconds; after the
    /// second error it is twice as long.
    #[arg(
        long,
        env = "KILN_EVENT_RETRY_SECS",
        value_name = "SECONDS",
        default_value_t = QueueConfig::RETRY_AFTER_SECS,
        value_parser = value_parser!(u64).range(1..=21_600)
    )]
    event_retry_secs: u64,
}

impl Events {
    /// The size of the queue.
    pub(crate) fn queue_bytes_max(self) -> u64 {
        self.queue_max_mb << 20
    }

    /// What archives may hold.
    pub(crate) fn archive_bytes_max(self) -> u64 {
        self.archives_max_mb << 20
    }

    /// What runs events is told.
    pub(crate) fn config(self) -> QueueConfig {
        QueueConfig {
            in_flight_max: self.events_in_flight,
            retry_after: Duration::from_secs(self.event_retry_secs),
        }
    }
}
