//! Kiln as measured: a server of the release binary with functions, and what its processes use.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::process::Process;
use kiln_testkit::runtimes::{self, Python};
use kiln_testkit::{Builder, Server, sign};
use serde_json::{Value, json};

use crate::load::{self, Answers, Load};

/// The function of every measure: the mission's example, with the import that costs most.
pub(crate) const HANDLER: &str = "import boto3\n\n\ndef handler(event, context):\n    \
                                  return {\"result\": event[\"num1\"] + event[\"num2\"]}\n";
/// Warms up a server's code paths without the measured function.
pub(crate) const HANDLER_OF_NOTHING: &str = "def handler(event, context):\n    return None\n";
/// Memory that comes with one core: less would measure the limit on processor time instead.
pub(crate) const ONE_CORE: u32 = 1_769;
/// AWS's default, which comes with 7 % of a core.
pub(crate) const SMALLEST: u32 = 128;
const EVENT: &str = "{\"num1\": 1, \"num2\": 2}";

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Scale {
    /// Cold starts from a stem.
    pub(crate) cold: usize,
    /// Cold starts with a dry pool.
    pub(crate) dry: usize,
    /// Cold starts of a fresh interpreter, and of the floor.
    pub(crate) fresh: usize,
    /// Rounds of each rate and latency; A and B take turns.
    pub(crate) rounds: usize,
    pub(crate) round: Duration,
    /// Instances started at once, and then left idle.
    pub(crate) instances: usize,
    /// Functions in the store when the daemon's own use is measured.
    pub(crate) functions: usize,
    pub(crate) idle: Duration,
    /// Schedules that fall due, 10,000 in a minute.
    pub(crate) schedules: usize,
}

impl Scale {
    pub(crate) const QUICK: Self = Self {
        cold: 80,
        dry: 24,
        fresh: 5,
        rounds: 3,
        round: Duration::from_millis(500),
        instances: 150,
        functions: 1_000,
        idle: Duration::from_secs(2),
        schedules: 1_000,
    };
    pub(crate) const FULL: Self = Self {
        cold: 500,
        dry: 200,
        fresh: 30,
        rounds: 7,
        round: Duration::from_secs(3),
        instances: 320,
        functions: 1_000,
        idle: Duration::from_secs(20),
        schedules: 10_000,
    };
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) server: Server,
}

/// Processor time by who used it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) daemon: Duration,
    pub(crate) sandboxes: Duration,
    pub(crate) client: Duration,
}

impl Subject {
    /// Starts a server with these arguments more, a data directory and a port of its own.
    ///
    /// Hundreds of instances with a core each are more memory than this machine could promise, so
    /// admission by memory is put out of the way.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(Server::builder(), args)
    }

    /// The same with more runtimes.
    pub(crate) fn start_with(builder: Builder, args: &[&str]) -> Self {
        let budget = ["--memory-budget-mb", "4000000"];
        Self {
            server: builder.args(&budget).args(args).start(),
        }
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        self.server
            .authority()
            .parse()
            .context("the server's address")
    }

    /// Creates this many functions, all with the same code, and waits until they are active.
    pub(crate) fn deploy(&self, prefix: &str, count: usize, memory: u32) -> Vec<String> {
        self.deploy_with(prefix, count, |server, name| {
            server.function(name, HANDLER).memory(memory).create()
        })
    }

    /// The same with functions of another kind.
    pub(crate) fn deploy_with(
        &self,
        prefix: &str,
        count: usize,
        create: impl Fn(&Server, &str) -> Value + Sync,
    ) -> Vec<String> {
        let create = &create;
        let names: Vec<String> = (0..count)
            .map(|index| format!("{prefix}-{index}"))
            .collect();
        std::thread::scope(|scope| {
            for part in names.chunks(count.div_ceil(8).max(1)) {
                scope.spawn(move || {
                    for name in part {
                        create(&self.server, name);
                    }
                });
            }
        });
        names
    }

    /// Creates this many functions and invokes each once, one after the other, this long apart. Before
    /// that a further one warms up the server's code paths; then the pools have time to fill.
    pub(crate) fn first_invocations(
        &self,
        count: usize,
        pause: Duration,
        create: impl Fn(&Server, &str) -> Value + Sync,
    ) -> anyhow::Result<Answers> {
        let names = self.deploy_with("cold", count, &create);
        create(&self.server, "warm-up");
        let event: Value = serde_json::from_str(EVENT)?;
        self.server.invoke("warm-up", &event).success();
        std::thread::sleep(pause * 8);
        load::run(&Load {
            pause,
            ..self.load(&names, 1)?
        })
    }

    /// The signed request that invokes a function, as it goes over the wire.
    pub(crate) fn invocation(&self, name: &str) -> Vec<u8> {
        let target = format!("/2015-03-31/functions/{name}/invocations");
        let url = format!("{}{target}", self.server.keys().endpoint);
        let body = EVENT.as_bytes();
        let signed = sign(self.server.keys(), "lambda", "POST", &url, &[], body);
        load::request(
            "POST",
            &target,
            self.server.authority(),
            &signed.headers,
            body,
        )
    }

    /// A load that invokes these functions in turn.
    pub(crate) fn load(&self, names: &[String], connections: usize) -> anyhow::Result<Load> {
        Ok(Load {
            to: self.address()?,
            requests: Arc::new(names.iter().map(|name| self.invocation(name)).collect()),
            connections,
            count_max: names.len(),
            time_max: Duration::from_secs(60),
            pause: Duration::ZERO,
        })
    }

    /// What the REPORT line of one cold invocation says, in milliseconds: init and duration.
    pub(crate) fn reported_cold(&self, name: &str) -> Option<(f64, f64)> {
        self.server
            .function(name, HANDLER)
            .memory(ONE_CORE)
            .create();
        let log = self.server.invoke(name, &json!({"num1": 1, "num2": 2})).log;
        Some((
            field(&log, "Init Duration: ")?,
            field(&log, "\tDuration: ")?,
        ))
    }

    pub(crate) fn spent(&self) -> Spent {
        let daemon = self.server.process();
        let me = Process::find(std::process::id());
        Spent {
            daemon: daemon.cpu(),
            sandboxes: daemon.descendants().into_iter().map(Process::cpu).sum(),
            client: me.map_or(Duration::ZERO, Process::cpu),
        }
    }

    /// Private memory of every process below the daemon, in bytes.
    pub(crate) fn private_bytes_below(&self) -> u64 {
        let below = self.server.process().descendants();
        below.into_iter().filter_map(Process::private_bytes).sum()
    }
}

impl Spent {
    /// Microseconds of processor time a request, by who used it.
    pub(crate) fn per_request(self, before: Spent, requests: usize) -> String {
        let each = |after: Duration, before: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / requests.max(1) as f64
        };
        format!(
            "processor time a request: daemon {:.0} µs, sandboxes {:.0} µs, load generator {:.0} µs",
            each(self.daemon, before.daemon),
            each(self.sandboxes, before.sandboxes),
            each(self.client, before.client),
        )
    }
}

/// The interpreter of all measures and the pack with its packages.
pub(crate) fn python_and_pack() -> (Python, PathBuf) {
    let python = runtimes::newest_python();
    let pack = runtimes::packs(std::slice::from_ref(&python), &[]).join(python.runtime());
    (python, pack)
}

fn field(log: &str, name: &str) -> Option<f64> {
    let rest = log.split_once(name)?.1;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_report_line_are_found() {
        let log = "REPORT RequestId: a\tDuration: 1.25 ms\tBilled Duration: 2 ms\t\
                   Memory Size: 128 MB\tMax Memory Used: 9 MB\tInit Duration: 0.75 ms\t\n";
        assert_eq!(field(log, "\tDuration: "), Some(1.25));
        assert_eq!(field(log, "Init Duration: "), Some(0.75));
        assert_eq!(field(log, "Restore Duration: "), None);
    }
}
