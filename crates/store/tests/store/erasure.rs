//! Erasing an account: nothing is left of it, nothing else is touched, and a crash in between changes neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use kiln_store::erasure::Erased;
use kiln_store::messages::Settings;
use kiln_store::objects::{About, NewObject, OnlyIf};
use kiln_store::queue::Delivery;
use kiln_store::{NewVersion, SecretValue, Store, TenantError};
use kiln_types::function::Code;
use kiln_types::secret::Secret;
use kiln_types::{
    AccountId, Archive, ArchiveId, Bucket, BusId, FunctionId, QueueId, SecretId, Tenant,
    TenantLimits, Versioning, limits,
};
use zeroize::Zeroizing;

use crate::logs::{record as log_record, stream};
use crate::messages::message;
use crate::objects::nobody;
use crate::queue::{assert_conserved, at, claim_all, dead, event};
use crate::raw_zip::{build, file};
use crate::sample::{Sample, function};
use crate::schedules;

pub const ONE: &str = "111122223333";
pub const OTHER: &str = "444455556666";

pub fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

pub fn tenant(id: &str) -> Tenant {
    Tenant {
        id: account(id),
        name: format!("the tenant {id}"),
        created: at(0),
        limits: TenantLimits::default(),
    }
}

/// What only one account says, in some place.
fn says(id: &str, place: &str) -> String {
    format!(
        "{place} of {} says {}",
        if id == ONE { "one" } else { "other" },
        "x".repeat(24)
    )
}

/// Erases the account, to the end.
pub(crate) async fn erase(store: &Store) -> Erased {
    let witness = async |_: &Erased| Ok(());
    let erased = store.erase(&account(ONE), witness).await.unwrap();
    erased.expect("it was begun")
}

async fn put_package(store: &Store, account: &AccountId, text: &str) -> Code {
    let zip = Bytes::from(build(&[file("index.py", text.as_bytes())]));
    let code = store.artifacts().put_zip(zip, limits::ZIPPED_BYTES_MAX);
    let code = code.await.unwrap();
    store.note_package(account, &code.sha256).await.unwrap();
    code
}

async fn make_function(store: &Store, id: &str, name: &str, code: Code) -> FunctionId {
    let mut function = function(name);
    function.id.account = account(id);
    let latest = std::sync::Arc::make_mut(&mut function.latest);
    latest.code = code;
    latest.environment = BTreeMap::from([("SAYS".to_owned(), says(id, "environment"))]);
    store.create_function(function).await.unwrap().id.clone()
}

async fn fill_meta(store: &Store, id: &str) -> FunctionId {
    store.create_tenant(tenant(id)).await.unwrap();
    let code = put_package(store, &account(id), &says(id, "code")).await;
    let sum = make_function(store, id, "sum", code).await;
    // Both have this one.
    let shared = put_package(store, &account(id), "shared = 1").await;
    make_function(store, id, "shared", shared).await;
    let secret = Secret {
        id: SecretId {
            account: account(id),
            name: "db".parse().unwrap(),
        },
        suffix: "AbC123".to_owned(),
        description: Some(says(id, "secret")),
        key_id: None,
        tags: BTreeMap::new(),
        policy: None,
        created: at(0),
        changed: at(0),
        accessed: None,
        deletion: None,
        versions: BTreeMap::new(),
    };
    let version = NewVersion {
        id: "v1".to_owned(),
        value: SecretValue::Text(Zeroizing::new(says(id, "secret"))),
        labels: None,
    };
    store
        .secrets()
        .create(secret, Some(version), 10)
        .await
        .unwrap();
    sum
}

async fn fill_queue(store: &Store, id: &str, sum: &FunctionId) {
    let queue = QueueId {
        account: account(id),
        name: "orders".parse().unwrap(),
    };
    let made = store
        .messages()
        .create(queue.clone(), Settings::default(), BTreeMap::new(), at(0));
    made.await.unwrap();
    let mut sent = message("orders", says(id, "message"));
    sent.queue = queue;
    let accepted = |place: &str| {
        let mut accepted = event("sum", says(id, place));
        accepted.function = sum.clone();
        accepted.invoked_arn = kiln_types::FunctionArn::new(Default::default(), sum);
        accepted
    };
    let archive = Archive {
        id: ArchiveId {
            account: account(id),
            name: "all".parse().unwrap(),
        },
        bus: BusId::default_of(account(id)),
        description: None,
        pattern: None,
        retention_days: 0,
        key: None,
        created: at(0),
    };
    store.archives().create(archive.clone(), 9).await.unwrap();
    let archived = kiln_store::archives::NewArchived {
        archive: archive.id,
        at: at(0),
        event: says(id, "archived").into(),
    };
    let deliveries = vec![
        Delivery::Event(accepted("dead letter")),
        Delivery::Message(sent),
        Delivery::Archived(archived),
    ];
    store.queue().deliver(deliveries, at(0)).await.unwrap();
    for claimed in claim_all(store, at(0)).await {
        let reason = kiln_store::queue::Reason::RetriesExhausted;
        let settled = store.queue().settle(claimed.key, dead(reason, at(1)));
        settled.await.unwrap();
    }
    // One that is too large for its row waits.
    let large = says(id, "event") + &"y".repeat(70_000);
    let mut waiting = accepted("event");
    waiting.payload = large.into();
    store.queue().accept(waiting, at(2)).await.unwrap();
    let mut schedule = schedules::new(schedules::id("default", "tick"), 60_000);
    schedule.id.account = account(id);
    schedule.settings.description = Some(says(id, "schedule"));
    store
        .schedules()
        .create(schedule, None, at(0))
        .await
        .unwrap();
}

async fn fill_objects(store: &Store, id: &str) {
    let bucket = Bucket {
        name: format!("things-{}", &id[..4]).parse().unwrap(),
        account: account(id),
        created: at(0),
        versioning: Versioning::Enabled,
        tags: BTreeMap::new(),
        notifications: Default::default(),
        policy: None,
        public_access_block: None,
    };
    store.objects().create_bucket(bucket.clone()).await.unwrap();
    for _ in 0..2 {
        let mut draft = store.objects().draft().unwrap();
        draft.write(says(id, "object").as_bytes()).unwrap();
        let written = draft.finish().unwrap();
        let new = NewObject {
            key: "k".to_owned(),
            etag: "e".to_owned(),
            about: About::default(),
            event: "ObjectCreated:Put",
        };
        let (objects, only_if) = (store.objects(), OnlyIf::default());
        let place = bucket.id();
        let put = objects.put(&place, new, written, only_if, nobody(), at(0));
        put.await.unwrap();
    }
}

async fn fill_logs_and_usage(store: &Store, id: &str, sum: &FunctionId) {
    let mut log = (*stream("/aws/lambda/sum", "s")).clone();
    log.account = account(id);
    let log = std::sync::Arc::new(log);
    store
        .logs()
        .append(vec![log_record(&log, 5, &says(id, "log"))]);
    store.logs().flush().await.unwrap();
    let mut used = crate::usage::record("sum", 1_000);
    used.function = sum.clone();
    store.usage().append(vec![used]).await.unwrap();
}

async fn fill(store: &Store, id: &str) {
    let sum = fill_meta(store, id).await;
    fill_queue(store, id, &sum).await;
    fill_objects(store, id).await;
    fill_logs_and_usage(store, id, &sum).await;
}

/// The files below a directory that have a text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path)
            .unwrap()
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

const PLAIN: [&str; 6] = [
    "code",
    "message",
    "dead letter",
    "event",
    "archived",
    "object",
];

fn assert_nothing_in_memory(store: &Store, key: &str) {
    assert!(store.functions(&account(ONE)).is_empty());
    assert!(store.secrets().list(&account(ONE)).is_empty());
    assert!(store.messages().list(&account(ONE)).is_empty());
    assert!(store.objects().buckets(&account(ONE)).is_empty());
    assert!(store.archives().list(&account(ONE)).is_empty());
    assert!(store.keys().list(&account(ONE)).is_empty());
    assert_eq!(store.keys().get(key), None);
    assert_eq!(store.tenants().get(&account(ONE)), None);
}

/// The package that both have is still there, and everything of the other opens again.
async fn assert_whole_after_a_restart(sample: Sample, before: &BTreeMap<String, u64>) {
    let sample = sample.reopened().await;
    let other = sample.store.functions(&account(OTHER));
    assert_eq!(other.len(), 2);
    for function in other {
        assert!(
            sample
                .store
                .artifacts()
                .dir(&function.latest.code.sha256)
                .is_dir()
        );
    }
    let secrets = sample.store.secrets().list(&account(OTHER));
    let value = sample
        .store
        .secrets()
        .value(&secrets[0], "v1")
        .await
        .unwrap();
    assert!(value.is_some());
    assert_eq!(
        sample.store.inventory(&account(OTHER)).await.unwrap(),
        *before
    );
    assert_eq!(sample.store.tenants().erasing().await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_account_and_all_of_another() {
    let sample = Sample::new();
    let (store, dir) = (sample.store.clone(), sample.dir.path().to_owned());
    fill(&store, ONE).await;
    fill(&store, OTHER).await;
    let before = store.inventory(&account(OTHER)).await.unwrap();
    for place in PLAIN.into_iter().chain(["log", "schedule"]) {
        assert!(
            !holding(&dir, &says(ONE, place)).is_empty(),
            "{place} is looked for in vain"
        );
    }
    let bytes_of_other = {
        let alone = Sample::new();
        fill(&alone.store, OTHER).await;
        alone.store.queue().totals().bytes
    };
    let keys = store.keys().list(&account(ONE));
    store.begin_erasure(&account(ONE)).await.unwrap();
    assert!(!store.keys().get(&keys[0].id).unwrap().active);
    let erased = erase(&store).await;
    assert_eq!(erased.left, Vec::<String>::new());
    // The package that both have put: its name is in a row of the other's, and on the shelf.
    let kept: Vec<&str> = erased.kept.iter().map(|kept| &*kept.what).collect();
    assert_eq!(kept, ["artifacts", "meta.db"]);
    for (table, count) in [
        ("function", 2),
        ("secret", 1),
        ("message", 1),
        ("dead", 1),
        ("event", 1),
        ("archived", 1),
        ("object", 2),
        ("schedule", 1),
        ("log_event", 1),
        ("usage", 1),
        ("package", 2),
        ("data_key", 1),
    ] {
        assert_eq!(erased.removed.get(table), Some(&count), "{table}");
    }
    assert_eq!(erased.data_keys.len(), 1);
    assert!(erased.searched.markers > 5 && erased.searched.files > 5);
    for place in PLAIN.into_iter().chain(["log", "schedule"]) {
        assert_eq!(
            holding(&dir, &says(ONE, place)),
            Vec::<String>::new(),
            "{place}"
        );
        assert!(!holding(&dir, &says(OTHER, place)).is_empty(), "{place}");
    }
    assert_eq!(holding(&dir, ONE), Vec::<String>::new());
    assert_eq!(holding(&dir, &keys[0].id), Vec::<String>::new());
    assert_eq!(
        store.inventory(&account(ONE)).await.unwrap(),
        BTreeMap::new()
    );
    assert_eq!(store.inventory(&account(OTHER)).await.unwrap(), before);
    assert_nothing_in_memory(&store, &keys[0].id);
    assert_conserved(store.queue().totals());
    assert_eq!(store.queue().totals().bytes, bytes_of_other);
    drop(store);
    assert_whole_after_a_restart(sample, &before).await;
}

#[tokio::test]
async fn an_erasure_goes_on_after_a_crash_and_says_what_there_was_at_its_beginning() {
    let sample = Sample::new();
    fill(&sample.store, ONE).await;
    sample.store.begin_erasure(&account(ONE)).await.unwrap();
    for function in sample.store.functions(&account(ONE)) {
        sample.store.delete_function(&function.id).await.unwrap();
    }
    let sample = sample.reopened().await;
    let store = &sample.store;
    assert_eq!(store.tenants().erasing().await.unwrap(), [account(ONE)]);
    assert!(store.tenants().is_closed(&account(ONE)));
    assert!(
        store
            .keys()
            .list(&account(ONE))
            .iter()
            .all(|key| !key.active)
    );
    let again = store.create_tenant(tenant(ONE)).await;
    assert!(matches!(
        again,
        Err(TenantError::Exists(_) | TenantError::Erasing(_))
    ));
    // Once more is the same.
    store.begin_erasure(&account(ONE)).await.unwrap();
    let erased = erase(store).await;
    assert_eq!(erased.left, Vec::<String>::new());
    assert_eq!(erased.removed["function"], 2);
    assert_eq!(holding(sample.dir.path(), ONE), Vec::<String>::new());
    assert_eq!(
        holding(sample.dir.path(), &says(ONE, "code")),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn nothing_is_kept_of_an_account_that_is_being_erased() {
    let sample = Sample::new();
    fill(&sample.store, ONE).await;
    sample.store.begin_erasure(&account(ONE)).await.unwrap();
    let erased = erase(&sample.store).await;
    assert_eq!(erased.left, Vec::<String>::new());
    // What ran may say so afterwards.
    let sum = FunctionId {
        account: account(ONE),
        name: "sum".parse().unwrap(),
    };
    fill_logs_and_usage(&sample.store, ONE, &sum).await;
    assert_eq!(
        sample.store.inventory(&account(ONE)).await.unwrap(),
        BTreeMap::new()
    );
    // Made anew it is another account, of which everything is kept.
    sample.store.create_tenant(tenant(ONE)).await.unwrap();
    fill_logs_and_usage(&sample.store, ONE, &sum).await;
    let has = sample.store.inventory(&account(ONE)).await.unwrap();
    assert_eq!((has["log_event"], has["usage"]), (1, 1));
}

#[tokio::test]
async fn what_another_account_says_of_an_erased_one_is_told_and_stays() {
    let sample = Sample::new();
    fill(&sample.store, ONE).await;
    let queue = QueueId {
        account: account(OTHER),
        name: "names".parse().unwrap(),
    };
    let messages = sample.store.messages();
    let made = messages.create(queue.clone(), Settings::default(), BTreeMap::new(), at(0));
    made.await.unwrap();
    let mut sent = message("names", format!("{ONE} owes us"));
    sent.queue = queue;
    messages.send(vec![sent], at(0)).await.unwrap();
    sample.store.begin_erasure(&account(ONE)).await.unwrap();
    let erased = erase(&sample.store).await;
    assert_eq!(erased.left, Vec::<String>::new());
    let kept: Vec<_> = erased.kept.iter().map(|kept| kept.why.as_str()).collect();
    assert_eq!(kept, ["rows of other accounts mention it"]);
}

#[tokio::test]
async fn a_file_that_nobody_knows_keeps_an_erasure_from_being_done() {
    let sample = Sample::new();
    fill(&sample.store, ONE).await;
    let stray = sample.dir.path().join("stray");
    fs::write(&stray, format!("account {ONE}")).unwrap();
    sample.store.begin_erasure(&account(ONE)).await.unwrap();
    let erased = erase(&sample.store).await;
    assert_eq!(erased.left, ["the id in stray"]);
    assert_eq!(
        sample.store.tenants().erasing().await.unwrap(),
        [account(ONE)]
    );
    fs::remove_file(stray).unwrap();
    let erased = erase(&sample.store).await;
    assert_eq!(erased.left, Vec::<String>::new());
    assert_eq!(sample.store.tenants().erasing().await.unwrap(), []);
    // Who waited for that one to end has nothing to do, and does nothing to an account that is made anew.
    let made = sample.store.create_tenant(tenant(ONE)).await.unwrap();
    let witness = async |_: &Erased| panic!("there is nothing to tell");
    let again = sample.store.erase(&account(ONE), witness).await;
    assert_eq!(again.unwrap(), None);
    assert!(sample.store.keys().get(&made.1.id).is_some());
}
