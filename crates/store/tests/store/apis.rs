//! HTTP APIs: made, found, edited, deleted, and kept apart by account.

use kiln_store::Error;
use kiln_types::api::{Refusal, Route, Stage};
use kiln_types::{AccountId, Api, ApiId, PartId, StageName, Timestamp};

use crate::sample::{Sample, account};

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Why an edit was not kept.
#[derive(Debug)]
enum Failure {
    Store(Error),
    Refused(Refusal),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

fn other() -> AccountId {
    "123456789012".parse().unwrap()
}

async fn create(sample: &Sample, owner: AccountId) -> ApiId {
    let api = Api::new(owner, "pets".into(), NOW);
    let created = sample.store.apis().create(api, 10).await.unwrap();
    created.id.clone()
}

fn route(key: &str) -> Route {
    Route {
        id: PartId::random(),
        key: key.parse().unwrap(),
        is_managed: false,
        operation: None,
        target: None,
        authorization: Default::default(),
    }
}

async fn put(sample: &Sample, id: &ApiId, route: Route) -> Result<PartId, Failure> {
    let (owner, apis) = (account(), sample.store.apis());
    let put = apis.update(&owner, id, move |api: &mut Api| {
        let id = route.id.clone();
        api.put_route(route, NOW).map_err(Failure::Refused)?;
        Ok(id)
    });
    put.await.map(|(_, id)| id)
}

#[tokio::test]
async fn an_api_is_found_by_its_id_also_after_a_restart() {
    let sample = Sample::new();
    let id = create(&sample, account()).await;
    let stage = Stage::new(StageName::default_stage(), NOW);
    let (owner, apis) = (account(), sample.store.apis());
    let added = apis.update(&owner, &id, move |api: &mut Api| {
        api.add_stage(stage, NOW).map_err(Failure::Refused)
    });
    added.await.unwrap();
    put(&sample, &id, route("GET /pets/{id}")).await.unwrap();
    let before = sample.store.apis().get(&id).unwrap();
    let sample = sample.reopened().await;
    assert_eq!(sample.store.apis().get(&id).unwrap(), before);
    assert_eq!(sample.store.apis().list(&account()), [before]);
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let sample = Sample::new();
    let id = create(&sample, account()).await;
    put(&sample, &id, route("GET /")).await.unwrap();
    let again = put(&sample, &id, route("GET /")).await;
    assert!(matches!(
        again,
        Err(Failure::Refused(Refusal::RouteExists(_)))
    ));
    assert_eq!(sample.store.apis().get(&id).unwrap().draft.routes.len(), 1);
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_kept() {
    let sample = Sample::new();
    let id = create(&sample, account()).await;
    let keys: Vec<String> = (0..20).map(|number| format!("GET /{number}")).collect();
    let mut joined = tokio::task::JoinSet::new();
    for key in keys {
        let (store, id) = (sample.store.clone(), id.clone());
        joined.spawn(async move {
            let edit =
                move |api: &mut Api| api.put_route(route(&key), NOW).map_err(Failure::Refused);
            store.apis().update(&account(), &id, edit).await
        });
    }
    while let Some(edited) = joined.join_next().await {
        edited.unwrap().unwrap();
    }
    let api = sample.store.apis().get(&id).unwrap();
    assert_eq!(api.draft.routes.len(), 20);
}

#[tokio::test]
async fn another_account_neither_sees_nor_changes_nor_deletes_it() {
    let sample = Sample::new();
    let id = create(&sample, other()).await;
    assert!(sample.store.apis().list(&account()).is_empty());
    let edited = put(&sample, &id, route("GET /")).await;
    assert!(matches!(edited, Err(Failure::Store(Error::NoApi { .. }))));
    let deleted = sample.store.apis().delete(&account(), &id).await;
    assert!(matches!(deleted, Err(Error::NoApi { .. })));
    sample.store.apis().delete(&other(), &id).await.unwrap();
    assert_eq!(sample.store.apis().get(&id), None);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.apis().get(&id), None);
}

#[tokio::test]
async fn an_account_has_only_so_many() {
    let sample = Sample::new();
    create(&sample, account()).await;
    let api = |owner| Api::new(owner, "more".into(), NOW);
    let refused = sample.store.apis().create(api(account()), 1).await;
    assert!(matches!(refused, Err(Error::TooManyApis(1))));
    sample.store.apis().create(api(other()), 1).await.unwrap();
}
