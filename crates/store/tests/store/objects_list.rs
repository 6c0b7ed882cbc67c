//! Lists of objects and of their versions: a model beside the store, and pages of what is deleted meanwhile.

use kiln_store::objects::{Cursor, ListObjects, OnlyIf, Removal};
use kiln_types::Versioning;

use crate::objects::{NOW, bucket_id, make, nobody, open, put, put_if, remove};

/// What a list should show: the keys and the shared beginnings, in the order of both together.
fn expected(keys: &[&str], prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut shown: Vec<String> = keys
        .iter()
        .filter(|key| key.starts_with(prefix))
        .map(|key| {
            let rest = &key[prefix.len()..];
            let end = delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
            end.map_or_else(
                || (*key).to_owned(),
                |end| format!("{prefix}{}", &rest[..end]),
            )
        })
        .collect();
    shown.sort();
    shown.dedup();
    shown
}

#[tokio::test]
async fn pages_of_any_size_show_what_a_model_shows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Enabled).await;
    let objects = store.objects();
    let keys = [
        "a",
        "a/",
        "a//b",
        "a/b",
        "a/b/c",
        "a/c",
        "a0",
        "b/x/y",
        "b/x/z",
        "ä/1",
        "ä/2",
        "\u{10ffff}x/1",
        "z\u{d7ff}y",
        "z\u{e000}",
    ];
    for key in keys {
        put(objects, key, b"1").await;
        put(objects, key, b"2").await;
    }
    put(objects, "a/gone", b"").await;
    remove(objects, "a/gone", None).await;
    let (prefixes, delimiters) = (
        ["", "a", "a/", "b/x", "none", "\u{10ffff}"],
        [None, Some("/"), Some("//"), Some("\u{d7ff}"), Some("x")],
    );
    for (prefix, delimiter) in prefixes
        .iter()
        .flat_map(|prefix| delimiters.map(|it| (*prefix, it)))
    {
        let expected = expected(&keys, prefix, delimiter);
        for count_max in [1, 2, 3, 100] {
            let (mut shown, mut after) = (Vec::new(), Cursor::default());
            loop {
                let query = ListObjects {
                    prefix: prefix.to_owned(),
                    delimiter: delimiter.map(str::to_owned),
                    after,
                    count_max,
                    is_of_versions: false,
                };
                let page = objects.list(&bucket_id(), query).await.unwrap();
                assert!(page.entries.len() + page.prefixes.len() <= count_max);
                shown.extend(page.entries.into_iter().map(|entry| entry.key));
                shown.extend(page.prefixes);
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            shown.sort();
            assert_eq!(shown, expected, "{prefix:?} {delimiter:?} {count_max}");
        }
    }
}

#[tokio::test]
async fn a_list_of_versions_goes_on_though_its_last_one_was_deleted_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Enabled).await;
    let objects = store.objects();
    for _ in 0..5 {
        put_if(objects, "k", b"1", OnlyIf::default()).await.unwrap();
    }
    put_if(objects, "l", b"1", OnlyIf::default()).await.unwrap();
    // As whoever empties a bucket does: a page, its versions deleted, the next page.
    let (mut after, mut count) = (Cursor::default(), 0);
    loop {
        let query = ListObjects {
            after,
            count_max: 2,
            is_of_versions: true,
            ..Default::default()
        };
        let page = objects.list(&bucket_id(), query).await.unwrap();
        count += page.entries.len();
        let removals = page.entries.iter().map(|entry| Removal {
            key: entry.key.clone(),
            version: Some(entry.version.clone()),
            only_if: OnlyIf::default(),
        });
        let removals = removals.collect();
        objects
            .remove(&bucket_id(), removals, nobody(), NOW)
            .await
            .unwrap();
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(count, 6);
    objects.remove_bucket(&bucket_id()).await.unwrap();
}
