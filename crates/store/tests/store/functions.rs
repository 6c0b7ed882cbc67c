//! Functions: created, changed one at a time, found, told of, and still there after a restart.

use kiln_store::Error;
use kiln_types::{Function, Qualifier, UrlId, Version};
use tokio::task::JoinSet;

use crate::sample::{Sample, account, function, id, names, text, url};

#[tokio::test]
async fn a_function_reads_back_as_it_was_created_also_after_a_restart() {
    let sample = Sample::new();
    let created = sample.store.create_function(function("sum")).await.unwrap();
    let stored = sample.store.function(&id("sum")).unwrap();
    assert_eq!(text(&created), text(&stored));
    let sample = sample.reopened().await;
    assert_eq!(
        text(&sample.store.function(&id("sum")).unwrap()),
        text(&created)
    );
    assert_eq!(sample.store.all_functions().len(), 1);
}

#[tokio::test]
async fn a_name_is_taken_once_per_account() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let again = sample.store.create_function(function("sum")).await;
    assert!(matches!(again, Err(Error::AlreadyExists(taken)) if taken == id("sum")));
    let mut other = function("sum");
    other.id.account = "123456789012".parse().unwrap();
    sample.store.create_function(other.clone()).await.unwrap();
    assert_eq!(names(&sample.store.functions(&account())), ["sum"]);
    assert_eq!(names(&sample.store.functions(&other.id.account)), ["sum"]);
}

#[tokio::test]
async fn functions_are_listed_by_name() {
    let sample = Sample::new();
    for name in ["b", "a", "c", "B", "a-1"] {
        sample.store.create_function(function(name)).await.unwrap();
    }
    assert_eq!(
        names(&sample.store.functions(&account())),
        ["B", "a", "a-1", "b", "c"]
    );
}

#[tokio::test]
async fn what_a_change_refuses_is_not_kept() {
    #[derive(Debug)]
    enum Refusal {
        Precondition,
        Store(Error),
    }
    impl From<Error> for Refusal {
        fn from(error: Error) -> Self {
            Self::Store(error)
        }
    }
    let sample = Sample::new();
    let before = sample.store.create_function(function("sum")).await.unwrap();
    let refuse = |function: &mut Function| {
        function.reserved_concurrency = Some(1);
        Err(Refusal::Precondition)
    };
    let refused = sample.store.update_function(&id("sum"), refuse).await;
    assert!(matches!(refused, Err(Refusal::Precondition)));
    let missing = sample
        .store
        .update_function(&id("none"), |_| Ok::<_, Refusal>(()))
        .await;
    assert!(matches!(missing, Err(Refusal::Store(Error::NotFound(_)))));
    let sample = sample.reopened().await;
    assert_eq!(
        text(&sample.store.function(&id("sum")).unwrap()),
        text(&before)
    );
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let mut changes = JoinSet::new();
    for _ in 0..200 {
        let store = sample.store.clone();
        changes.spawn(async move {
            let add = |function: &mut Function| {
                let count = function.reserved_concurrency.unwrap_or(0);
                function.reserved_concurrency = Some(count + 1);
                Ok::<_, Error>(())
            };
            store.update_function(&id("sum"), add).await.unwrap();
        });
    }
    changes.join_all().await;
    let sample = sample.reopened().await;
    assert_eq!(
        sample
            .store
            .function(&id("sum"))
            .unwrap()
            .reserved_concurrency,
        Some(200)
    );
}

#[tokio::test]
async fn a_change_that_panics_takes_neither_the_store_nor_its_neighbours_with_it() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let panics = |function: &mut Function| -> Result<(), Error> {
        function.reserved_concurrency = Some(1);
        panic!("as this test wants")
    };
    let keeps = |function: &mut Function| {
        function.tags.insert("kept".to_owned(), "yes".to_owned());
        Ok::<_, Error>(())
    };
    let sum = id("sum");
    let (panicked, kept) = tokio::join!(
        sample.store.update_function(&sum, panics),
        sample.store.update_function(&sum, keeps),
    );
    assert!(matches!(panicked, Err(Error::Panicked(_))), "{panicked:?}");
    let kept = kept.unwrap();
    assert_eq!((kept.reserved_concurrency, kept.tags.len()), (None, 1));
}

#[tokio::test]
async fn the_id_of_a_function_stays() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let rename = |function: &mut Function| {
        function.id = id("other");
        Ok::<_, Error>(())
    };
    let renamed = sample
        .store
        .update_function(&id("sum"), rename)
        .await
        .unwrap();
    assert_eq!(renamed.id, id("sum"));
    assert!(sample.store.function(&id("other")).is_none());
}

#[tokio::test]
async fn a_deleted_function_is_gone_with_its_urls_also_after_a_restart() {
    let sample = Sample::new();
    let label = UrlId::random();
    let mut sum = function("sum");
    sum.urls.insert(None, url(label.clone()));
    sample.store.create_function(sum).await.unwrap();
    sample.store.delete_function(&id("sum")).await.unwrap();
    let again = sample.store.delete_function(&id("sum")).await;
    assert!(matches!(again, Err(Error::NotFound(_))));
    let sample = sample.reopened().await;
    assert!(sample.store.function(&id("sum")).is_none());
    assert!(sample.store.function_by_url(&label).is_none());
    let mut heir = function("heir");
    heir.urls.insert(None, url(label.clone()));
    sample.store.create_function(heir).await.unwrap();
    assert_eq!(
        sample.store.function_by_url(&label).unwrap().0.id,
        id("heir")
    );
}

#[tokio::test]
async fn a_url_leads_to_its_function_and_qualifier_for_as_long_as_it_is_there() {
    let sample = Sample::new();
    let (latest, first) = (UrlId::random(), UrlId::random());
    let qualifier = Qualifier::Version(Version::Published(1));
    let mut sum = function("sum");
    sum.urls.insert(None, url(latest.clone()));
    sum.urls.insert(Some(qualifier.clone()), url(first.clone()));
    sample.store.create_function(sum).await.unwrap();
    let sample = sample.reopened().await;
    let (found, pointed) = sample.store.function_by_url(&first).unwrap();
    assert_eq!((&found.id, pointed), (&id("sum"), Some(qualifier.clone())));
    assert_eq!(sample.store.function_by_url(&latest).unwrap().1, None);
    let remove = move |function: &mut Function| {
        function.urls.remove(&Some(qualifier));
        Ok::<_, Error>(())
    };
    sample
        .store
        .update_function(&id("sum"), remove)
        .await
        .unwrap();
    assert!(sample.store.function_by_url(&first).is_none());
    assert!(sample.store.function_by_url(&latest).is_some());
}

#[tokio::test]
async fn a_url_belongs_to_one_function() {
    let sample = Sample::new();
    let label = UrlId::random();
    for name in ["one", "two"] {
        sample.store.create_function(function(name)).await.unwrap();
    }
    let take = |label: UrlId| {
        move |function: &mut Function| {
            function.urls.insert(None, url(label));
            Ok::<_, Error>(())
        }
    };
    sample
        .store
        .update_function(&id("one"), take(label.clone()))
        .await
        .unwrap();
    let taken = sample
        .store
        .update_function(&id("two"), take(label.clone()))
        .await;
    assert!(matches!(taken, Err(Error::UrlTaken(_))));
    assert!(sample.store.function(&id("two")).unwrap().urls.is_empty());
    assert_eq!(
        sample.store.function_by_url(&label).unwrap().0.id,
        id("one")
    );
}

#[tokio::test]
async fn subscribers_hear_of_every_change_after_it_is_visible() {
    let sample = Sample::new();
    let mut changes = sample.store.subscribe();
    sample.store.create_function(function("sum")).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), id("sum"));
    assert!(sample.store.function(&id("sum")).is_some());
    sample
        .store
        .update_function(&id("sum"), |_| Ok::<_, Error>(()))
        .await
        .unwrap();
    assert_eq!(changes.recv().await.unwrap(), id("sum"));
    sample.store.delete_function(&id("sum")).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), id("sum"));
    assert!(sample.store.function(&id("sum")).is_none());
    let refused = sample.store.delete_function(&id("sum")).await;
    assert!(refused.is_err() && changes.try_recv().is_err());
}
