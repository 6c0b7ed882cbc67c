//! Buckets and objects: a model beside the store, what is read while it is replaced, and what a restart finds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kiln_store::objects::{
    About, Completion, NewObject, ObjectError, Objects, OnlyIf, Part, Reader, Removal, Tell,
    UploadPlace,
};
use kiln_store::queue::Delivery;
use kiln_store::{Config, Store, messages::NewMessage};
use kiln_types::{
    Bucket, BucketId, BucketName, ManualClock, MessageId, QueueId, Timestamp, Versioning,
};

pub const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

pub fn open(dir: &Path) -> Store {
    Store::open(Config::new(dir), Arc::new(ManualClock::default())).unwrap()
}

pub fn nobody() -> Tell {
    Arc::new(|_| Vec::new())
}

fn name() -> BucketName {
    "things".parse().unwrap()
}

fn bucket(versioning: Versioning) -> Bucket {
    Bucket {
        name: name(),
        account: "000000000000".parse().unwrap(),
        created: NOW,
        versioning,
        tags: BTreeMap::new(),
        notifications: Default::default(),
        policy: None,
        public_access_block: None,
    }
}

pub fn bucket_id() -> BucketId {
    bucket(Versioning::Off).id()
}

pub async fn make(store: &Store, versioning: Versioning) {
    store
        .objects()
        .create_bucket(bucket(versioning))
        .await
        .unwrap();
}

fn new(key: &str) -> NewObject {
    NewObject {
        key: key.to_owned(),
        etag: "etag".to_owned(),
        about: About::default(),
        event: "ObjectCreated:Put",
    }
}

pub async fn put_if(
    objects: &Objects,
    key: &str,
    bytes: &[u8],
    only_if: OnlyIf,
) -> Result<Option<String>, ObjectError> {
    let mut draft = objects.draft().unwrap();
    draft.write(bytes).unwrap();
    let content = draft.finish().unwrap();
    let put = objects
        .put(&bucket_id(), new(key), content, only_if, nobody(), NOW)
        .await;
    put.map(|put| put.version)
}

pub async fn put(objects: &Objects, key: &str, bytes: &[u8]) -> Option<String> {
    put_if(objects, key, bytes, OnlyIf::default())
        .await
        .unwrap()
}

fn all(mut reader: Reader) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = reader.read(4).unwrap();
        if bytes.is_empty() {
            return all;
        }
        all.extend_from_slice(&bytes);
    }
}

pub async fn get(objects: &Objects, key: &str, version: Option<&str>) -> Option<Vec<u8>> {
    let object = objects.find(&bucket_id(), key, version).await.unwrap();
    let object = object.filter(|object| !object.is_marker)?;
    Some(all(objects.read(&object, 0, object.size).unwrap()))
}

pub async fn remove(objects: &Objects, key: &str, version: Option<&str>) -> Option<String> {
    let removal = Removal {
        key: key.to_owned(),
        version: version.map(str::to_owned),
        only_if: OnlyIf::default(),
    };
    let mut removed = objects
        .remove(&bucket_id(), vec![removal], nobody(), NOW)
        .await
        .unwrap();
    removed.remove(0).unwrap().version
}

pub fn files(dir: &Path) -> usize {
    let shelves = fs::read_dir(dir.join("objects")).unwrap();
    shelves
        .flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap())
        .count()
}

#[tokio::test]
async fn a_replaced_object_leaves_no_file_and_its_readers_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    let objects = store.objects();
    put(objects, "k", b"before").await;
    let object = objects
        .find(&bucket_id(), "k", None)
        .await
        .unwrap()
        .unwrap();
    let reader = objects.read(&object, 0, object.size).unwrap();
    put(objects, "k", b"after").await;
    assert_eq!(all(reader), b"before");
    assert_eq!(get(objects, "k", None).await.unwrap(), b"after");
    assert_eq!(files(dir.path()), 1);
    assert!(objects.read(&object, 0, object.size).is_none());
    remove(objects, "k", None).await;
    assert_eq!(get(objects, "k", None).await, None);
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn what_a_crash_left_of_drafts_is_gone_after_a_restart_and_objects_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    put(store.objects(), "k", b"kept").await;
    let mut draft = store.objects().draft().unwrap();
    draft.write(b"half").unwrap();
    // As a crash does: nobody cleans up.
    std::mem::forget(draft.finish().unwrap());
    assert_eq!(files(dir.path()), 2);
    store.close().await.unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(files(dir.path()), 1);
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"kept");
    assert!(store.objects().bucket(&name()).is_some());
}

#[tokio::test]
async fn conditions_are_asked_in_the_change_and_a_refused_put_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    let objects = store.objects();
    let absent = || OnlyIf {
        is_absent: true,
        etag: None,
    };
    let etag = |etag: &str| OnlyIf {
        is_absent: false,
        etag: Some(etag.to_owned()),
    };
    assert!(matches!(
        put_if(objects, "k", b"1", etag("etag")).await,
        Err(ObjectError::NoKey(_))
    ));
    put_if(objects, "k", b"1", absent()).await.unwrap();
    assert!(matches!(
        put_if(objects, "k", b"2", absent()).await,
        Err(ObjectError::AlreadyThere(_))
    ));
    assert!(matches!(
        put_if(objects, "k", b"2", etag("other")).await,
        Err(ObjectError::Unexpected(_))
    ));
    put_if(objects, "k", b"2", etag("etag")).await.unwrap();
    assert_eq!(get(objects, "k", None).await.unwrap(), b"2");
    assert_eq!(files(dir.path()), 1);
    // Of many at once one wins.
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (objects, only_if) = (objects.clone(), absent());
        racing.spawn(async move { put_if(&objects, "new", &[n], only_if).await.is_ok() });
    }
    let won = racing
        .join_all()
        .await
        .into_iter()
        .filter(|has_won| *has_won)
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn versions_come_back_when_what_hides_them_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Enabled).await;
    let objects = store.objects();
    let one = put(objects, "k", b"one").await.unwrap();
    let two = put(objects, "k", b"two").await.unwrap();
    let marker = remove(objects, "k", None).await.unwrap();
    assert_eq!(get(objects, "k", None).await, None);
    assert_eq!(get(objects, "k", Some(&one)).await.unwrap(), b"one");
    remove(objects, "k", Some(&marker)).await;
    assert_eq!(get(objects, "k", None).await.unwrap(), b"two");
    remove(objects, "k", Some(&two)).await;
    assert_eq!(get(objects, "k", None).await.unwrap(), b"one");
    assert!(matches!(
        objects.remove_bucket(&bucket_id()).await,
        Err(ObjectError::NotEmpty(_))
    ));
    remove(objects, "k", Some(&one)).await;
    objects.remove_bucket(&bucket_id()).await.unwrap();
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn an_object_and_what_is_told_of_it_are_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    let queue = QueueId {
        account: "000000000000".parse().unwrap(),
        name: "q".parse().unwrap(),
    };
    store
        .messages()
        .create(queue.clone(), Default::default(), BTreeMap::new(), NOW)
        .await
        .unwrap();
    let told = queue.clone();
    let tell: Tell = Arc::new(move |happening| {
        let body = format!("{} {}", happening.event, happening.key);
        let message = NewMessage::plain(MessageId::random(), &told, body, "test");
        vec![Delivery::Message(message)]
    });
    let objects = store.objects();
    let content = objects.draft().unwrap().finish().unwrap();
    objects
        .put(
            &bucket_id(),
            new("k"),
            content,
            OnlyIf::default(),
            tell,
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(store.messages().count(&queue, NOW).unwrap().visible, 1);
    // What cannot be kept is not told, and what nobody hears is kept.
    let told = queue.clone();
    let tell: Tell = Arc::new(move |_| {
        vec![Delivery::Message(NewMessage::plain(
            MessageId::random(),
            &told,
            String::new(),
            "test",
        ))]
    });
    let content = objects.draft().unwrap().finish().unwrap();
    let only_if = OnlyIf {
        is_absent: true,
        etag: None,
    };
    assert!(
        objects
            .put(&bucket_id(), new("k"), content, only_if, tell, NOW)
            .await
            .is_err()
    );
    assert_eq!(store.messages().count(&queue, NOW).unwrap().visible, 1);
    store.messages().remove(&queue).await.unwrap();
    let tell: Tell = Arc::new(move |_| {
        vec![Delivery::Message(NewMessage::plain(
            MessageId::random(),
            &queue,
            String::new(),
            "test",
        ))]
    });
    let content = objects.draft().unwrap().finish().unwrap();
    objects
        .put(
            &bucket_id(),
            new("l"),
            content,
            OnlyIf::default(),
            tell,
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(get(objects, "l", None).await.unwrap(), b"");
}

#[tokio::test]
async fn an_upload_ends_with_its_chosen_parts_and_leaves_none_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    let objects = store.objects();
    let id = objects
        .start_upload(&bucket_id(), "k", About::default(), NOW)
        .await
        .unwrap();
    let place = UploadPlace {
        bucket: bucket_id(),
        key: "k".to_owned(),
        id,
    };
    for (number, bytes) in [(1, "old"), (2, "cd"), (1, "ab"), (3, "unwanted")] {
        let mut draft = objects.draft().unwrap();
        draft.write(bytes.as_bytes()).unwrap();
        let part = (number, bytes.to_owned(), None);
        objects
            .put_part(&place, part, draft.finish().unwrap(), NOW)
            .await
            .unwrap();
    }
    assert_eq!(files(dir.path()), 3);
    let parts: Vec<Part> = objects.parts(&place, 0, 100).await.unwrap();
    assert_eq!(
        parts
            .iter()
            .map(|part| part.etag.as_str())
            .collect::<Vec<_>>(),
        ["ab", "cd", "unwanted"]
    );
    let completion = Completion {
        parts: parts[..2].to_vec(),
        object: new("k"),
        only_if: OnlyIf::default(),
    };
    let mut changed = completion.clone();
    changed.parts[0].size = 1;
    let refused = objects
        .complete_upload(&place, changed, nobody(), NOW)
        .await;
    assert!(matches!(refused, Err(ObjectError::PartsChanged)));
    objects
        .complete_upload(&place, completion, nobody(), NOW)
        .await
        .unwrap();
    assert_eq!(get(objects, "k", None).await.unwrap(), b"abcd");
    assert_eq!(files(dir.path()), 2);
    assert!(matches!(
        objects.upload(&place).await,
        Err(ObjectError::NoUpload(_))
    ));
    // A bucket takes what is being uploaded with it.
    objects
        .start_upload(&bucket_id(), "x", About::default(), NOW)
        .await
        .unwrap();
    remove(objects, "k", None).await;
    objects.remove_bucket(&bucket_id()).await.unwrap();
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn what_was_begun_in_a_bucket_does_not_end_in_another_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    make(&store, Versioning::Off).await;
    let objects = store.objects();
    objects.remove_bucket(&bucket_id()).await.unwrap();
    let other = Bucket {
        account: "111122223333".parse().unwrap(),
        ..bucket(Versioning::Off)
    };
    objects.create_bucket(other.clone()).await.unwrap();
    let put = put_if(objects, "k", b"1", OnlyIf::default()).await;
    assert!(matches!(put, Err(ObjectError::NoBucket(_))));
    let told = objects
        .set_notifications(&bucket_id(), Default::default(), Vec::new(), NOW)
        .await;
    assert!(matches!(told, Err(ObjectError::NoBucket(_))));
    let found = objects.find(&other.id(), "k", None).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(files(dir.path()), 0);
}
