//! Layers of container images: unpacked in the form of overlayfs, and every attack of umoci's tests
//! refused or made harmless.

mod damaged;
mod limits;

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kiln_store::{Config, ImageError, Images, Layer as Taken, LayerSize, Store};
use kiln_testkit::image::{self, Layer};
use kiln_types::{ManualClock, Sha256};
use tar::EntryType;

struct Rig {
    images: Images,
    clock: Arc<ManualClock>,
    store: Store,
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let config = Config::new(dir.path().join("data"));
        let store = Store::open(config, clock.clone()).unwrap();
        let images = store.images().clone();
        Self {
            images,
            clock,
            store,
            dir,
        }
    }

    /// The same directory, opened again.
    async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let Self { clock, dir, .. } = self;
        let config = Config::new(dir.path().join("data"));
        let store = Store::open(config, clock.clone()).unwrap();
        let images = store.images().clone();
        Self {
            images,
            clock,
            store,
            dir,
        }
    }

    /// Bytes as a layer whose archive has this digest.
    fn taken(&self, bytes: &[u8], diff_id: Sha256) -> Taken {
        let mut file = self.images.scratch().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Taken {
            diff_id,
            digest: Some(sha256(bytes)),
            file,
            bytes: bytes.len() as u64,
        }
    }

    async fn put(&self, archive: &[u8]) -> Result<PathBuf, ImageError> {
        let diff_id = sha256(archive);
        let layer = self.taken(archive, diff_id.clone());
        self.images.put(layer, LayerSize::IMAGE_MAX).await?;
        Ok(self.images.dir(&diff_id))
    }

    /// Why a layer is refused; nothing of it may be left.
    async fn refusal(&self, layer: Layer) -> String {
        let refused = self.put(&layer.finish()).await.unwrap_err();
        let images = self.dir.path().join("data/images");
        assert_eq!(fs::read_dir(images.join("tmp")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(images.join("sha256")).unwrap().count(), 0);
        refused.to_string()
    }
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = image::digest(bytes);
    digest.strip_prefix("sha256:").unwrap().parse().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn is_opaque(dir: &Path) -> bool {
    let mut value = [0; 8];
    let found = rustix::fs::getxattr(dir, "trusted.overlay.opaque", &mut value);
    found.is_ok_and(|length| &value[..length] == b"y")
}

fn is_gone(path: &Path) -> bool {
    let found = path.symlink_metadata().unwrap();
    found.file_type().is_char_device() && found.rdev() == 0
}

#[tokio::test]
async fn files_are_everybodys_to_read_and_nobodys_to_become() {
    let rig = Rig::new();
    let layer = Layer::default()
        .private_program("bin/tool", b"tool")
        .file("etc/secret", b"secret")
        .add("var/", EntryType::Directory, 0o1777, None, b"")
        .link("bin/link", "/etc/secret")
        .add("bin/same", EntryType::Link, 0o644, Some("bin/tool"), b"");
    let dir = rig.put(&layer.finish()).await.unwrap();
    let mode = |path: &str| fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("bin/tool"), 0o755, "no setuid bit, and readable");
    assert_eq!(mode("etc/secret"), 0o644);
    assert_eq!(mode("var"), 0o755);
    assert_eq!(mode("bin"), 0o755, "made on the way");
    let tool = fs::metadata(dir.join("bin/tool")).unwrap();
    assert_eq!(tool.uid(), rustix::process::geteuid().as_raw());
    assert_eq!(tool.mtime(), 1_700_000_000);
    assert_eq!(
        tool.ino(),
        fs::metadata(dir.join("bin/same")).unwrap().ino()
    );
    assert_eq!(
        fs::read_link(dir.join("bin/link")).unwrap(),
        Path::new("/etc/secret")
    );
}

#[tokio::test]
async fn names_that_leave_the_layer_are_refused() {
    let rig = Rig::new();
    for name in ["../evil", "a/../../evil", "a/.."] {
        let refused = rig.refusal(Layer::default().file(name, b"x")).await;
        assert!(refused.contains(".."), "{name}: {refused}");
    }
    // A slash at the start leads nowhere else.
    let layer = Layer::default().file("/etc/x", b"").finish();
    let dir = rig.put(&layer);
    assert!(dir.await.unwrap().join("etc/x").exists());
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let rig = Rig::new();
    let victim = rig.dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "before").unwrap();
    let target = victim.to_str().unwrap();
    // Into a directory behind a link, absolute or relative.
    for link in [target, "../../../../../../victim", "."] {
        let layer = Layer::default().link("out", link).file("out/new", b"x");
        assert!(rig.refusal(layer).await.contains("below a link"));
        let layer = Layer::default()
            .link("out", link)
            .file("out/deep/new", b"x");
        assert!(rig.refusal(layer).await.contains("below a link"));
        let layer = Layer::default().link("out", link).gone("out/file");
        assert!(rig.refusal(layer).await.contains("below a link"));
        let layer = Layer::default().link("out", link).emptied("out");
        assert!(rig.refusal(layer).await.contains("below a link"));
    }
    // Over a link to a file: the link is replaced.
    let file = format!("{target}/file");
    let layer = Layer::default().link("x", &file).file("x", b"after");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.join("x")).unwrap(), "after");
    assert!(!dir.join("x").is_symlink());
    // Over a link to a directory by a directory, and what comes into it then.
    let layer = Layer::default()
        .link("x", target)
        .add("x/", EntryType::Directory, 0o755, None, b"")
        .file("x/new", b"x");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(names(&dir.join("x")), ["new"]);
    assert_eq!(names(&victim), ["file"]);
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "before");
}

#[tokio::test]
async fn hard_links_lead_to_files_of_the_layer_only() {
    let rig = Rig::new();
    let victim = rig.dir.path().join("victim");
    fs::write(&victim, "secret").unwrap();
    let link = |target: &str| Layer::default().add("x", EntryType::Link, 0o644, Some(target), b"");
    for (target, expected) in [
        ("etc/passwd", "does not have"),
        ("/etc/passwd", "does not have"),
        ("../victim", ".."),
        ("/", "no file"),
    ] {
        assert!(
            rig.refusal(link(target)).await.contains(expected),
            "{target}"
        );
    }
    let through = Layer::default()
        .link("out", rig.dir.path().to_str().unwrap())
        .add("x", EntryType::Link, 0o644, Some("out/victim"), b"");
    assert!(rig.refusal(through).await.contains("does not have"));
    let directory = Layer::default().add("d/", EntryType::Directory, 0o755, None, b"");
    let directory = directory.add("x", EntryType::Link, 0o644, Some("d"), b"");
    assert!(rig.refusal(directory).await.contains("does not have"));
    // One to a link is the same link, not what it leads to.
    let same = Layer::default().link("out", victim.to_str().unwrap()).add(
        "x",
        EntryType::Link,
        0o644,
        Some("out"),
        b"",
    );
    let dir = rig.put(&same.finish()).await.unwrap();
    assert!(dir.join("x").is_symlink());
    assert_eq!(fs::metadata(&victim).unwrap().nlink(), 1);
}

#[tokio::test]
async fn devices_and_pipes_are_left_out() {
    let rig = Rig::new();
    let layer = Layer::default()
        .add("dev/mem", EntryType::Char, 0o666, None, b"")
        .add("dev/sda", EntryType::Block, 0o666, None, b"")
        .add("pipe", EntryType::Fifo, 0o666, None, b"")
        .file("file", b"");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(names(&dir), ["file"]);
}

#[tokio::test]
async fn what_is_taken_away_is_marked_as_overlayfs_does() {
    let rig = Rig::new();
    let layer = Layer::default()
        .gone("a/file")
        .emptied("b")
        .file("b/new", b"")
        // Both in one layer: what lower layers have is gone, what this one has stays.
        .gone("c/kept")
        .file("c/kept", b"kept")
        .file("d/kept", b"kept")
        .gone("d/kept")
        .gone("e/dir")
        .file("e/dir/new", b"")
        .file("f/dir/new", b"")
        .gone("f/dir")
        .file(".wh..wh.plnk", b"");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert!(is_gone(&dir.join("a/file")));
    assert!(is_opaque(&dir.join("b")) && !is_opaque(&dir.join("a")));
    for kept in ["c/kept", "d/kept"] {
        assert_eq!(fs::read_to_string(dir.join(kept)).unwrap(), "kept");
    }
    for covering in ["e/dir", "f/dir"] {
        assert!(is_opaque(&dir.join(covering)), "{covering}");
        assert_eq!(names(&dir.join(covering)), ["new"]);
    }
    assert_eq!(names(&dir), ["a", "b", "c", "d", "e", "f"]);
    let nameless = Rig::new();
    for name in ["a/.wh.", "a/.wh..", ".wh.x/y"] {
        let refused = nameless.refusal(Layer::default().file(name, b"")).await;
        assert!(refused.contains(name), "{refused}");
    }
}

#[tokio::test]
async fn a_later_entry_stands_for_those_before_it() {
    let rig = Rig::new();
    let layer = Layer::default()
        .file("a/deep/file", b"old")
        .file("a", b"new")
        .file("b", b"file")
        .add("b/", EntryType::Directory, 0o755, None, b"")
        .file("b/inside", b"x")
        .file("c", b"1")
        .file("c", b"2");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "new");
    assert_eq!(names(&dir.join("b")), ["inside"]);
    assert_eq!(fs::read_to_string(dir.join("c")).unwrap(), "2");
    let below = Layer::default().file("a", b"x").file("a/b", b"y");
    assert!(Rig::new().refusal(below).await.contains("below a file"));
}

#[tokio::test]
async fn extended_attributes_are_not_kept() {
    let rig = Rig::new();
    // What would make a file a program with rights, or a directory one that leads elsewhere.
    let records = [
        ("SCHILY.xattr.security.capability", "x"),
        ("SCHILY.xattr.trusted.overlay.opaque", "y"),
        ("SCHILY.xattr.trusted.overlay.redirect", "/etc"),
    ];
    let mut pax = Vec::new();
    for (key, value) in records {
        let length = key.len() + value.len() + "00 =\n".len();
        pax.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    let layer = Layer::default()
        .add("pax", EntryType::XHeader, 0o644, None, &pax)
        .add("d/", EntryType::Directory, 0o755, None, b"");
    let dir = rig.put(&layer.finish()).await.unwrap();
    let mut list = [0; 256];
    let length = rustix::fs::listxattr(dir.join("d"), &mut list[..]).unwrap();
    assert_eq!(length, 0);
}

#[tokio::test]
async fn long_names_come_in_records_and_their_length_is_bounded() {
    let rig = Rig::new();
    let long = format!("{}/file", "d".repeat(200));
    let with_nul = [long.as_bytes(), b"\0"].concat();
    let layer = Layer::default()
        .add(
            "././@LongLink",
            EntryType::GNULongName,
            0o644,
            None,
            &with_nul,
        )
        .file("short", b"gnu");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.join(&long)).unwrap(), "gnu");
    let record = |path: &str| {
        let length = path.len() + " path=\n".len();
        let digits = if length + 3 > 999 { 4 } else { 3 };
        format!("{} path={path}\n", length + digits)
    };
    let pax = record(&long);
    let layer = Layer::default()
        .add("pax", EntryType::XHeader, 0o644, None, pax.as_bytes())
        .file("short", b"pax");
    let dir = rig.put(&layer.finish()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.join(&long)).unwrap(), "pax");
    let rig = Rig::new();
    let climbing = record(&format!("{}../evil", "a/../".repeat(40)));
    let layer = Layer::default()
        .add("pax", EntryType::XHeader, 0o644, None, climbing.as_bytes())
        .file("short", b"pax");
    assert!(rig.refusal(layer).await.contains(".."));
    let huge = vec![b'a'; (1 << 20) + 1];
    let layer = Layer::default()
        .add("././@LongLink", EntryType::GNULongName, 0o644, None, &huge)
        .file("short", b"");
    assert!(rig.refusal(layer).await.contains("too long"));
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let rig = Rig::new();
    let archive = Layer::default().file("file", b"right").finish();
    let other = sha256(b"other");
    let wrong = rig
        .images
        .put(rig.taken(&archive, other.clone()), LayerSize::IMAGE_MAX)
        .await;
    assert!(
        matches!(wrong, Err(ImageError::WrongDigest { .. })),
        "{wrong:?}"
    );
    let packed = Taken {
        digest: Some(other),
        ..rig.taken(&archive, sha256(&archive))
    };
    let wrong = rig.images.put(packed, LayerSize::IMAGE_MAX).await;
    assert!(
        matches!(wrong, Err(ImageError::WrongDigest { .. })),
        "{wrong:?}"
    );
    // Bytes behind the archive's end count too.
    let longer = [archive.as_slice(), b"more"].concat();
    let wrong = rig
        .images
        .put(rig.taken(&longer, sha256(&archive)), LayerSize::IMAGE_MAX)
        .await;
    assert!(
        matches!(wrong, Err(ImageError::WrongDigest { .. })),
        "{wrong:?}"
    );
    let cut = &archive[..600];
    assert!(rig.put(cut).await.is_err());
    assert!(
        rig.put(b"not an archive, but long enough to be looked at")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn layers_are_unpacked_whatever_they_are_compressed_with() {
    let rig = Rig::new();
    type Compress = fn(&[u8]) -> Vec<u8>;
    let compress: [(&str, Compress); 4] = [
        ("gzip", gzip),
        ("gzip in two members", |bytes| {
            let (first, second) = bytes.split_at(700);
            [gzip(first), gzip(second)].concat()
        }),
        ("zstd", zstd),
        ("zstd in frames, some of them empty", |bytes| {
            let (first, second) = bytes.split_at(700);
            let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
            [&skipped[..], &zstd(first), &skipped, &zstd(second)].concat()
        }),
    ];
    for (how, compress) in compress {
        let archive = Layer::default().file("how", how.as_bytes()).finish();
        let layer = rig.taken(&compress(&archive), sha256(&archive));
        let put = rig.images.put(layer, LayerSize::IMAGE_MAX).await;
        assert_eq!(put.unwrap().bytes, archive.len() as u64, "{how}");
        let dir = rig.images.dir(&sha256(&archive));
        assert_eq!(fs::read_to_string(dir.join("how")).unwrap(), how);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::best();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

fn at_most(bytes: u64, entries: u64) -> LayerSize {
    LayerSize { bytes, entries }
}

#[tokio::test]
async fn a_layer_out_of_use_is_removed_after_a_while() {
    let rig = Rig::new();
    let [kept, dropped] = ["kept", "dropped"].map(|name| Layer::default().file(name, b"").finish());
    for archive in [&kept, &dropped] {
        rig.put(archive).await.unwrap();
    }
    let keep = [sha256(&kept)].into();
    assert_eq!(rig.images.collect(&keep).await.unwrap(), 0, "it is new");
    rig.clock.advance(Duration::from_secs(1_200));
    assert_eq!(
        rig.images.collect(&keep).await.unwrap(),
        dropped.len() as u64
    );
    assert!(!rig.images.dir(&sha256(&dropped)).exists());
    assert_eq!(rig.images.touch(&sha256(&dropped)), None);
    // What was asked for a moment ago is spared, also when nothing refers to it yet.
    rig.clock.advance(Duration::from_secs(1_200));
    assert!(rig.images.touch(&sha256(&kept)).is_some());
    assert_eq!(rig.images.collect(&[].into()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_layer_that_could_not_be_removed_is_still_known() {
    let rig = Rig::new();
    let archive = Layer::default().file("file", b"").finish();
    let dir = rig.put(&archive).await.unwrap();
    rig.clock.advance(Duration::from_secs(1_200));
    // Removal begins by moving it here.
    let drafts = rig.dir.path().join("data/images/tmp");
    fs::remove_dir(&drafts).unwrap();
    assert!(rig.images.collect(&[].into()).await.is_err());
    assert!(dir.exists());
    fs::create_dir(&drafts).unwrap();
    let freed = rig.images.collect(&[].into()).await.unwrap();
    assert_eq!(freed, archive.len() as u64);
    assert!(!dir.exists());
}

#[tokio::test]
async fn layers_are_known_after_a_restart_and_half_of_one_is_not() {
    let rig = Rig::new();
    let archive = Layer::default().file("file", b"x").finish();
    rig.put(&archive).await.unwrap();
    let half = rig.dir.path().join("data/images/tmp/half");
    rig.store.close().await.unwrap();
    fs::create_dir(&half).unwrap();
    let config = Config::new(rig.dir.path().join("data"));
    let store = Store::open(config, rig.clock.clone()).unwrap();
    assert_eq!(
        store.images().touch(&sha256(&archive)),
        Some(at_most(archive.len() as u64, 1))
    );
    assert!(!half.exists());
}
