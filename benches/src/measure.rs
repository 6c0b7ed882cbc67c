//! The measures, in the order of the design's promises.

mod accept;
mod access;
mod changes;
mod cold;
mod cold_image;
mod cold_native;
mod cold_node;
mod create;
mod daemon;
mod density;
mod hostile;
mod queues;
mod rate;
mod schedules;
mod snapshot;
mod thaw;
mod warm;
mod wasm;

use crate::report::Report;
use crate::subject::Scale;

/// A group of measures: adds its sections to the report.
type Measure = fn(&Scale, &mut Report) -> anyhow::Result<()>;

/// Every group by its name.
pub(crate) const GROUPS: &[(&str, Measure)] = &[
    ("cold", cold::measure),
    ("cold native", cold_native::measure),
    ("cold image", cold_image::measure),
    ("cold node", cold_node::measure),
    ("snapshot", snapshot::measure),
    ("wasm", wasm::measure),
    ("warm", warm::measure),
    ("thaw", thaw::measure),
    ("rate", rate::measure),
    ("accept", accept::measure),
    ("access", access::measure),
    ("queues", queues::measure),
    ("changes", changes::measure),
    ("schedules", schedules::measure),
    ("density", density::measure),
    ("create+idle", create::measure),
    ("daemon", daemon::measure),
    ("hostile", hostile::measure),
];
