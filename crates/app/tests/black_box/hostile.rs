//! Functions that take what they can get, beside a quiet one: each is contained and told so, and
//! neither its neighbour nor the server notices.

use std::time::Duration;

use kiln_testkit::{Invoked, Server, wait_for};
use kiln_types::{Clock as _, SystemClock};
use serde_json::{Value, json};

const TAKER: &str = include_str!("probes/hostile.py");
/// What the server itself may grow by while it is attacked: buffers of logs and answers, which
/// are bounded, and what the allocator keeps.
const SERVER_GROWTH_BYTES_MAX: u64 = 96 << 20;

/// A server with a quiet function that has run already.
struct Neighbourhood {
    server: Server,
    resident_before: u64,
}

impl Neighbourhood {
    fn start(memory_mb: u32, timeout_secs: u32) -> Self {
        let server = Server::start();
        for name in ["quiet", "taker"] {
            let function = server.function(name, TAKER);
            function.memory(memory_mb).timeout(timeout_secs).create();
            server.invoke(name, &json!({"take": "nothing"})).success();
        }
        let resident_before = server.process().resident_bytes();
        Self {
            server,
            resident_before,
        }
    }

    fn attack(&self, event: Value) -> Invoked {
        self.server.invoke("taker", &event)
    }

    /// The neighbour's instance is the same one, the server has not grown, and the attacker's
    /// next invocation works as ever.
    fn assert_unmoved(&self) {
        let quiet = self.server.invoke("quiet", &json!({"take": "nothing"}));
        quiet.success();
        assert!(!quiet.log.contains("Init Duration"), "{}", quiet.log);
        let grown = self
            .server
            .process()
            .resident_bytes()
            .saturating_sub(self.resident_before);
        assert!(grown < SERVER_GROWTH_BYTES_MAX, "grown by {grown} bytes");
        self.attack(json!({"take": "nothing"})).success();
    }
}

#[test]
fn a_full_tmp_is_the_fillers_alone() {
    let around = Neighbourhood::start(1_024, 30);
    let found = around
        .attack(json!({"take": "disk", "keep": true}))
        .success();
    assert_eq!(found["stopped_by"], "ENOSPC", "{found}");
    let bytes = found["bytes"].as_u64().unwrap();
    assert!((500 << 20..=512 << 20).contains(&bytes), "{found}");
    let own = around.server.invoke("quiet", &json!({"take": "disk"}));
    assert!(own.success()["bytes"].as_u64().unwrap() >= 500 << 20);
    around.assert_unmoved();
}

#[test]
fn descriptors_end_at_the_functions_limit() {
    let around = Neighbourhood::start(256, 30);
    let found = around.attack(json!({"take": "descriptors"})).success();
    assert_eq!(found["stopped_by"], "EMFILE", "{found}");
    let held = found["held"].as_u64().unwrap();
    assert!((900..1_024).contains(&held), "{found}");
    let quiet = around
        .server
        .invoke("quiet", &json!({"take": "descriptors"}))
        .success();
    assert!(quiet["held"].as_u64().unwrap() >= 900, "{quiet}");
    around.assert_unmoved();
}

#[test]
fn a_memory_bomb_ends_its_own_instance_only() {
    let around = Neighbourhood::start(256, 30);
    let failure = around.attack(json!({"take": "memory"})).failure();
    assert_eq!(failure["errorType"], "Runtime.OutOfMemory", "{failure}");
    around.assert_unmoved();
}

#[test]
fn a_fork_bomb_is_over_with_its_invocation() {
    let around = Neighbourhood::start(2_048, 60);
    let found = around.attack(json!({"take": "processes"})).success();
    assert_eq!(found["stopped_by"], "EAGAIN", "{found}");
    around.assert_unmoved();
}

#[test]
fn a_flood_of_the_log_is_cut_and_counted() {
    let around = Neighbourhood::start(1_769, 60);
    let kibibytes = 64 * 1_024;
    let clock = SystemClock::start();
    let flood = around.attack(json!({"take": "log", "kibibytes": kibibytes}));
    flood.success();
    // A function may log 4 MiB at once and a second: a machine that takes longer than this to read
    // it all has no reason to drop any.
    let is_slow = clock.now().since_start() > Duration::from_secs(kibibytes / 1_024 / 4 - 1);
    let notice = r#""type":"platform.logsDropped""#;
    assert!(is_slow || flood.log.contains(notice), "{}", flood.log);
    around.assert_unmoved();
}

#[test]
fn many_processes_share_the_processor_time_of_one_function() {
    let around = Neighbourhood::start(177, 30);
    let used = around.attack(json!({"take": "processor", "seconds": 2}));
    let used = used.success().as_f64().unwrap();
    // A tenth of a core for two seconds is 0.2 s; a period's worth may be granted at each end.
    assert!(used < 0.5, "{used}");
    around.assert_unmoved();
}

#[test]
fn a_thousand_threads_left_behind_disturb_nobody() {
    let around = Neighbourhood::start(1_024, 60);
    let started = around.attack(json!({"take": "threads", "count": 1_000}));
    assert_eq!(started.success(), json!(1_000));
    around.assert_unmoved();
}

#[test]
fn a_function_that_refuses_to_end_ends() {
    let around = Neighbourhood::start(256, 2);
    let refused = around.attack(json!({"take": "eternity"}));
    assert_eq!(refused.failure()["errorType"], "Sandbox.Timedout");
    let line = refused
        .log
        .lines()
        .find_map(|line| line.strip_prefix("uid "));
    let uid: u32 = line.unwrap().parse().unwrap();
    wait_for(
        "all of its processes to be gone",
        Duration::from_secs(10),
        || around.server.processes_of(uid).is_empty().then_some(()),
    );
    around.assert_unmoved();
}
