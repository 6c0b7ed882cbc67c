//! Measures what it costs to read packages again, and to look at them before each start:
//! `cargo run --release -p kiln-store --example packages`.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use kiln_store::{Artifacts, Config, Store};
use kiln_types::{Clock, Sha256, SystemClock};
use zip::write::SimpleFileOptions;

const ROUNDS: usize = 11;
const LOOKS: u32 = 100_000;

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("kiln-packages-{}", std::process::id()));
    let clock = Arc::new(SystemClock::start());
    let store = Store::open(Config::new(dir.clone()), clock.clone()).expect("it can be made");
    let artifacts = store.artifacts();
    for (megabytes, files) in [(5, 50), (5, 1_000), (50, 500), (50, 5_000), (250, 5_000)] {
        let zip = zip(megabytes << 20, files);
        let zipped = zip.len();
        let since = clock.now();
        let code = artifacts.put_zip(zip.into(), u64::MAX).await;
        let sha256 = code.expect("it is a package").sha256;
        let put = clock.now().since(since);
        let read = median(artifacts, &sha256, clock.as_ref()).await;
        let rate = megabytes as f64 / read.as_secs_f64();
        println!(
            "{megabytes} MB in {files} files ({zipped} bytes zipped): put {put:?}, read again {read:?} (median of {ROUNDS}), {rate:.0} MB/s"
        );
        looks(artifacts, &sha256, clock.as_ref());
    }
    store.close().await.expect("it can be closed");
    std::fs::remove_dir_all(dir).expect("it is ours");
}

/// With the files in the kernel's cache.
async fn median(artifacts: &Artifacts, sha256: &Sha256, clock: &SystemClock) -> Duration {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let since = clock.now();
        artifacts.recheck(sha256).await.expect("it is intact");
        took.push(clock.now().since(since));
    }
    took.sort();
    took[ROUNDS / 2]
}

fn looks(artifacts: &Artifacts, sha256: &Sha256, clock: &SystemClock) {
    let since = clock.now();
    for _ in 0..LOOKS {
        assert!(artifacts.checked(sha256).is_some());
    }
    let each = clock.now().since(since) / LOOKS;
    println!("  a look before a start: {each:?}");
}

/// Half of it text that can be compressed, as code is.
fn zip(bytes: usize, files: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut state = 1_u64;
    let mut content = BTreeMap::new();
    for number in 0..files {
        let mut file = Vec::with_capacity(bytes / files);
        while file.len() < bytes / files {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            file.extend_from_slice(&state.to_le_bytes());
            file.extend_from_slice(b"def f():");
        }
        content.insert(format!("package/{}/{number}.py", number % 50), file);
    }
    for (name, file) in content {
        let options = SimpleFileOptions::default();
        writer.start_file(name, options).expect("it is in memory");
        writer.write_all(&file).expect("it is in memory");
    }
    writer.finish().expect("it is in memory").into_inner()
}
