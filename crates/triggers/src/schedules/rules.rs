//! Keeps a schedule for each rule that runs by one. The rule is what its owner said; the schedule follows it.
//!
//! A rule and its schedule lie in two databases: a crash between the two leaves a rule without its schedule, or a
//! schedule without its rule, until the next start compares them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kiln_events::schedule::{Error, Timetable};
use kiln_store::schedules::{Due, NewSchedule, ScheduleError};
use kiln_types::{
    Receiver, Rule, ScheduleId, ScheduleSettings, ScheduleSpace, ScheduleTarget, Timestamp,
};

use crate::handle::Shared;

/// How long a store rests that failed.
const STORE_REST: Duration = Duration::from_secs(1);

/// The expressions of the schedules that there are.
type Kept = HashMap<ScheduleId, String>;

/// Follows rules until the server stops.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut kept = None;
    while !shared.deps.stop.is_cancelled() {
        let rest = match reconcile(&shared, &mut kept).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "the schedules of rules cannot be kept; trying again");
                // What was done is not known.
                kept = None;
                Some(STORE_REST)
            }
        };
        tokio::select! {
            () = shared.deps.stop.cancelled() => {}
            () = shared.deps.store.buses().rule_changed() => {}
            () = sleep(rest) => {}
        }
    }
}

async fn sleep(rest: Option<Duration>) {
    match rest {
        Some(rest) => tokio::time::sleep(rest).await,
        None => std::future::pending().await,
    }
}

/// Makes schedules what rules say.
async fn reconcile(shared: &Shared, kept: &mut Option<Kept>) -> Result<(), ScheduleError> {
    let schedules = shared.deps.store.schedules();
    let kept = match kept {
        Some(kept) => kept,
        None => {
            let found = schedules.of_rules().await?.into_iter();
            let found = found.map(|found| (found.id, found.settings.expression.clone()));
            kept.insert(found.collect())
        }
    };
    let now = shared.deps.clock.timestamp();
    let rules = shared.deps.store.buses().scheduled_rules();
    let wanted = rules.iter().filter_map(|rule| {
        let expression = rule.schedule.as_ref()?;
        Some((ScheduleId::of_rule(&rule.id), (rule, expression)))
    });
    let wanted: HashMap<_, _> = wanted.collect();
    let unwanted: Vec<_> = kept
        .keys()
        .filter(|id| !wanted.contains_key(id))
        .cloned()
        .collect();
    for id in unwanted {
        match schedules.delete(id.clone(), None, now).await {
            Ok(()) | Err(ScheduleError::NotFound(_)) => kept.remove(&id),
            Err(error) => return Err(error),
        };
    }
    for (id, (rule, expression)) in wanted {
        if kept.get(&id) == Some(expression) {
            continue;
        }
        match new(&id, rule, expression, now) {
            Ok(new) => schedules.put(new, now).await?,
            // It was valid when the rule was kept.
            Err(error) => {
                let rule = rule.id.arn(&shared.config.region);
                tracing::error!(%error, rule, "the schedule of a rule cannot be read; put the rule again");
            }
        }
        kept.insert(id, expression.clone());
    }
    Ok(())
}

/// The schedule of a rule, as of now.
fn new(
    id: &ScheduleId,
    rule: &Rule,
    expression: &str,
    now: Timestamp,
) -> Result<NewSchedule, Error> {
    let settings = ScheduleSettings {
        expression: expression.to_owned(),
        zone: "UTC".to_owned(),
        start: None,
        end: None,
        window_minutes: None,
        is_enabled: true,
        is_deleted_when_done: false,
        description: None,
        key_arn: None,
        target: ScheduleTarget {
            receiver: Receiver::Rule(rule.id.clone()),
            role: rule.role.clone().unwrap_or_default(),
            input: None,
            retries_max: ScheduleTarget::RETRIES_MAX,
            age_max_secs: ScheduleTarget::AGE_MAX_SECS,
            dead_letters: None,
        },
    };
    // No window, so no place in it.
    let seed = 0;
    let timetable = Timetable::new(ScheduleSpace::Rules, &settings, now, seed)?;
    let first = timetable.first(now);
    Ok(NewSchedule {
        id: id.clone(),
        settings,
        anchor: now,
        seed,
        due: first.map(|tick| Due::new(tick.due, tick.wake)),
    })
}
