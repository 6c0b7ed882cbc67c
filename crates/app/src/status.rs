//! How the server stands: the components' own figures in the words of the administration API.

use kiln_gateway::Tls;
use kiln_gateway::status::{
    Events, Instances, Lost, Memory, Records, Requests, Sandboxes, Schedules, Status,
};
use kiln_invoke::{FanOut, Queued};
use kiln_metering::Meter;
use kiln_scheduler::Scheduler;
use kiln_store::Store;

/// Makes the reader of the figures.
pub(crate) fn reader(
    store: Store,
    sandboxes: kiln_sandbox::Sandboxes,
    scheduler: Scheduler,
    meter: Meter,
    queued: Queued,
    fan_out: FanOut,
    tls: Option<Tls>,
) -> impl Fn() -> Status + Send + Sync {
    move || {
        let scheduled = scheduler.statistics();
        let metered = meter.statistics();
        Status {
            instances: instances(&scheduled.total()),
            memory: Memory {
                promised_bytes: scheduled.memory_promised_bytes,
                budget_bytes: scheduled.memory_budget_bytes,
            },
            requests: requests(&scheduled.total()),
            sandboxes: of_sandboxes(sandboxes.statistics()),
            events: events(store.queue().totals(), queued.statistics()),
            publications: Lost {
                dropped: fan_out.dropped(),
            },
            schedules: schedules(store.schedules().totals()),
            usage: Records {
                kept: metered.kept,
                dropped: metered.dropped,
            },
            logs: Lost {
                dropped: store.logs().dropped(),
            },
            certificate: tls.as_ref().map(Tls::status),
        }
    }
}

fn schedules(totals: kiln_store::schedules::ScheduleTotals) -> Schedules {
    Schedules {
        fired: totals.fired,
        dead_lettered: totals.dead,
        lost: totals.lost,
    }
}

fn events(totals: kiln_store::queue::Totals, queued: kiln_invoke::queued::Statistics) -> Events {
    Events {
        received: totals.received,
        succeeded: totals.succeeded,
        failed: totals.failed,
        dropped: totals.dropped,
        retried: totals.retried,
        redelivered: totals.redelivered,
        redriven: totals.redriven,
        untold: totals.untold,
        queued: totals.queued,
        in_flight: queued.in_flight,
        dead_letters: totals.dead,
        bytes: totals.bytes,
        lag_ms: queued.lag.as_millis().try_into().unwrap_or(u64::MAX),
    }
}

fn instances(total: &kiln_scheduler::FunctionStatistics) -> Instances {
    Instances {
        starting: total.starting,
        busy: total.busy,
        idle: total.idle,
        frozen: total.frozen,
        stopping: total.stopping,
        started: total.counts.started,
        evicted: total.counts.evicted,
    }
}

fn requests(total: &kiln_scheduler::FunctionStatistics) -> Requests {
    Requests {
        waiting: total.waiting,
        granted: total.counts.granted,
        waited: total.counts.waited,
        refused: total.counts.refused.iter().sum(),
        spilled: total.counts.spilled,
    }
}

fn of_sandboxes(statistics: kiln_sandbox::Statistics) -> Sandboxes {
    Sandboxes {
        live: statistics.live,
        shells_ready: statistics.shells_ready,
        stems_ready: statistics.stems_ready,
        forked_on_demand: statistics.forked_on_demand,
        spawner_restarts: statistics.spawner_restarts,
    }
}
