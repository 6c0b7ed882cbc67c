//! Hooks that run after the restore, over a runtime that is played by the test.

use kiln_types::Version;
use kiln_types::function::StartMode;

use super::*;
use crate::spec::Spec;

fn published() -> Spec {
    let mut spec = spec("python3.11");
    spec.start = StartMode::Zygote;
    let configuration = Arc::make_mut(&mut spec.configuration);
    configuration.version = Version::Published(1);
    configuration.snap_start.on_publish = true;
    spec
}

async fn fails_in_a_hook(mut peer: Peer) -> Exit {
    peer.receive().await.unwrap();
    let header = json!({ "error_type": "Runtime.AfterRestoreError" });
    peer.send(18, header, br#"{"errorType":"ValueError"}"#)
        .await;
    Exit::Code(65)
}

#[tokio::test]
async fn a_hook_that_fails_is_reported_at_once() {
    let world = World::new(config(), published(), fails_in_a_hook);
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::RestoreError);
    assert_eq!(document(&report)["errorType"], "ValueError");
    world.handle.stopped().await;
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 1);
    let lines = world.sink.lines();
    assert_eq!(shape(&lines)[1..], ["START", "END", "REPORT"]);
    let class = "Status: error\tError Type: Runtime.AfterRestoreError";
    assert!(
        lines[0].ends_with(class) && lines[3].ends_with(class),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_function_that_has_no_hooks_cannot_fail_in_one() {
    let world = World::of(fails_in_a_hook);
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::InitError);
    world.handle.stopped().await;
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 2);
}
