//! Event source mappings: kept, found, changed, never two alike, and removed.

use kiln_store::Error;
use kiln_types::mapping::NOTHING_PROCESSED;
use kiln_types::mapping::postgres::PostgresSource;
use kiln_types::{
    AccountId, EventSource, FunctionArn, Mapping, MappingId, MappingSettings, MappingState, Region,
    TenantLimits, Timestamp,
};

use crate::erasure::{ONE, tenant};
use crate::sample::{Sample, account, id};

fn arn(function: &str) -> FunctionArn {
    FunctionArn::new(Region::default(), &id(function))
}

fn mapping(function: &str, table: &str) -> Mapping {
    let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    Mapping {
        id: MappingId::random(),
        account: account(),
        function: arn(function),
        source: EventSource::Postgres(PostgresSource {
            endpoint: "postgres://localhost:5432/shop".parse().unwrap(),
            tables: vec![table.parse().unwrap()],
            credentials: secret.parse().unwrap(),
            root_certificates: None,
        }),
        settings: MappingSettings {
            batch_size: 100,
            window_secs: 0,
            parallel: 1,
            retries: None,
            age_max_secs: Some(60),
            bisects: true,
            reports_failures: false,
            tumbling_secs: 0,
            on_failure: Some(arn("other").to_string().parse().unwrap()),
            filters: vec!["{}".to_owned()],
            concurrency_max: None,
        },
        is_enabled: true,
        state: MappingState::Creating,
        last_result: NOTHING_PROCESSED.to_owned(),
        has_made: false,
        modified: Timestamp::from_millis(7),
        revision: 1,
        tags: Default::default(),
        kept: Default::default(),
    }
}

#[tokio::test]
async fn an_account_has_no_more_mappings_than_it_may() {
    let sample = Sample::new();
    let store = &sample.store;
    store.create_tenant(tenant(ONE)).await.unwrap();
    let limit = |limits: &mut TenantLimits| limits.event_sources = Some(1);
    let id = crate::erasure::account(ONE);
    store.limit_tenant(&id, "", limit).await.unwrap();
    let create = async |table: &str, of: &AccountId| {
        let mapping = Mapping {
            account: of.clone(),
            ..mapping("sum", table)
        };
        store.mappings().create(mapping).await
    };
    let first = create("orders", &id).await.unwrap();
    let more = create("customers", &id).await.unwrap_err();
    assert!(matches!(more, Error::TooManyEventSources(1)), "{more}");
    create("customers", &account()).await.unwrap();
    store.mappings().remove(first.id).await.unwrap();
    create("customers", &id).await.unwrap();
}

#[tokio::test]
async fn a_mapping_survives_the_store_as_it_was() {
    let sample = Sample::new();
    let made = mapping("sum", "orders");
    sample.store.mappings().create(made.clone()).await.unwrap();
    let sample = sample.reopened().await;
    assert_eq!(*sample.store.mappings().get(made.id).unwrap(), made);
    assert_eq!(sample.store.mappings().list(&account()).len(), 1);
}

#[tokio::test]
async fn no_two_bring_the_same_events_to_the_same_function() {
    let sample = Sample::new();
    let mappings = sample.store.mappings();
    let first = mapping("sum", "orders");
    mappings.create(first.clone()).await.unwrap();
    let refused = mappings.create(mapping("sum", "orders")).await;
    assert!(
        matches!(refused, Err(Error::MappingExists(id)) if id == first.id),
        "{refused:?}"
    );
    mappings.create(mapping("sum", "items")).await.unwrap();
    let other = mapping("other", "orders");
    mappings.create(other.clone()).await.unwrap();
    let moved = mappings.update(other.id, |mapping| {
        mapping.function = arn("sum");
        Ok::<_, Error>(())
    });
    assert!(matches!(moved.await, Err(Error::MappingExists(id)) if id == first.id));
    assert_eq!(mappings.get(other.id).unwrap().function, arn("other"));
}

#[tokio::test]
async fn a_change_is_kept_whole_or_not_at_all() {
    let sample = Sample::new();
    let mappings = sample.store.mappings();
    let made = mapping("sum", "orders");
    mappings.create(made.clone()).await.unwrap();
    let changed = mappings.update(made.id, |mapping| {
        mapping.state = MappingState::Enabled;
        mapping.id = MappingId::random();
        Ok::<_, Error>(())
    });
    let changed = changed.await.unwrap();
    assert_eq!(
        (changed.id, changed.state),
        (made.id, MappingState::Enabled)
    );
    let refused = mappings.update(made.id, |mapping| {
        mapping.state = MappingState::Deleting;
        Err(Error::Closed)
    });
    assert!(refused.await.is_err());
    assert_eq!(mappings.get(made.id).unwrap().state, MappingState::Enabled);
    let absent = MappingId::random();
    let none = mappings.update(absent, |_| Ok::<_, Error>(()));
    assert!(matches!(none.await, Err(Error::NoMapping(id)) if id == absent));
}

#[tokio::test]
async fn what_is_removed_is_gone_and_its_place_is_free() {
    let sample = Sample::new();
    let made = mapping("sum", "orders");
    let mappings = sample.store.mappings();
    mappings.create(made.clone()).await.unwrap();
    let mut changes = mappings.subscribe();
    mappings.remove(made.id).await.unwrap();
    mappings.remove(made.id).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), made.id);
    assert_eq!(mappings.get(made.id), None);
    mappings.create(mapping("sum", "orders")).await.unwrap();
    let sample = sample.reopened().await;
    assert_eq!(sample.store.mappings().get(made.id), None);
}

#[tokio::test]
async fn a_place_survives_changes_and_restarts_and_goes_with_its_mapping() {
    let sample = Sample::new();
    let made = mapping("sum", "orders");
    let mappings = sample.store.mappings();
    let refused = mappings.keep_place(made.id, "1").await.unwrap_err();
    assert!(matches!(refused, Error::NoMapping(_)), "{refused}");
    mappings.create(made.clone()).await.unwrap();
    assert_eq!(mappings.place(made.id).await.unwrap(), None);
    for place in ["1", "2"] {
        mappings.keep_place(made.id, place).await.unwrap();
    }
    let disable = |mapping: &mut Mapping| {
        mapping.is_enabled = false;
        Ok::<_, Error>(())
    };
    mappings.update(made.id, disable).await.unwrap();
    let sample = sample.reopened().await;
    let mappings = sample.store.mappings();
    assert_eq!(mappings.place(made.id).await.unwrap().as_deref(), Some("2"));
    mappings.remove(made.id).await.unwrap();
    assert_eq!(mappings.place(made.id).await.unwrap(), None);
}
