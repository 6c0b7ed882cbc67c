//! Functions behave as a sorted map does, whatever is done to them in whatever order.

use std::collections::BTreeMap;

use kiln_store::Error;
use kiln_types::{Function, UrlId};
use proptest::prelude::*;

use crate::sample::{Sample, account, function, id, text, url};

#[derive(Debug, Clone)]
enum Step {
    Create { name: usize, has_url: bool },
    Update { name: usize, concurrency: u32 },
    Refuse { name: usize },
    Delete { name: usize },
    Reopen,
}

const NAMES: [&str; 5] = ["a", "a-", "a_b", "b", "Z"];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), any::<bool>())
            .prop_map(|(name, has_url)| Step::Create { name, has_url }),
        6 => (name.clone(), 0..9_u32)
            .prop_map(|(name, concurrency)| Step::Update { name, concurrency }),
        1 => name.clone().prop_map(|name| Step::Refuse { name }),
        3 => name.prop_map(|name| Step::Delete { name }),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<&'static str, Function>;

async fn take(sample: &Sample, model: &mut Model, step: &Step) {
    match *step {
        Step::Create { name, has_url } => {
            let mut new = function(NAMES[name]);
            if has_url {
                new.urls.insert(None, url(UrlId::random()));
            }
            let created = sample.store.create_function(new.clone()).await;
            assert_eq!(created.is_ok(), !model.contains_key(NAMES[name]));
            model.entry(NAMES[name]).or_insert(new);
        }
        Step::Update { name, concurrency } => {
            let change = move |function: &mut Function| {
                function.reserved_concurrency = Some(concurrency);
                Ok::<_, Error>(())
            };
            let updated = sample.store.update_function(&id(NAMES[name]), change).await;
            assert_eq!(updated.is_ok(), model.contains_key(NAMES[name]));
            if let Some(function) = model.get_mut(NAMES[name]) {
                function.reserved_concurrency = Some(concurrency);
            }
        }
        Step::Refuse { name } => {
            let refuse = |function: &mut Function| {
                function.urls.clear();
                Err(Error::Closed)
            };
            assert!(
                sample
                    .store
                    .update_function(&id(NAMES[name]), refuse)
                    .await
                    .is_err()
            );
        }
        Step::Delete { name } => {
            let deleted = sample.store.delete_function(&id(NAMES[name])).await;
            assert_eq!(deleted.is_ok(), model.remove(NAMES[name]).is_some());
        }
        Step::Reopen => unreachable!("taken by the caller, who owns the store"),
    }
}

fn assert_same(sample: &Sample, model: &Model) {
    let listed = sample.store.functions(&account());
    let listed: Vec<String> = listed.iter().map(|function| text(function)).collect();
    let expected: Vec<String> = model.values().map(text).collect();
    assert_eq!(listed, expected);
    for function in model.values() {
        assert_eq!(
            text(&sample.store.function(&function.id).unwrap()),
            text(function)
        );
        for url in function.urls.values() {
            let (found, _) = sample.store.function_by_url(&url.id).unwrap();
            assert_eq!(found.id, function.id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn functions_are_a_sorted_map(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut sample = Sample::new();
            let mut model = Model::new();
            for step in &steps {
                if let Step::Reopen = step {
                    sample = sample.reopened().await;
                } else {
                    take(&sample, &mut model, step).await;
                }
                assert_same(&sample, &model);
            }
        });
    }
}
