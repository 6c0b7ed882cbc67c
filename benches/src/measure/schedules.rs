//! Schedules: how late they fire when many are due.

use std::time::Duration;

use anyhow::ensure;
use kiln_types::{Clock as _, SystemClock, Timestamp};
use serde_json::json;

use crate::report::{Report, Row, Section, Target, number};
use crate::starts::Starts;
use crate::statistics::{millis, percentile};
use crate::subject::{Scale, Subject};

/// How many fall due a second: 10,000 in a minute.
const EACH_SECOND: usize = 167;
/// Clients that create schedules at the same time.
const CLIENTS: usize = 8;
/// Time for their creation before the first is due, for each thousand.
const CREATION: Duration = Duration::from_secs(6);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let lateness = lateness(scale.schedules)?;
    let at = |part| millis(percentile(&lateness, part));
    report.add(Section {
        title: "Schedules",
        method: format!(
            "{} schedules, {EACH_SECOND} of them due in each second, each with a function as its target, which handles \
             them on the same cores: from the second for which a schedule is set to the handler's first line. Each ran \
             exactly once, else the run fails.",
            lateness.len()
        ),
        rows: vec![Row {
            name: "schedule_lateness_max",
            value: at(1.0),
            unit: "ms",
            floor: None,
            target: Target::AtMost(1_000.0),
        }],
        detail: vec![format!(
            "p50 {} ms, p90 {} ms, p99 {} ms",
            number(at(0.5)),
            number(at(0.9)),
            number(at(0.99))
        )],
    });
    Ok(())
}

fn lateness(count: usize) -> anyhow::Result<Vec<Duration>> {
    let starts = Starts::new()?;
    let subject = Subject::start(&["--file-system", &starts.setting()]);
    let server = &subject.server;
    starts.create_function(server, "due", "event");
    server.invoke("due", &json!([])).success();
    let clock = SystemClock::start();
    let creation = CREATION * u32::try_from(count.div_ceil(1_000))?;
    let first =
        clock.timestamp().as_millis() / 1_000 * 1_000 + i64::try_from(creation.as_millis())?;
    let due = |index: usize| {
        let later = Duration::from_secs((index / EACH_SECOND) as u64);
        Timestamp::from_millis(first) + later
    };
    let create = |index: usize| {
        let schedule = json!({
            "ScheduleExpression": format!("at({})", &due(index).to_string()[..19]),
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": "arn:aws:lambda:us-east-1:000000000000:function:due",
                "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
                "Input": json!([due(index).as_millis()]).to_string(),
            },
        });
        let request = server.request("POST", &format!("/schedules/due-{index}"));
        request.json(&schedule).signed("scheduler").send()
    };
    let create = &create;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for index in (client..count).step_by(CLIENTS) {
                    create(index).expect_status(200);
                }
            });
        }
    });
    let took = clock.now().since_start();
    ensure!(took < creation, "creating {count} schedules took {took:?}");
    let last = Duration::from_secs((count / EACH_SECOND) as u64);
    starts.wait_for(count, creation - took + last + Duration::from_secs(10))
}
