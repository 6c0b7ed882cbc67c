//! The server that is killed, and those who use it meanwhile.

use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kiln_testkit::{Builder, Home, Ledger, Server};
use kiln_types::{Clock as _, SystemClock};
use rustix::process::Signal;
use serde_json::Value;

use crate::ledger;
use crate::load::Load;

/// How long a sender rests, so that what is accepted can be handled while the server lives.
const REST: Duration = Duration::from_millis(10);
/// The same of one that was refused, or found no server.
const LONG_REST: Duration = Duration::from_millis(50);

/// How often is looked whether everything has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// One server after the other, in one home.
pub(crate) struct Site {
    arguments: Vec<String>,
    server: RwLock<Option<Server>>,
    is_over: AtomicBool,
}

impl Site {
    pub(crate) fn start(ledger: &Ledger, secrets: &Path) -> Self {
        // Retries come soon, so that many of them are among what is interrupted.
        let arguments = [
            "--file-system",
            &ledger.setting(),
            "--secrets-dir",
            &secrets.display().to_string(),
            "--event-retry-secs",
            "1",
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        let server = builder(&arguments).start();
        Self {
            arguments,
            server: RwLock::new(Some(server)),
            is_over: AtomicBool::new(false),
        }
    }

    /// Uses the server that runs now. It may be killed meanwhile.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&Server) -> T) -> T {
        let server = self.server.read().expect("no user panics");
        use_it(
            server
                .as_ref()
                .expect("there is one but while it is replaced"),
        )
    }

    /// Sends until the load is to stop. What sends says whether anything came of it.
    pub(crate) fn keep_busy(&self, mut send: impl FnMut() -> bool) {
        while !self.is_over.load(Ordering::Relaxed) {
            let rest = if send() { REST } else { LONG_REST };
            std::thread::sleep(rest);
        }
    }

    /// Kills the server in the middle of whatever it does, and starts the next.
    pub(crate) fn kill(&self) {
        // Those who use it see their connections end, and let go of it.
        self.with(|server| server.signal(Signal::KILL));
        let mut server = self.server.write().expect("no user panics");
        let home: Home = server.take().expect("there is one").kill9();
        *server = Some(builder(&self.arguments).home(home).start());
    }

    pub(crate) fn stop_load(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing waits or runs; says what does after so long a time.
    pub(crate) fn drain(
        &self,
        ledger: &Ledger,
        loads: &[Box<dyn Load>],
        time_max: Duration,
    ) -> Vec<String> {
        let clock = SystemClock::start();
        loop {
            let lines = ledger::lines(ledger);
            let waits = |load: &dyn Load| {
                let what = self.with(|server| load.waits(server, &lines))?;
                Some(format!("{}: {what}", load.name()))
            };
            let all = loads.iter().filter_map(|load| waits(load.as_ref()));
            let mut waiting: Vec<_> = all.collect();
            // Last, as what waits elsewhere may become an event.
            let queued = &self.figures()["queued"];
            if *queued != 0 {
                waiting.push(format!("{queued} events"));
            }
            if waiting.is_empty() || clock.now().since_start() > time_max {
                return waiting;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// What the server counts of events.
    pub(crate) fn figures(&self) -> Value {
        self.with(|server| {
            let status = server.request("GET", "/_kiln/status").signed("kiln");
            status.send().expect_status(200).json()["events"].clone()
        })
    }

    /// Stops the last server, whose log must be as expected.
    pub(crate) fn end(self) {
        let server = self.server.into_inner().expect("no user panics");
        server.expect("there is one").stop();
    }
}

fn builder(arguments: &[String]) -> Builder {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::builder()
        .args(&arguments)
        // An instance that is ended with its server is no news.
        .expect_log("a sandbox")
}
