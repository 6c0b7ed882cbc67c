//! Code packages: unpacked once, kept by digest, and removed when told.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kiln_store::ArtifactError;
use kiln_types::{Sha256, limits};
use sha2::Digest;
use tokio::task::JoinSet;

use crate::raw_zip::{DEFLATED, Entry, build, directory, file, link};
use crate::sample::Sample;

const MAX: u64 = limits::ZIPPED_BYTES_MAX;

fn package() -> Bytes {
    let code = b"def handler(event, context):\n    return event\n".repeat(100);
    Bytes::from(build(&[
        file("index.py", b"import lib"),
        Entry {
            method: DEFLATED,
            ..file("lib/code.py", &code)
        },
        Entry {
            mode: 0o104_711,
            ..file("bin/tool", b"#!/bin/sh")
        },
        Entry {
            mode: 0o100_000,
            ..file("secret.txt", b"unreadable")
        },
        directory("empty/"),
        link("lib/alias.py", "code.py"),
        link("top", "bin/tool"),
    ]))
}

/// Paths below a directory, sorted.
fn tree(dir: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            paths.extend(
                tree(&path)
                    .into_iter()
                    .map(|below| format!("{name}/{below}")),
            );
        }
        paths.push(name);
    }
    paths.sort();
    paths
}

#[tokio::test]
async fn a_package_is_unpacked_as_it_was_packed() {
    let sample = Sample::new();
    let zip = package();
    let code = sample
        .store
        .artifacts()
        .put_zip(zip.clone(), MAX)
        .await
        .unwrap();
    let digest: [u8; 32] = sha2::Sha256::digest(&zip).into();
    assert_eq!(code.sha256, Sha256::from_bytes(digest));
    assert_eq!(code.zipped_bytes, zip.len() as u64);
    let dir = sample.store.artifacts().dir(&code.sha256);
    assert_eq!(
        tree(&dir),
        [
            "bin",
            "bin/tool",
            "empty",
            "index.py",
            "lib",
            "lib/alias.py",
            "lib/code.py",
            "secret.txt",
            "top",
        ]
    );
    assert_eq!(fs::read(dir.join("index.py")).unwrap(), b"import lib");
    assert_eq!(
        fs::read_link(dir.join("lib/alias.py")).unwrap(),
        Path::new("code.py")
    );
    assert_eq!(fs::read(dir.join("top")).unwrap(), b"#!/bin/sh");
    let files = ["index.py", "lib/code.py", "bin/tool", "secret.txt"];
    let sizes: u64 = files
        .map(|name| fs::metadata(dir.join(name)).unwrap().len())
        .iter()
        .sum();
    assert_eq!(
        code.unzipped_bytes,
        sizes + "code.py".len() as u64 + "bin/tool".len() as u64
    );
    assert_eq!(
        sample.store.artifacts().zip(&code.sha256).await.unwrap(),
        zip
    );
}

#[tokio::test]
async fn everything_is_readable_by_all_and_only_executability_is_kept() {
    let sample = Sample::new();
    let code = sample
        .store
        .artifacts()
        .put_zip(package(), MAX)
        .await
        .unwrap();
    let dir = sample.store.artifacts().dir(&code.sha256);
    for (path, mode) in [
        ("", 0o755),
        ("lib", 0o755),
        ("empty", 0o755),
        ("index.py", 0o644),
        ("secret.txt", 0o644),
        ("bin/tool", 0o755),
    ] {
        let metadata = fs::metadata(dir.join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{path}");
        assert_eq!(
            metadata.uid(),
            rustix::process::geteuid().as_raw(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn times_are_those_of_the_zip() {
    let sample = Sample::new();
    let code = sample
        .store
        .artifacts()
        .put_zip(package(), MAX)
        .await
        .unwrap();
    let dir = sample.store.artifacts().dir(&code.sha256);
    // 2026-11-23T12:34:56Z
    for path in ["index.py", "empty", "lib/alias.py"] {
        assert_eq!(
            fs::symlink_metadata(dir.join(path)).unwrap().mtime(),
            1_795_437_296,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_exact_time_of_an_entry_wins() {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut options = zip::write::FullFileOptions::default();
    // Info-ZIP's extended timestamp: "modified" is given, and is 1,234,567,891.
    let mut field = vec![1];
    field.extend(1_234_567_891_u32.to_le_bytes());
    options.add_extra_field(0x5455, field, false).unwrap();
    writer.start_file("index.py", options).unwrap();
    writer.write_all(b"pass").unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let sample = Sample::new();
    let code = sample
        .store
        .artifacts()
        .put_zip(zip.into(), MAX)
        .await
        .unwrap();
    let file = sample.store.artifacts().dir(&code.sha256).join("index.py");
    assert_eq!(fs::metadata(file).unwrap().mtime(), 1_234_567_891);
}

#[tokio::test]
async fn the_same_package_is_kept_once_however_often_it_comes() {
    let sample = Sample::new();
    let zip = package();
    let mut puts = JoinSet::new();
    for _ in 0..16 {
        let (store, zip) = (sample.store.clone(), zip.clone());
        puts.spawn(async move { store.artifacts().put_zip(zip, MAX).await.unwrap() });
    }
    let codes = puts.join_all().await;
    assert!(codes.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(sample.store.artifacts().total_bytes(), zip.len() as u64);
    let dir = sample.store.artifacts().dir(&codes[0].sha256);
    let inode = fs::metadata(&dir).unwrap().ino();
    let sample = sample.reopened().await;
    assert_eq!(sample.store.artifacts().total_bytes(), zip.len() as u64);
    let again = sample.store.artifacts().put_zip(zip, MAX).await.unwrap();
    assert_eq!(again, codes[0]);
    assert_eq!(fs::metadata(&dir).unwrap().ino(), inode);
}

#[tokio::test]
async fn a_package_of_many_files_is_unpacked_whole() {
    let sample = Sample::new();
    let entries: Vec<_> = (0..500)
        .map(|i| file(&format!("d{}/f{i}", i % 7), i.to_string().as_bytes()))
        .collect();
    let code = sample
        .store
        .artifacts()
        .put_zip(build(&entries).into(), MAX)
        .await
        .unwrap();
    let dir = sample.store.artifacts().dir(&code.sha256);
    assert_eq!(tree(&dir).len(), 507);
    assert_eq!(fs::read(dir.join("d2/f499")).unwrap(), b"499");
}

#[tokio::test]
async fn packages_that_nobody_keeps_are_removed_after_their_grace() {
    let sample = Sample::new();
    let artifacts = sample.store.artifacts();
    let kept = artifacts.put_zip(package(), MAX).await.unwrap();
    let other = Bytes::from(build(&[file("other", b"x")]));
    let dropped = artifacts.put_zip(other.clone(), MAX).await.unwrap();
    let keep = HashSet::from([kept.sha256.clone()]);
    assert_eq!(
        artifacts.collect(&keep).await.unwrap(),
        0,
        "both have just come"
    );
    sample.clock.advance(Duration::from_secs(1_201));
    assert_eq!(
        artifacts.collect(&keep).await.unwrap(),
        dropped.zipped_bytes
    );
    assert!(artifacts.dir(&kept.sha256).exists() && !artifacts.dir(&dropped.sha256).exists());
    assert_eq!(artifacts.total_bytes(), kept.zipped_bytes);
    let gone = artifacts.zip(&dropped.sha256).await;
    assert!(matches!(gone, Err(ArtifactError::NotFound(_))));
    let again = artifacts.put_zip(other, MAX).await.unwrap();
    assert!(artifacts.dir(&again.sha256).join("other").exists());
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_removed_on_the_next_start() {
    let sample = Sample::new();
    sample
        .store
        .artifacts()
        .put_zip(package(), MAX)
        .await
        .unwrap();
    let left = sample.dir.path().join("artifacts/tmp/17");
    fs::create_dir_all(left.join("code/deep")).unwrap();
    let sample = sample.reopened().await;
    assert!(!left.exists());
    assert_eq!(
        sample.store.artifacts().total_bytes(),
        package().len() as u64
    );
}

#[tokio::test]
async fn what_a_package_has_is_known_over_restarts_without_its_zip() {
    let sample = Sample::new();
    let code = sample.store.artifacts().put_zip(package(), MAX).await;
    let sha256 = code.unwrap().sha256;
    let files = sample.store.artifacts().dir(&sha256);
    fs::remove_file(files.with_file_name("zip.zip")).unwrap();
    let sample = sample.reopened().await;
    sample.store.rotate_data_keys().await.unwrap();
    let sample = sample.reopened().await;
    let artifacts = sample.store.artifacts();
    assert!(artifacts.checked(&sha256).is_none());
    artifacts.check(&sha256).await.unwrap();
}
