//! Mappings from their creation to their removal, with a source that does as it is told, a function that answers as it
//! is told, and a real store.

use std::time::Duration;

use kiln_types::MappingState;

pub(crate) mod listener;
mod queues;
pub(crate) mod rig;

use rig::{Answer, Rig, mapping};

/// Long enough for something to happen that must not.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_new_mapping_listens_and_its_source_moves_after_the_function() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    rig.until_state(id, MappingState::Enabled).await;
    let source = rig.source(id).await;
    source.say(1..=3).await;
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [1, 2, 3]);
    assert_eq!(source.confirmed(), None, "the function has not answered");
    invoked.answer(Answer::Works);
    source.until_confirmed("3").await;
    rig.until_result(id, "OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn disabled_means_disabled() {
    let rig = Rig::start().await;
    let mut disabled = mapping("sum", "a");
    disabled.is_enabled = false;
    let id = rig.create(disabled).await;
    rig.until_state(id, MappingState::Disabled).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.opened(id).is_none(), "nobody listens");
    rig.change(id, |mapping| mapping.is_enabled = true).await;
    rig.until_state(id, MappingState::Enabled).await;
    let source = rig.source(id).await;
    source.say(1..=2).await;
    let invoked = rig.invoked().await;
    rig.change(id, |mapping| mapping.is_enabled = false).await;
    source.say(3..=4).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(
        rig.get(id).unwrap().state,
        MappingState::Disabling,
        "one still runs"
    );
    invoked.answer(Answer::Works);
    rig.until_state(id, MappingState::Disabled).await;
    assert_eq!(
        source.confirmed().as_deref(),
        Some("2"),
        "it was told before it was closed"
    );
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.nothing_invoked());
    rig.stop().await;
}

#[tokio::test]
async fn what_is_made_is_noted_first_and_removed_with_the_mapping() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    rig.until_state(id, MappingState::Enabled).await;
    assert!(rig.get(id).unwrap().has_made);
    rig.clean_ups_fail(1);
    rig.delete(id).await;
    rig.until(|| {
        rig.get(id)
            .is_some_and(|found| found.last_result.starts_with("PROBLEM: "))
    })
    .await;
    assert_eq!(rig.get(id).unwrap().state, MappingState::Deleting);
    rig.until(|| rig.get(id).is_none()).await;
    assert_eq!(rig.cleaned(), [id]);
    rig.stop().await;
}

#[tokio::test]
async fn a_mapping_that_made_nothing_goes_at_once() {
    let rig = Rig::start().await;
    rig.refuse(Some("no route"));
    let id = rig.create(mapping("sum", "a")).await;
    rig.until_state(id, MappingState::Enabled).await;
    assert_eq!(rig.get(id).unwrap().last_result, "PROBLEM: no route");
    rig.delete(id).await;
    rig.until(|| rig.get(id).is_none()).await;
    assert!(rig.cleaned().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_source_that_fails_is_tried_again_and_touches_no_other() {
    let rig = Rig::start().await;
    let failing = rig.create(mapping("sum", "a")).await;
    let other = rig.create(mapping("sum", "b")).await;
    let (source, well) = (rig.source(failing).await, rig.source(other).await);
    rig.until_state(failing, MappingState::Enabled).await;
    source.say(1..=2).await;
    let invoked = rig.invoked().await;
    source.fail("it is gone").await;
    rig.until_result(failing, "PROBLEM: it is gone").await;
    well.say(1..=1).await;
    rig.invoked().await.answer(Answer::Works);
    well.until_confirmed("1").await;
    // The batch goes on meanwhile; what comes again is known.
    let again = rig.reopened(failing, &source).await;
    again.say(1..=3).await;
    invoked.answer(Answer::Works);
    let invoked = rig.invoked().await;
    assert_eq!(invoked.numbers, [3]);
    invoked.answer(Answer::Works);
    again.until_confirmed("3").await;
    rig.until_result(failing, "OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_source_that_is_another_is_heard_from_its_beginning() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    let mut source = rig.source(id).await;
    // Also when it ends as soon as it has said so.
    for ends in [false, true, true, true, true, true] {
        source.say(7..=8).await;
        let invoked = rig.invoked().await;
        assert_eq!(invoked.numbers, [7, 8], "they are not known already");
        invoked.answer(Answer::Works);
        source.until_confirmed("8").await;
        source.be_another().await;
        if ends {
            source.fail("it is another").await;
        }
        source = rig.reopened(id, &source).await;
        assert_eq!(source.confirmed(), None, "places of before mean nothing");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_fault_of_ours_in_one_mapping_is_none_of_the_others() {
    let rig = Rig::start().await;
    let faulty = rig.create(mapping("sum", "panics")).await;
    let well = rig.create(mapping("sum", "b")).await;
    let source = rig.source(well).await;
    source.say(1..=1).await;
    rig.invoked().await.answer(Answer::Works);
    source.until_confirmed("1").await;
    assert_eq!(rig.get(faulty).unwrap().state, MappingState::Creating);
    rig.stop().await;
}

#[tokio::test]
async fn what_is_given_up_is_on_disk_before_the_source_moves() {
    let rig = Rig::start().await;
    let mut given = mapping("sum", "a");
    given.settings.retries = Some(0);
    given.settings.on_failure = Some(rig::arn("other").to_string().parse().unwrap());
    let id = rig.create(given).await;
    let source = rig.source(id).await;
    source.say(1..=2).await;
    rig.invoked().await.answer(Answer::Fails);
    source.until_confirmed("2").await;
    let queued = rig.queued().await;
    assert_eq!(
        queued["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(queued["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(
        queued["payload"]["Records"],
        serde_json::json!([{"n": 1}, {"n": 2}])
    );
    rig.until_result(id, "PROBLEM: Function call failed").await;
    rig.stop().await;
}

#[tokio::test]
async fn what_no_filter_wants_is_done_without_the_function() {
    let rig = Rig::start().await;
    let mut given = mapping("sum", "a");
    given.settings.filters = vec![r#"{"n":[{"numeric":[">",2,"<=",4]}]}"#.to_owned()];
    let id = rig.create(given).await;
    let source = rig.source(id).await;
    source.say(1..=2).await;
    source.until_confirmed("2").await;
    source.say(3..=5).await;
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 2 {
        let invoked = rig.invoked().await;
        seen.extend(&invoked.numbers);
        invoked.answer(Answer::Works);
    }
    assert_eq!(seen, [3, 4]);
    source.until_confirmed("5").await;
    assert!(rig.nothing_invoked());
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_run_waits_and_says_why() {
    let rig = Rig::start().await;
    let mut given = mapping("sum", "a");
    given.settings.retries = Some(0);
    let id = rig.create(given).await;
    let source = rig.source(id).await;
    source.say(1..=1).await;
    rig.invoked().await.answer(Answer::Refused);
    rig.until(|| rig.get(id).unwrap().last_result.starts_with("PROBLEM: "))
        .await;
    let again = rig.invoked().await;
    assert_eq!(again.numbers, [1]);
    again.answer(Answer::Works);
    source.until_confirmed("1").await;
    rig.until_result(id, "OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn new_settings_hold_from_the_next_batch_on() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    let source = rig.source(id).await;
    rig.until_state(id, MappingState::Enabled).await;
    rig.change(id, |mapping| mapping.settings.batch_size = 1)
        .await;
    rig.until_state(id, MappingState::Enabled).await;
    let again = rig.reopened(id, &source).await;
    again.say(1..=2).await;
    let first = rig.invoked().await;
    assert_eq!(first.numbers, [1]);
    first.answer(Answer::Works);
    let second = rig.invoked().await;
    assert_eq!(second.numbers, [2]);
    second.answer(Answer::Works);
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_waits_for_what_runs_and_tells_the_source() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    let source = rig.source(id).await;
    source.say(1..=2).await;
    let invoked = rig.invoked().await;
    rig.tell_to_stop();
    tokio::time::sleep(A_WHILE).await;
    assert!(!source.is_closed());
    invoked.answer(Answer::Works);
    rig.stopped().await;
    assert!(source.is_closed());
    assert_eq!(source.confirmed().as_deref(), Some("2"));
}

#[tokio::test]
async fn what_a_server_ends_with_itself_is_no_failure() {
    let rig = Rig::start().await;
    let mut given = mapping("sum", "a");
    given.settings.retries = Some(0);
    let id = rig.create(given).await;
    let source = rig.source(id).await;
    source.say(1..=1).await;
    let invoked = rig.invoked().await;
    rig.tell_to_stop();
    rig.abandon();
    invoked.answer(Answer::Fails);
    rig.stopped().await;
    assert_eq!(source.confirmed(), None, "it comes again");
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_taken_up_again() {
    let store = rig::store();
    let mut deleting = mapping("sum", "a");
    (deleting.state, deleting.has_made) = (MappingState::Deleting, true);
    let mut disabling = mapping("sum", "b");
    (disabling.state, disabling.is_enabled) = (MappingState::Disabling, false);
    let updating = kiln_types::Mapping {
        state: MappingState::Updating,
        ..mapping("sum", "c")
    };
    for half_done in [&deleting, &disabling, &updating] {
        store.0.mappings().create(half_done.clone()).await.unwrap();
    }
    let rig = Rig::start_with(store);
    rig.until(|| rig.get(deleting.id).is_none()).await;
    assert_eq!(rig.cleaned(), [deleting.id]);
    rig.until_state(disabling.id, MappingState::Disabled).await;
    rig.until_state(updating.id, MappingState::Enabled).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_source_that_needs_attention_says_so_while_it_works() {
    let rig = Rig::start().await;
    let id = rig.create(mapping("sum", "a")).await;
    let source = rig.source(id).await;
    source.health(Some("it is nearly full")).await;
    rig.until_result(id, "PROBLEM: it is nearly full").await;
    source.say(1..=1).await;
    rig.invoked().await.answer(Answer::Works);
    source.until_confirmed("1").await;
    source.health(None).await;
    rig.until_result(id, "OK").await;
    rig.stop().await;
}
