//! Tenants: which accounts there are, and that none has more than it may.

use std::collections::BTreeMap;

use kiln_store::TenantError;
use kiln_store::messages::Settings;
use kiln_types::function::Code;
use kiln_types::{AccountId, Bucket, QueueId, Sha256, TenantLimits, Versioning};

use crate::erasure::{ONE, OTHER, account, erase, tenant};
use crate::queue::at;
use crate::sample::{Sample, function};

#[tokio::test]
async fn functions_and_code_are_limited_for_their_account_alone() {
    let sample = Sample::new();
    let store = &sample.store;
    for id in [ONE, OTHER] {
        store.create_tenant(tenant(id)).await.unwrap();
    }
    let code = |bytes| Code {
        sha256: Sha256::from_bytes([7; 32]),
        zipped_bytes: bytes,
        unzipped_bytes: bytes,
        signer: None,
    };
    let create = async |id: &str, name: &str, bytes: u64| {
        let mut function = function(name);
        function.id.account = account(id);
        std::sync::Arc::make_mut(&mut function.latest).code = code(bytes);
        store.create_function(function).await
    };
    let limit = |limits: &mut TenantLimits| {
        (limits.functions, limits.code_bytes) = (Some(2), Some(100));
    };
    store.limit_tenant(&account(ONE), "", limit).await.unwrap();
    create(ONE, "a", 60).await.unwrap();
    let full = create(ONE, "b", 41).await.unwrap_err();
    assert!(
        matches!(full, kiln_store::Error::CodeStorageFull(100)),
        "{full}"
    );
    let b = create(ONE, "b", 40).await.unwrap();
    let many = create(ONE, "c", 0).await.unwrap_err();
    assert!(
        matches!(many, kiln_store::Error::TooManyFunctions(2)),
        "{many}"
    );
    let larger = |bytes: u64| {
        let code = code(bytes);
        store.update_function(&b.id, move |function| {
            std::sync::Arc::make_mut(&mut function.latest).code = code;
            Ok::<_, kiln_store::Error>(())
        })
    };
    assert!(larger(41).await.is_err());
    assert_eq!(store.function(&b.id).unwrap().latest.code.zipped_bytes, 40);
    larger(39).await.unwrap();
    for name in ["a", "b", "c"] {
        create(OTHER, name, 1_000).await.unwrap();
    }
    // Two at once cannot both take the last place.
    store.delete_function(&b.id).await.unwrap();
    let (one, two) = tokio::join!(create(ONE, "x", 0), create(ONE, "y", 0));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    // It outlives the server.
    let sample = sample.reopened().await;
    let limits = sample.store.tenants().limits(&account(ONE));
    assert_eq!((limits.functions, limits.code_bytes), (Some(2), Some(100)));
}

#[tokio::test]
async fn queues_and_buckets_are_limited() {
    let sample = Sample::new();
    let store = &sample.store;
    store.create_tenant(tenant(ONE)).await.unwrap();
    let limit = |limits: &mut TenantLimits| (limits.queues, limits.buckets) = (Some(1), Some(1));
    store.limit_tenant(&account(ONE), "", limit).await.unwrap();
    let queue = async |name: &str| {
        let id = QueueId {
            account: account(ONE),
            name: name.parse().unwrap(),
        };
        store
            .messages()
            .create(id, Settings::default(), BTreeMap::new(), at(0))
            .await
    };
    queue("a").await.unwrap();
    assert!(matches!(
        queue("b").await,
        Err(kiln_store::Error::TooManyQueues(1))
    ));
    assert!(
        !queue("a").await.unwrap().is_new,
        "what is there can be made again"
    );
    let bucket = async |name: &str| {
        let bucket = Bucket {
            name: name.parse().unwrap(),
            account: account(ONE),
            created: at(0),
            versioning: Versioning::Off,
            tags: BTreeMap::new(),
            notifications: Default::default(),
            policy: None,
            public_access_block: None,
        };
        store.objects().create_bucket(bucket).await
    };
    bucket("one-bucket").await.unwrap();
    assert!(bucket("two-buckets").await.is_err());
}

#[tokio::test]
async fn accounts_are_known_by_what_they_have() {
    let sample = Sample::new();
    let store = &sample.store;
    store.keys().create(&account(OTHER), "ci").await.unwrap();
    store.create_tenant(tenant(ONE)).await.unwrap();
    let known: Vec<_> = store.accounts().await.unwrap().into_iter().collect();
    assert_eq!(known, [account(ONE), account(OTHER)]);
    let taken = store.create_tenant(tenant(OTHER)).await;
    assert!(matches!(taken, Err(TenantError::Exists(_))));
    let id = account(OTHER);
    let limited = store.limit_tenant(&id, "named", |limits| limits.functions = Some(9));
    assert_eq!(limited.await.unwrap().name, "named");
    let unknown = store
        .limit_tenant(&account("999999999999"), "", |_| ())
        .await;
    assert!(matches!(unknown, Err(TenantError::NoTenant(_))));
}

#[tokio::test]
async fn concurrency_is_told_at_once_and_taken_back_by_an_erasure() {
    let sample = Sample::new();
    let store = &sample.store;
    store.create_tenant(tenant(ONE)).await.unwrap();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = told.clone();
    let listener = move |_: &AccountId, concurrency| heard.lock().unwrap().push(concurrency);
    store.tenants().follow_concurrency(Box::new(listener));
    let set = |count| move |limits: &mut TenantLimits| limits.concurrency = count;
    for count in [Some(3), None, Some(5)] {
        store
            .limit_tenant(&account(ONE), "", set(count))
            .await
            .unwrap();
        assert_eq!(told.lock().unwrap().last(), Some(&count));
    }
    store.begin_erasure(&account(ONE)).await.unwrap();
    erase(store).await;
    assert_eq!(told.lock().unwrap().last(), Some(&None));
}
