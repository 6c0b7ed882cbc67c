//! The limits of what is kept, made small.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kiln_types::ManualClock;
use zip::write::SimpleFileOptions;

use super::*;

const ROOMY: Quota = Quota {
    unzipped_bytes_max: 1_000,
    entries_max: 10,
    total_bytes_max: 10_000,
};

fn open(dir: &Path, quota: Quota) -> Artifacts {
    Artifacts::open(dir, quota, &[7; 32], Arc::new(ManualClock::default())).unwrap()
}

fn zip_of(files: &[(&str, usize)]) -> Bytes {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(&vec![b'x'; *bytes]).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

#[tokio::test]
async fn storage_is_full_at_its_limit_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (zip_of(&[("a", 1)]), zip_of(&[("b", 1)]));
    let total_bytes_max = (first.len() + second.len()) as u64 - 1;
    let artifacts = open(
        dir.path(),
        Quota {
            total_bytes_max,
            ..ROOMY
        },
    );
    artifacts.put_zip(first.clone(), 9_999).await.unwrap();
    let full = artifacts.put_zip(second.clone(), 9_999).await;
    assert!(matches!(full, Err(ArtifactError::StorageFull { max }) if max == total_bytes_max));
    assert_eq!(artifacts.total_bytes(), first.len() as u64);
    artifacts.put_zip(first, 9_999).await.unwrap();
    drop(artifacts);
    let artifacts = open(dir.path(), ROOMY);
    artifacts.put_zip(second, 9_999).await.unwrap();
    assert_eq!(artifacts.total_bytes(), total_bytes_max + 1);
}

#[tokio::test]
async fn a_refused_package_gives_its_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let refused = artifacts.put_zip(zip_of(&[("large", 1_001)]), 9_999).await;
    assert!(matches!(
        refused,
        Err(ArtifactError::TooLargeUnzipped { max: 1_000 })
    ));
    assert_eq!(artifacts.total_bytes(), 0);
    artifacts
        .put_zip(zip_of(&[("large", 1_000)]), 9_999)
        .await
        .unwrap();
}

#[tokio::test]
async fn directories_count_as_entries() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let refused = artifacts
        .put_zip(zip_of(&[("1/2/3/4/5/6/7/8/9/10/11", 1)]), 9_999)
        .await;
    assert!(matches!(
        refused,
        Err(ArtifactError::TooManyEntries { max: 10 })
    ));
    artifacts
        .put_zip(zip_of(&[("1/2/3/4/5/6/7/8/9/10", 1)]), 9_999)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    for size in 0..50 {
        let put = artifacts.put_zip(zip_of(&[("a", size)]), 9_999);
        let gone_away = tokio::time::timeout(Duration::from_micros(size as u64 * 20), put);
        let _ = gone_away.await;
    }
    for size in 0..50 {
        let code = artifacts
            .put_zip(zip_of(&[("a", size)]), 9_999)
            .await
            .unwrap();
        let file = artifacts.dir(&code.sha256).join("a");
        assert_eq!(fs::metadata(file).unwrap().len(), size as u64);
    }
    let kept = artifacts.shared.index.known().len();
    assert_eq!(
        (
            kept,
            fs::read_dir(dir.path().join("artifacts/tmp"))
                .unwrap()
                .count()
        ),
        (50, 0)
    );
}

#[tokio::test]
async fn a_module_is_a_package_with_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let module = Bytes::from_static(b"\0asm and so on");
    let code = artifacts.put_zip(module.clone(), 9_999).await.unwrap();
    let bytes = module.len() as u64;
    assert_eq!((code.zipped_bytes, code.unzipped_bytes), (bytes, bytes));
    let kept = artifacts.dir(&code.sha256).join("main.wasm");
    assert_eq!(fs::read(kept).unwrap(), module);
    assert_eq!(artifacts.zip(&code.sha256).await.unwrap(), module);
    let large = Bytes::from([&b"\0asm"[..], &[0; 1_000]].concat());
    let refused = artifacts.put_zip(large, 9_999).await;
    assert!(matches!(
        refused,
        Err(ArtifactError::TooLargeUnzipped { max: 1_000 })
    ));
}

#[tokio::test]
async fn what_was_derived_is_there_until_another_maker_or_the_package_goes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let artifacts = Artifacts::open(dir.path(), ROOMY, &[7; 32], clock.clone()).unwrap();
    let code = artifacts.put_zip(zip_of(&[("a", 1)]), 9_999).await.unwrap();
    let put = async |maker: &str, content: &'static [u8]| {
        let (mut file, draft) = artifacts.draft_derived().await.unwrap();
        file.write_all(content).unwrap();
        artifacts.put_derived(&code.sha256, maker, "f", draft).await
    };
    let file = |maker: &str| artifacts.derived_dir(&code.sha256, maker).join("f");
    put("one", b"1").await.unwrap();
    put("one", b"2").await.unwrap();
    assert_eq!(fs::read(file("one")).unwrap(), b"2");
    put("two", b"3").await.unwrap();
    assert!(!file("one").exists());
    assert_eq!(fs::read(file("two")).unwrap(), b"3");
    clock.advance(COLLECT_GRACE);
    artifacts.collect(&HashSet::new()).await.unwrap();
    assert!(!file("two").exists());
    let gone = put("two", b"3").await;
    assert!(matches!(gone, Err(ArtifactError::NotFound(_))));
}

#[tokio::test]
async fn a_draft_that_is_not_put_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let drafts = || {
        let drafts = fs::read_dir(dir.path().join("artifacts/tmp"));
        drafts.unwrap().count()
    };
    let (mut file, draft) = artifacts.draft_derived().await.unwrap();
    file.write_all(b"half of it").unwrap();
    assert_eq!(drafts(), 1);
    drop(draft);
    assert_eq!(drafts(), 0);
    let (_, draft) = artifacts.draft_derived().await.unwrap();
    let nowhere = Sha256::from_bytes([0; 32]);
    let put = artifacts.put_derived(&nowhere, "one", "f", draft).await;
    assert!(matches!(put, Err(ArtifactError::NotFound(_))));
    assert_eq!(drafts(), 0);
}

#[tokio::test]
async fn what_was_derived_and_is_altered_is_removed_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let code = artifacts.put_zip(zip_of(&[("a", 1)]), 9_999).await.unwrap();
    let (mut file, draft) = artifacts.draft_derived().await.unwrap();
    file.write_all(b"compiled").unwrap();
    let kept = artifacts.put_derived(&code.sha256, "one", "f", draft);
    kept.await.unwrap();
    artifacts.recheck(&code.sha256).await.unwrap();
    let derived = artifacts.derived_dir(&code.sha256, "one");
    fs::write(derived.join("f"), b"altered!").unwrap();
    let refused = artifacts.recheck(&code.sha256).await.unwrap_err();
    assert!(
        refused.to_string().contains("what was compiled of it"),
        "{refused}"
    );
    assert!(!derived.exists(), "it can be made anew");
    artifacts.recheck(&code.sha256).await.unwrap();
}

#[tokio::test]
async fn what_was_derived_and_has_no_record_of_this_server_is_removed() {
    for record in [None, Some("100644 - f\n")] {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path(), ROOMY);
        let code = artifacts.put_zip(zip_of(&[("a", 1)]), 9_999).await.unwrap();
        let (mut file, draft) = artifacts.draft_derived().await.unwrap();
        file.write_all(b"compiled").unwrap();
        let kept = artifacts.put_derived(&code.sha256, "one", "f", draft);
        kept.await.unwrap();
        assert!(artifacts.has_derived(&code.sha256, "one"));
        let derived = artifacts.derived_dir(&code.sha256, "one");
        let kept = derived.with_extension("content");
        match record {
            None => fs::remove_file(kept).unwrap(),
            Some(record) => fs::write(kept, record).unwrap(),
        }
        assert!(!artifacts.has_derived(&code.sha256, "one"));
        artifacts.recheck(&code.sha256).await.unwrap();
        assert!(!derived.exists(), "nobody knows who made it");
    }
}

/// Whatever happened to a package's directory.
#[tokio::test]
async fn a_package_whose_directory_is_gone_can_be_uploaded_again_and_collected() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let artifacts = Artifacts::open(dir.path(), ROOMY, &[7; 32], clock.clone()).unwrap();
    let [gone, other] = [zip_of(&[("a", 1)]), zip_of(&[("b", 1)])];
    let bytes = (gone.len() + other.len()) as u64;
    let code = artifacts.put_zip(gone.clone(), 9_999).await.unwrap();
    artifacts.put_zip(other, 9_999).await.unwrap();
    let place = artifacts.dir(&code.sha256).parent().unwrap().to_owned();
    fs::remove_dir_all(&place).unwrap();
    let refused = artifacts.check(&code.sha256).await.unwrap_err();
    assert!(refused.to_string().ends_with("upload the code again"));
    artifacts.put_zip(gone, 9_999).await.unwrap();
    artifacts.check(&code.sha256).await.unwrap();
    assert_eq!(artifacts.total_bytes(), bytes);
    fs::remove_dir_all(&place).unwrap();
    clock.advance(COLLECT_GRACE);
    assert_eq!(artifacts.collect(&HashSet::new()).await.unwrap(), bytes);
    assert_eq!((artifacts.all(), artifacts.total_bytes()), (vec![], 0));
}

#[tokio::test]
async fn a_package_whose_manifest_is_damaged_stops_no_start_and_is_restored() {
    let zip = zip_of(&[("a", 1)]);
    for manifest in [None, Some(""), Some("{"), Some("another's")] {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path(), ROOMY);
        let code = artifacts.put_zip(zip.clone(), 9_999).await.unwrap();
        let path = artifacts.dir(&code.sha256).with_file_name("manifest.json");
        let other = || {
            let sound = fs::read_to_string(&path).unwrap();
            sound.replace(code.sha256.as_str(), &"0".repeat(64))
        };
        match manifest {
            None => fs::remove_file(&path).unwrap(),
            Some("another's") => fs::write(&path, other()).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        let artifacts = open(dir.path(), ROOMY);
        assert_eq!(artifacts.total_bytes(), zip.len() as u64);
        let told = artifacts.check(&code.sha256).await.unwrap_err().to_string();
        assert!(told.contains("its manifest.json "), "{told}");
        assert!(told.ends_with("try again"), "{told}");
        artifacts.check(&code.sha256).await.unwrap();
        assert_eq!(artifacts.put_zip(zip.clone(), 9_999).await.unwrap(), code);
        let artifacts = open(dir.path(), ROOMY);
        artifacts.check(&code.sha256).await.unwrap();
    }
}

#[tokio::test]
async fn a_package_of_which_nothing_is_left_but_its_place_is_replaced_by_one_upload() {
    let zip = zip_of(&[("a", 1)]);
    let dir = tempfile::tempdir().unwrap();
    let artifacts = open(dir.path(), ROOMY);
    let code = artifacts.put_zip(zip.clone(), 9_999).await.unwrap();
    let place = artifacts.dir(&code.sha256).parent().unwrap().to_owned();
    fs::remove_dir_all(&place).unwrap();
    fs::create_dir(&place).unwrap();
    // Neither is ours.
    fs::write(place.with_file_name("notes"), "").unwrap();
    fs::write(dir.path().join("artifacts/sha256/notes"), "").unwrap();
    let artifacts = open(dir.path(), ROOMY);
    assert_eq!(artifacts.all(), std::slice::from_ref(&code.sha256));
    assert_eq!(artifacts.put_zip(zip.clone(), 9_999).await.unwrap(), code);
    artifacts.check(&code.sha256).await.unwrap();
    assert_eq!(artifacts.total_bytes(), zip.len() as u64);
}
