//! Directory-backed buckets: what is inside can be read, what is outside cannot.

use std::fs;
use std::os::unix::fs::symlink;

use kiln_store::BucketError;

use crate::sample::Sample;

fn with_bucket() -> Sample {
    let sample = Sample::new();
    let bucket = sample.dir.path().join("buckets/code");
    fs::create_dir_all(bucket.join("team")).unwrap();
    fs::write(bucket.join("team/sum.zip"), b"zip").unwrap();
    fs::write(sample.dir.path().join("buckets/secret"), b"no").unwrap();
    sample
}

#[tokio::test]
async fn an_object_is_read_by_bucket_and_key() {
    let sample = with_bucket();
    let object = sample
        .store
        .buckets()
        .get_object("code", "team/sum.zip")
        .await
        .unwrap();
    assert_eq!(&object[..], b"zip");
}

#[tokio::test]
async fn a_bucket_may_be_a_link_to_a_directory_elsewhere() {
    let sample = with_bucket();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("a.zip"), b"there").unwrap();
    symlink(elsewhere.path(), sample.dir.path().join("buckets/linked")).unwrap();
    let object = sample
        .store
        .buckets()
        .get_object("linked", "a.zip")
        .await
        .unwrap();
    assert_eq!(&object[..], b"there");
}

#[tokio::test]
async fn unknown_buckets_and_names_that_are_no_buckets_do_not_exist() {
    let sample = with_bucket();
    for bucket in [
        "none",
        "..",
        ".",
        "",
        "code/team",
        "secret",
        "Code",
        "../buckets/code",
        "c\0de",
    ] {
        let read = sample
            .store
            .buckets()
            .get_object(bucket, "team/sum.zip")
            .await;
        assert!(
            matches!(read, Err(BucketError::NoSuchBucket(_))),
            "{bucket}: {read:?}"
        );
    }
}

#[tokio::test]
async fn keys_that_lead_out_of_the_bucket_do_not_exist() {
    let sample = with_bucket();
    let bucket = sample.dir.path().join("buckets/code");
    symlink("../secret", bucket.join("link")).unwrap();
    symlink("..", bucket.join("up")).unwrap();
    symlink("circle", bucket.join("circle")).unwrap();
    symlink("team/sum.zip", bucket.join("inside")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bucket.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let long = "x".repeat(300);
    let keys = [
        "none",
        "team",
        "",
        "../secret",
        "team/../../secret",
        "/etc/passwd",
        "./team/sum.zip",
        "link",
        "up/secret",
        "circle",
        "fifo",
        "team/sum.zip/x",
        "team//sum.zip",
        "a\0b",
        &long,
    ];
    for key in keys {
        let read = sample.store.buckets().get_object("code", key).await;
        assert!(
            matches!(read, Err(BucketError::NoSuchKey { .. })),
            "{key}: {read:?}"
        );
    }
    let object = sample
        .store
        .buckets()
        .get_object("code", "inside")
        .await
        .unwrap();
    assert_eq!(&object[..], b"zip");
}
