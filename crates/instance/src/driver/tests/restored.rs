//! Hooks that run after the restore, over a runtime that is played by the test.

use kiln_sandbox::Snapshot;
use kiln_types::function::StartMode;
use kiln_types::{Initialization, InstanceId, Version};

use super::*;
use crate::spec::Spec;
use crate::{Handle, NoSnapshot};

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

/// A host with snapshots, and an instance that has not begun before the test awaits something.
fn world<F>(
    script: impl Fn(Peer) -> F + Send + Sync + 'static,
) -> (World, Arc<Spec>, tempfile::TempDir)
where
    F: Future<Output = Exit> + Send + 'static,
{
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        snapshots_dir: Some(dir.path().join("snapshots")),
        init_timeout: Duration::from_millis(300),
        ..config()
    };
    let spec = published();
    let world = World::new(config, spec.clone(), script);
    (world, Arc::new(spec), dir)
}

/// An instance that is made of a snapshot.
fn restore(world: &World, spec: &Arc<Spec>) -> Handle {
    let snapshots = &world.host.context.snapshots;
    let key = spec.snapshot_key().unwrap();
    assert!(snapshots.begin(&key));
    let dir = snapshots.new_dir().unwrap();
    std::fs::create_dir(&dir).unwrap();
    snapshots.put(&key, Snapshot { dir, bytes: 1 });
    let how = Initialization::OnDemand;
    world.host.start(InstanceId(2), Arc::clone(spec), how)
}

/// Becomes a copy and hangs in a hook, or hangs before.
async fn hangs(mut peer: Peer, is_copied: bool) -> Exit {
    peer.receive().await;
    if is_copied {
        peer.send(25, json!({}), b"").await;
    }
    std::future::pending().await
}

#[tokio::test]
async fn a_snapshot_that_does_not_become_a_process_is_of_no_use_and_costs_nothing() {
    let (world, spec, _dir) = world(|peer| hangs(peer, false));
    let handle = restore(&world, &spec);
    let report = handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::RestoreTimeout);
    let billed = (report.billed_ms(), report.billed_restore_ms());
    assert_eq!(billed, (0, 0));
    assert!(world.host.context.snapshots.get(&spec).is_none());
}

#[tokio::test]
async fn a_hook_that_hangs_is_charged_and_its_snapshot_is_as_good_as_before() {
    let (world, spec, _dir) = world(|peer| hangs(peer, true));
    let handle = restore(&world, &spec);
    let report = handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::RestoreTimeout);
    assert_eq!(report.billed_ms(), 0);
    let billed = report.billed_restore_ms();
    assert!((1..1_000).contains(&billed), "{billed}");
    assert!(world.host.context.snapshots.get(&spec).is_some());
}

#[tokio::test]
async fn no_snapshot_is_taken_of_a_version_that_is_gone() {
    let (world, spec, _dir) = world(echo);
    world.host.set_has_version(Box::new(|_, _, _| false));
    world.handle.invoke(invocation("1")).await.unwrap();
    // Its instance has asked for one.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let taken = world.host.take_snapshot(&spec).await;
    assert_eq!(taken, Err(NoSnapshot::Gone), "nothing is kept of it");
    let leases = world.seen.leases.load(Ordering::Relaxed);
    assert_eq!(leases, 1, "its code is not initialised again");
}
