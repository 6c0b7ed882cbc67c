//! The torture in a minute, as CI runs it.

use std::time::Duration;

use kiln_torture::Plan;

#[test]
fn nothing_that_was_accepted_is_lost_by_kills_at_random() {
    let report = kiln_torture::run(&Plan {
        seed: 1,
        time: Duration::from_secs(30),
        kills_min: 6,
    });
    println!("{report}");
    assert!(report.faults().is_empty(), "{report}");
    assert!(report.kills() >= 6, "{report}");
    assert!(report.accepted() > 100, "{report}");
}
