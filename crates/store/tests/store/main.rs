//! What the store promises, through its public interface.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code, its helpers too"
)]

mod apis;
mod archives;
mod artifacts;
mod attacks;
mod buckets;
mod buses;
mod crash;
mod deliver;
mod deposits;
mod deposits_crash;
mod erasure;
mod functions;
mod identities;
mod image_layers;
mod keys;
mod killed;
mod layers;
mod log_filter;
mod log_groups;
mod logs;
mod mappings;
mod messages;
mod messages_crash;
mod messages_fifo;
mod messages_limits;
mod messages_model;
mod messages_moves;
mod messages_poll;
mod model;
mod objects;
mod objects_list;
mod open;
mod parameters;
mod posts;
mod queue;
mod queue_crash;
mod queue_trouble;
mod raw_zip;
mod sample;
mod schedules;
mod schedules_crash;
mod sealed;
mod secrets;
mod signing;
mod tenants;
mod topics;
mod usage;
