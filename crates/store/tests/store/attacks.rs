//! Zips that would do harm are refused whole, and nothing of them stays.

use std::fs;

use kiln_store::ArtifactError;
use kiln_types::limits;

use crate::raw_zip::{DEFLATED, Entry, build, directory, file, link};
use crate::sample::Sample;

const MAX: u64 = limits::ZIPPED_BYTES_MAX;

/// What became of the attempt; also that it left nothing behind.
async fn refusal(zip: Vec<u8>) -> ArtifactError {
    let sample = Sample::new();
    let outside = sample.dir.path().parent().unwrap().join("kiln-escaped");
    let refused = sample.store.artifacts().put_zip(zip.into(), MAX).await;
    let artifacts = sample.dir.path().join("artifacts");
    for dir in ["tmp", "sha256"] {
        assert_eq!(
            fs::read_dir(artifacts.join(dir)).unwrap().count(),
            0,
            "{dir}: {refused:?}"
        );
    }
    assert!(!outside.exists());
    assert_eq!(sample.store.artifacts().total_bytes(), 0);
    refused.expect_err("the package should be refused")
}

async fn assert_unsafe(entries: &[Entry], culprit: &str, expected: &str) {
    match refusal(build(entries)).await {
        ArtifactError::Unsafe { entry, why } => {
            assert!(why.contains(expected), "{culprit:?}: {why}");
            assert_eq!(entry, culprit);
        }
        other => panic!("{culprit:?}: {other:?}"),
    }
}

async fn assert_not_a_zip(zip: Vec<u8>, expected: &str) {
    match refusal(zip).await {
        ArtifactError::NotAZip { why } => assert!(why.contains(expected), "{why}"),
        other => panic!("{expected}: {other:?}"),
    }
}

#[tokio::test]
async fn names_that_lead_out_of_the_package() {
    for (name, why) in [
        ("../kiln-escaped", "leads out"),
        ("a/../../kiln-escaped", "leads out"),
        ("a/..", "leads out"),
        ("../../../../tmp/kiln-escaped", "leads out"),
        ("/tmp/kiln-escaped", "absolute"),
        ("//tmp/kiln-escaped", "absolute"),
        ("..\\kiln-escaped", "backslash"),
        ("C:\\kiln-escaped", "backslash"),
        ("a\0/../kiln-escaped", "NUL"),
        (".", "no name"),
    ] {
        assert_unsafe(&[file("index.py", b""), file(name, b"x")], name, why).await;
    }
}

#[tokio::test]
async fn links_that_lead_out_of_the_package() {
    for target in ["/etc/passwd", "../..", "..", "a/../../x", ""] {
        assert_unsafe(
            &[file("a/f", b""), link("link", target)],
            "link",
            "is a link",
        )
        .await;
    }
    let chain = [
        directory("deep/"),
        link("deep/up", ".."),
        link("escape", "deep/up/../x"),
    ];
    assert_unsafe(&chain, "escape", "leads out").await;
    let circle = [link("a", "b"), link("b", "a")];
    assert_unsafe(&circle, "a", "circle").await;
    let long = link("long", &"x/".repeat(600));
    assert_unsafe(&[long], "long", "too long").await;
}

#[tokio::test]
async fn entries_written_through_links_or_files() {
    let through_link = [link("dir", "."), file("dir/f", b"x")];
    assert_unsafe(&through_link, "dir/f", "below a file or link").await;
    let link_later = [file("dir/f", b"x"), link("dir", "elsewhere")];
    assert_unsafe(&link_later, "dir", "twice").await;
    let through_file = [file("f", b"x"), file("f/g", b"x")];
    assert_unsafe(&through_file, "f/g", "below a file or link").await;
    let directory_later = [file("f", b"x"), directory("f/")];
    assert_unsafe(&directory_later, "f/", "twice").await;
}

#[tokio::test]
async fn entries_that_are_there_twice() {
    assert_not_a_zip(build(&[file("f", b"1"), file("f", b"2")]), "same name").await;
    assert_unsafe(
        &[file("a/f", b"1"), file("./a//f", b"2")],
        "./a//f",
        "twice",
    )
    .await;
    assert_unsafe(&[link("f", "a"), file("./f", b"2")], "./f", "twice").await;
}

#[tokio::test]
async fn names_that_differ_in_case_are_different_files() {
    let sample = Sample::new();
    let zip = build(&[file("F", b"1"), file("f", b"2")]);
    let code = sample
        .store
        .artifacts()
        .put_zip(zip.into(), MAX)
        .await
        .unwrap();
    let dir = sample.store.artifacts().dir(&code.sha256);
    assert_eq!(fs::read(dir.join("F")).unwrap(), b"1");
    assert_eq!(fs::read(dir.join("f")).unwrap(), b"2");
}

#[tokio::test]
async fn devices_fifos_and_sockets() {
    for kind in [0o020_000, 0o060_000, 0o010_000, 0o140_000] {
        let special = Entry {
            mode: kind | 0o666,
            ..file("special", b"")
        };
        assert_unsafe(&[special], "special", "device").await;
    }
    let both = Entry {
        name: b"link/".to_vec(),
        ..link("", "x")
    };
    assert_unsafe(&[both], "link/", "both").await;
    let full = Entry {
        name: b"dir/".to_vec(),
        ..file("", b"content")
    };
    assert_unsafe(&[full], "dir/", "directory with content").await;
}

#[tokio::test]
async fn sizes_that_are_too_large_or_lies() {
    let huge = Entry {
        size: Some(u32::MAX - 1),
        ..file("huge", b"x")
    };
    let max = limits::UNZIPPED_BYTES_MAX;
    let refused = refusal(build(&[huge])).await;
    assert!(
        matches!(refused, ArtifactError::TooLargeUnzipped { max: m } if m == max),
        "{refused}"
    );
    assert_eq!(
        refused.to_string(),
        "Unzipped size must be smaller than 262144000 bytes"
    );
    let zeros = vec![0; 8 << 20];
    let bomb = Entry {
        method: DEFLATED,
        size: Some(100),
        ..file("bomb", &zeros)
    };
    assert_not_a_zip(build(&[bomb]), "bomb").await;
    let hollow = Entry {
        method: DEFLATED,
        size: Some(9 << 20),
        ..file("hollow", &zeros)
    };
    assert_not_a_zip(build(&[hollow]), "hollow").await;
    let many: Vec<_> = (0..40)
        .map(|i| Entry {
            method: DEFLATED,
            ..file(&format!("part{i}"), &zeros)
        })
        .collect();
    let refused = refusal(build(&many)).await;
    assert!(
        matches!(refused, ArtifactError::TooLargeUnzipped { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn zips_that_are_too_large() {
    let sample = Sample::new();
    let zip = build(&[file("index.py", b"x")]);
    let max = zip.len() as u64 - 1;
    let refused = sample.store.artifacts().put_zip(zip.into(), max).await;
    assert!(
        matches!(refused, Err(ArtifactError::TooLargeZipped { bytes, max: m })
        if m == max && bytes == max + 1)
    );
}

#[tokio::test]
async fn entries_that_share_bytes() {
    let shared = file("one", &[b'x'; 100]);
    let again = Entry {
        name: b"two".to_vec(),
        offset: Some(0),
        ..shared.clone()
    };
    assert_not_a_zip(build(&[shared, again]), "overlap").await;
    // The second entry's record lies within the first one's content.
    let inner = build(&[file("in", b"inner")]);
    let outer = file("out", &inner);
    let hidden = Entry {
        offset: Some(30 + 3),
        ..file("in", b"inner")
    };
    assert_not_a_zip(build(&[outer, hidden]), "overlap").await;
}

#[tokio::test]
async fn too_many_entries() {
    let many: Vec<_> = (0..100_001).map(|i| file(&format!("{i}"), b"")).collect();
    let refused = refusal(build(&many)).await;
    assert!(
        matches!(refused, ArtifactError::TooManyEntries { max: 100_000 }),
        "{refused}"
    );
    // Few entries, but each brings hundreds of directories.
    let deep: Vec<_> = (0..300)
        .map(|i| file(&format!("{i}/{}f", "d/".repeat(450)), b""))
        .collect();
    let refused = refusal(build(&deep)).await;
    assert!(
        matches!(refused, ArtifactError::TooManyEntries { max: 100_000 }),
        "{refused}"
    );
}

#[tokio::test]
async fn zips_that_cannot_be_read() {
    for empty in [build(&[]), Vec::new()] {
        assert!(matches!(refusal(empty).await, ArtifactError::Empty));
    }
    assert_not_a_zip(b"this is no zip, whatever its name says".to_vec(), "").await;
    let whole = build(&[file("index.py", &[b'x'; 1_000])]);
    assert_not_a_zip(whole[..whole.len() - 30].to_vec(), "").await;
    let encrypted = Entry {
        flags: 1,
        ..file("index.py", b"x")
    };
    assert_not_a_zip(build(&[encrypted]), "encrypted").await;
    let unknown = Entry {
        method: 14,
        ..file("index.py", b"x")
    };
    assert_not_a_zip(build(&[unknown]), "compressed with").await;
    let mut damaged = build(&[file("index.py", &[b'x'; 1_000])]);
    damaged[500] ^= 1;
    assert_not_a_zip(damaged, "index.py").await;
}

#[tokio::test]
async fn random_damage_never_panics_or_escapes() {
    let sound = build(&[
        file("index.py", b"import lib"),
        Entry {
            method: DEFLATED,
            ..file("lib/code.py", &[b'x'; 3_000])
        },
        link("lib/alias.py", "code.py"),
        directory("empty/"),
    ]);
    let sample = Sample::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..400 {
        let mut damaged = sound.clone();
        for _ in 0..3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let place = (seed >> 8) as usize % damaged.len();
            damaged[place] = seed as u8;
        }
        let put = sample.store.artifacts().put_zip(damaged.into(), MAX).await;
        // Whether it is taken or refused is chance; the disk must have no part in it.
        assert!(
            !matches!(put, Err(ArtifactError::Store(_))),
            "seed {seed:x}: {put:?}"
        );
    }
    let left = fs::read_dir(sample.dir.path().join("artifacts/tmp"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
    let mut top: Vec<_> = fs::read_dir(sample.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".db"))
        .collect();
    top.sort();
    assert_eq!(
        top,
        [
            "artifacts",
            "buckets",
            "images",
            "layer-marks",
            "lock",
            "master.key",
            "objects"
        ]
    );
}
