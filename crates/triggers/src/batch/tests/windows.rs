//! Windows with a state, as the core runs them.

use super::*;

#[test]
fn a_window_hands_its_state_on_and_ends_with_an_empty_batch() {
    let mut story = Story::new(Settings {
        tumbling: Some(Duration::from_secs(10)),
        ..settings()
    });
    story.came(1..=4, 1_000);
    let part = story.attempt.as_ref().unwrap().part.clone().unwrap();
    assert_eq!(
        (part.is_final, part.is_early, &part.state[..]),
        (false, false, &b"{}"[..])
    );
    assert_eq!(
        (part.start, part.end),
        (at(0).calendar, at(10_000).calendar)
    );
    story.succeed(r#"{"state":{"n":3}}"#, 2_000);
    assert_eq!(story.running(), [4]);
    assert_eq!(
        &story.attempt.as_ref().unwrap().part.as_ref().unwrap().state[..],
        br#"{"n":3}"#
    );
    story.succeed(r#"{"state":{"n":4}}"#, 3_000);
    assert_eq!(
        story.confirmed, None,
        "until the window ends its state is nowhere else"
    );
    assert_eq!(story.core.wake_at(at(3_000)), Some(at(10_000).moment));
    story.tick(10_000);
    let last = story.attempt.clone().unwrap();
    let part = last.part.unwrap();
    assert_eq!((last.records.len(), part.is_final), (0, true));
    assert_eq!(&part.state[..], br#"{"n":4}"#);
    story.succeed("null", 10_001);
    assert_eq!(story.confirmed.as_deref(), Some("4"));
    // One that happened in the window and came after its end.
    story.came([5], 10_002);
    let part = story.attempt.as_ref().unwrap().part.clone().unwrap();
    assert_eq!(
        (part.start, &part.state[..]),
        (at(10_000).calendar, &b"{}"[..])
    );
}

#[test]
fn a_record_of_the_next_window_ends_this_one() {
    let mut story = Story::new(Settings {
        tumbling: Some(Duration::from_secs(10)),
        window: Duration::from_secs(300),
        ..settings()
    });
    story.came([1], 0);
    assert_eq!(story.attempt, None, "it waits for others of its window");
    let next = Record {
        created: at(10_000).calendar,
        ..record(2, Key::Of(0))
    };
    story.on(Event::Came(next), 9_000);
    story.tick(9_000);
    assert_eq!(story.running(), [1]);
    story.succeed("{}", 9_000);
    assert!(
        story
            .attempt
            .as_ref()
            .unwrap()
            .part
            .as_ref()
            .unwrap()
            .is_final
    );
}

#[test]
fn a_window_whose_state_grows_too_large_ends_early() {
    let mut story = Story::new(Settings {
        tumbling: Some(Duration::from_secs(10)),
        ..settings()
    });
    story.came(1..=4, 0);
    let state = format!(r#"{{"state":{{"n":"{}"}}}}"#, "x".repeat(1 << 20));
    story.answer(Answer::Returned(state.into(), ran(false)), 0);
    let last = story.attempt.clone().unwrap();
    let part = last.part.unwrap();
    assert!(part.is_final && part.is_early && last.records.is_empty());
    story.succeed("null", 0);
    let part = story.attempt.as_ref().unwrap().part.clone().unwrap();
    assert_eq!((story.running(), part.start), (vec![4], at(0).calendar));
    assert_eq!(&part.state[..], b"{}");
}
