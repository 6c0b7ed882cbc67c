//! What an archive of a few bytes could make of a disk.

use kiln_store::ImageError;
use kiln_testkit::image::Layer;
use tar::EntryType;

use super::{Rig, at_most, gzip, sha256, zstd};

#[tokio::test]
async fn bombs_end_where_the_limit_is() {
    let rig = Rig::new();
    let zeros = Layer::default().file("zeros", &vec![0; 8 << 20]).finish();
    for packed in [gzip(&zeros), zstd(&zeros)] {
        assert!(packed.len() < zeros.len() / 100);
        let layer = rig.taken(&packed, sha256(&zeros));
        let refused = rig.images.put(layer, at_most(1 << 20, 100)).await;
        assert!(
            matches!(refused, Err(ImageError::TooLarge { max }) if max == 1 << 20),
            "{refused:?}"
        );
    }
    assert!(!rig.images.dir(&sha256(&zeros)).exists());
}

#[tokio::test]
async fn every_directory_counts_also_one_that_the_archive_does_not_name() {
    let rig = Rig::new();
    let archive = Layer::default()
        .file("a/b/c/file", b"")
        .file("a/b/c/other", b"")
        .add("a/b/d/", EntryType::Directory, 0o755, None, b"")
        .emptied("e/f")
        .gone("g/h")
        .add("i/dev", EntryType::Char, 0o666, None, b"")
        .finish();
    // Six records, and a, b, c, e, f, g: a device is left out, and so is the way to it.
    let (records, on_the_way) = (6, 6);
    let size_max = at_most(1 << 20, records + on_the_way - 1);
    let layer = rig.taken(&archive, sha256(&archive));
    let refused = rig.images.put(layer, size_max).await;
    assert!(
        matches!(refused, Err(ImageError::TooManyEntries { max: 11 })),
        "{refused:?}"
    );
    let layer = rig.taken(&archive, sha256(&archive));
    let size_max = at_most(1 << 20, records + on_the_way);
    let size = rig.images.put(layer, size_max).await.unwrap();
    assert_eq!(size.entries, records + on_the_way);
    assert!(!rig.images.dir(&sha256(&archive)).join("i").exists());
}

#[tokio::test]
async fn a_name_is_only_so_deep() {
    let rig = Rig::new();
    let with_path = |path: &str| {
        let mut long = path.as_bytes().to_vec();
        long.push(0);
        let long_name = EntryType::GNULongName;
        let record = Layer::default().add("././@LongLink", long_name, 0o644, None, &long);
        record.file("short", b"")
    };
    let deep = "d/".repeat(256);
    assert!(
        rig.refusal(with_path(&format!("{deep}file")))
            .await
            .contains("more than 256 steps")
    );
    rig.put(&with_path(&deep).finish()).await.unwrap();
}
