//! What becomes of a version's snapshots.

use std::path::Path;

use super::*;
use crate::testing;

fn spec() -> Arc<Spec> {
    let mut spec = testing::spec("python3.12");
    let configuration = Arc::make_mut(&mut spec.configuration);
    configuration.version = Version::Published(1);
    configuration.snap_start.on_publish = true;
    Arc::new(spec)
}

fn snapshots_in(root: &Path) -> (Snapshots, mpsc::UnboundedReceiver<Arc<Spec>>) {
    Snapshots::new(Some(root.join("snapshots")), TaskTracker::new())
}

fn snapshot(dir: &Path, bytes: u64) -> Snapshot {
    fs::create_dir_all(dir).expect("the directory is ours");
    let dir = dir.to_owned();
    Snapshot { dir, bytes }
}

#[test]
fn one_is_wanted_once_and_given_when_it_is_there() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, mut wanted) = snapshots_in(root.path());
    let spec = spec();
    let key = spec.snapshot_key().expect("it starts from one");
    assert!(snapshots.get(&spec).is_none());
    assert!(wanted.try_recv().is_ok());
    assert!(!snapshots.begin(&key));
    assert!(snapshots.make_room(&key));
    assert!(snapshots.get(&spec).is_none());
    assert!(wanted.try_recv().is_err());
    let dir = snapshots.new_dir().expect("there are snapshots");
    snapshots.put(&key, snapshot(&dir, 1));
    let kept = snapshots.get(&spec).expect("it was taken");
    assert_eq!(kept.snapshot.dir, dir);
    assert_eq!(snapshots.is_broken(&key, &kept), Next::Another);
    assert!(dir.exists(), "an instance is being made of it");
    drop(kept);
    assert!(!dir.exists());
}

#[test]
fn those_used_longest_ago_make_room() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, _wanted) = snapshots_in(root.path());
    let specs: Vec<_> = (0..3).map(|_| spec()).collect();
    for (number, spec) in specs.iter().enumerate() {
        if number == 2 {
            assert!(snapshots.get(&specs[0]).is_some());
        }
        let dir = snapshots.new_dir().expect("there are snapshots");
        let key = spec.snapshot_key().expect("it starts from one");
        assert!(snapshots.begin(&key));
        snapshots.put(&key, snapshot(&dir, BYTES_MAX / 2));
    }
    let is_there = |spec| snapshots.get(spec).is_some();
    assert_eq!(
        [0, 1, 2].map(|number| is_there(&specs[number])),
        [true, false, true]
    );
}

#[test]
fn those_of_versions_that_are_gone_are_given_up() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, _wanted) = snapshots_in(root.path());
    let spec = spec();
    let key = spec.snapshot_key().expect("it starts from one");
    let dir = snapshots.new_dir().expect("there are snapshots");
    assert!(snapshots.begin(&key));
    snapshots.put(&key, snapshot(&dir, 1));
    snapshots.retain(&spec.id, |version, _| version == Version::Published(1));
    assert!(dir.exists());
    snapshots.retain(&spec.id, |_, _| false);
    assert!(!dir.exists());
}

#[test]
fn what_was_taken_of_a_version_that_is_gone_meanwhile_leaves_nothing() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, _wanted) = snapshots_in(root.path());
    let spec = spec();
    let key = spec.snapshot_key().expect("it starts from one");
    assert!(snapshots.begin(&key));
    snapshots.retain(&spec.id, |_, _| false);
    assert!(!snapshots.make_room(&key));
    let dir = snapshots.new_dir().expect("there are snapshots");
    snapshots.put(&key, snapshot(&dir, 1));
    assert!(!dir.exists());
    snapshots.is_unfit(&key);
    assert_eq!(snapshots.was_not_taken(&key), Next::Nothing);
    assert!(snapshots.entries().is_empty());
}

#[test]
fn those_that_are_being_taken_have_their_room() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, _wanted) = snapshots_in(root.path());
    let [first, second, third] = [(); 3].map(|()| spec());
    for (spec, bytes) in [(&first, 3 << 30), (&second, 3 << 30)] {
        let key = spec.snapshot_key().expect("it starts from one");
        let dir = snapshots.new_dir().expect("there are snapshots");
        assert!(snapshots.begin(&key));
        snapshots.put(&key, snapshot(&dir, bytes));
    }
    let key = third.snapshot_key().expect("it starts from one");
    assert!(snapshots.begin(&key) && snapshots.make_room(&key));
    assert!(snapshots.get(&first).is_some(), "there was room for it");
    let other = spec().snapshot_key().expect("it starts from one");
    assert!(snapshots.begin(&other) && snapshots.make_room(&other));
    assert!(snapshots.get(&second).is_none(), "it was used longest ago");
    assert!(snapshots.get(&first).is_some());
}

#[test]
fn a_version_whose_snapshots_are_of_no_use_has_none_any_more() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, mut wanted) = snapshots_in(root.path());
    let spec = spec();
    let key = spec.snapshot_key().expect("it starts from one");
    let take = || {
        let dir = snapshots.new_dir().expect("there are snapshots");
        assert!(snapshots.begin(&key));
        snapshots.put(&key, snapshot(&dir, 1));
        snapshots.get(&spec).expect("it was taken")
    };
    // One that works is what counts.
    for _ in 0..FAILURES_MAX - 1 {
        assert_eq!(snapshots.is_broken(&key, &take()), Next::Another);
    }
    let good = take();
    snapshots.is_good(&key);
    // Who hears of it late, or twice, changes nothing.
    assert_eq!(snapshots.is_broken(&key, &good), Next::Another);
    assert_eq!(snapshots.is_broken(&key, &good), Next::Nothing);
    assert_eq!(snapshots.is_broken(&key, &take()), Next::Another);
    assert!(snapshots.begin(&key));
    assert_eq!(snapshots.was_not_taken(&key), Next::NoMore);
    assert!(snapshots.get(&spec).is_none() && !snapshots.begin(&key));
    assert!(wanted.try_recv().is_err(), "nobody is to take another");
}

#[tokio::test]
async fn files_are_removed_where_nothing_waits_for_the_disk() {
    let root = tempfile::tempdir().expect("a directory");
    let (snapshots, _wanted) = snapshots_in(root.path());
    let spec = spec();
    let key = spec.snapshot_key().expect("it starts from one");
    let dir = snapshots.new_dir().expect("there are snapshots");
    assert!(snapshots.begin(&key));
    snapshots.put(&key, snapshot(&dir, 1));
    snapshots.retain(&spec.id, |_, _| false);
    assert_eq!(snapshots.tracker.len(), 1, "a thread of its own does it");
    snapshots.tracker.close();
    snapshots.tracker.wait().await;
    assert!(!dir.exists());
}
