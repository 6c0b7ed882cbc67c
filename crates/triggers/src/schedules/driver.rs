//! Sleeps until something is due, and has it fired.

use std::sync::Arc;
use std::time::Duration;

use kiln_events::schedule::Timetable;
use kiln_invoke::fan_out::Tick as RuleTick;
use kiln_store::schedules::{Due, Fired, Firing, Schedule};
use kiln_types::{Receiver, Timestamp};

use super::core::{Failure, Plan, Step};
use super::says::Saying;
use crate::handle::Shared;

/// Ticks fired in one transaction: others come in between two of them.
const BATCH_MAX: usize = 1_000;
/// How long is slept at most while something has a time: a clock that is set forward makes more due than was slept for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a store rests that failed.
const STORE_REST: Duration = Duration::from_secs(1);

/// A tick on its way, with its schedule.
struct Tick {
    schedule: Schedule,
    timetable: Option<Timetable>,
    plan: Plan,
    /// What a rule or a topic comes to.
    sent: RuleTick,
}

/// Fires what is due until the server stops.
pub(crate) async fn drive(shared: Arc<Shared>) {
    let schedules = shared.deps.store.schedules();
    while let Err(error) = schedules.finish_deletions().await {
        tracing::error!(%error, "a schedule group cannot be deleted; trying again");
        if rest(&shared).await {
            return;
        }
    }
    while !shared.deps.stop.is_cancelled() {
        let fired = fire_due(&shared).await;
        let waited = match fired {
            Ok(0) => wait(&shared).await,
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = waited {
            tracing::error!(%error, "schedules cannot be fired; trying again");
            rest(&shared).await;
        }
    }
}

/// Whether the server stops.
async fn rest(shared: &Shared) -> bool {
    tokio::select! {
        () = shared.deps.stop.cancelled() => true,
        () = tokio::time::sleep(STORE_REST) => false,
    }
}

/// Waits until something is due or changed, or the server stops.
async fn wait(shared: &Shared) -> Result<(), kiln_store::Error> {
    let schedules = shared.deps.store.schedules();
    let Some(next) = schedules.next_wake().await? else {
        tokio::select! {
            () = shared.deps.stop.cancelled() => {}
            () = schedules.changed() => {}
        }
        return Ok(());
    };
    loop {
        let ms = next.as_millis() - shared.deps.clock.timestamp().as_millis();
        let Some(ms) = u64::try_from(ms).ok().filter(|ms| *ms > 0) else {
            return Ok(());
        };
        tokio::select! {
            () = shared.deps.stop.cancelled() => return Ok(()),
            () = schedules.changed() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(ms).min(LOOK_AGAIN)) => {}
        }
    }
}

/// Fires a batch of what is due; returns how many there were.
async fn fire_due(shared: &Shared) -> Result<usize, kiln_store::Error> {
    let now = shared.deps.clock.timestamp();
    let due = shared.deps.store.schedules().due(now, BATCH_MAX).await?;
    let count = due.len();
    let mut ticks: Vec<Tick> = due
        .into_iter()
        .filter_map(|schedule| tick(shared, schedule, now))
        .collect();
    // Each tick comes a few times at most: to be delivered, to the dead-letter queue, to be lost.
    while !ticks.is_empty() {
        let firings = ticks.iter_mut().map(|tick| firing(shared, tick, now));
        let firings = firings.collect();
        let fired = shared.deps.store.schedules().fire(firings, now).await?;
        ticks = ticks
            .into_iter()
            .zip(fired)
            .filter(|(_, fired)| *fired != Fired::Stale)
            .filter_map(|(tick, fired)| {
                let plan = tick.plan.clone();
                match plan.after(fired, &tick.schedule.settings, now) {
                    Some(plan) => Some(Tick { plan, ..tick }),
                    None => {
                        report(&tick);
                        shared.deps.fan_out.was_delivered(&tick.sent);
                        None
                    }
                }
            })
            .collect();
    }
    Ok(count)
}

fn tick(shared: &Shared, schedule: Schedule, now: Timestamp) -> Option<Tick> {
    let due: Due = schedule.due?;
    let settings = schedule.settings.clone();
    let timetable = Timetable::new(schedule.id.space, &settings, schedule.anchor, schedule.seed);
    let (timetable, mut plan) = match timetable {
        Ok(timetable) => {
            let plan = Plan::new(&timetable, &settings, due, now);
            (Some(timetable), plan)
        }
        Err(error) => (None, Plan::broken(due, error.to_string())),
    };
    if plan.step == Step::Deliver
        && let Some(failure) = missing(shared, &schedule)
    {
        plan.step = Step::Dead(failure);
    }
    Some(Tick {
        schedule,
        timetable,
        plan,
        sent: RuleTick::default(),
    })
}

/// A function or a topic that is not there; a message queue tells so itself.
fn missing(shared: &Shared, schedule: &Schedule) -> Option<Failure> {
    let store = &shared.deps.store;
    let what = match &schedule.settings.target.receiver {
        Receiver::Function(arn) if store.function(&arn.id()).is_none() => "Function",
        Receiver::Topic(arn) if store.topics().get(&arn.topic).is_none() => "Topic",
        _ => return None,
    };
    let arn = schedule.settings.target.receiver.arn(&shared.config.region);
    Some(Failure::no_target(format!("{what} not found: {arn}")))
}

fn firing(shared: &Shared, tick: &mut Tick, now: Timestamp) -> Firing {
    let saying = Saying {
        schedule: &tick.schedule,
        timetable: tick.timetable.as_ref(),
        plan: &tick.plan,
        region: &shared.config.region,
    };
    let mut sent = RuleTick::default();
    let mut deliveries = Vec::new();
    let mut step = tick.plan.step.clone();
    if step == Step::Deliver {
        let fan_out = &shared.deps.fan_out;
        match &tick.schedule.settings.target.receiver {
            Receiver::Function(arn) => deliveries.push(saying.event(arn)),
            Receiver::Queue(arn, group) => deliveries.push(saying.message(arn, group.as_ref())),
            Receiver::Topic(arn) => match fan_out.message(&arn.topic, saying.notice(), now) {
                Ok(tick) => sent = tick,
                Err(refusal) => step = Step::Dead(Failure::no_target(refusal.to_string())),
            },
            Receiver::Rule(rule) => match fan_out.tick(rule, tick.plan.due, now) {
                Ok(tick) => sent = tick,
                Err(refusal) => step = Step::Lost(Failure::no_target(refusal.to_string())),
            },
        }
        deliveries.append(&mut sent.deliveries);
    }
    if let Step::Dead(failure) = &step {
        deliveries.extend(saying.dead_letter(failure));
        if deliveries.is_empty() {
            step = Step::Lost(failure.clone());
        }
    }
    (tick.plan.step, tick.sent) = (step, sent);
    Firing {
        schedule: tick.schedule.clone(),
        deliveries,
        ended: tick.plan.ended(),
        then: tick.plan.then(),
    }
}

/// Says what was not delivered.
fn report(tick: &Tick) {
    let (schedule, due) = (&tick.schedule.id, tick.plan.due);
    match &tick.plan.step {
        Step::Deliver => {}
        Step::Wait(until) => {
            tracing::warn!(%schedule, %due, %until, "a tick of a schedule waits for room in the queue");
        }
        Step::Dead(failure) => tracing::info!(
            %schedule, %due, error = failure.message,
            "a tick of a schedule was given up; its dead-letter queue has it"
        ),
        Step::Lost(failure) => tracing::warn!(
            %schedule, %due, error = failure.message,
            "a tick of a schedule was given up; give the schedule a dead-letter queue to keep such ticks"
        ),
    }
}
