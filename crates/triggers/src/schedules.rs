//! Schedules: what is due is delivered, each tick once.
//!
//! The store knows when each schedule runs next, and delivers a tick and moves its schedule on in one transaction
//! ([`kiln_store::Schedules::fire`]). `core` decides what a tick delivers and when the schedule is due again (pure);
//! `says` writes what is delivered; `driver` sleeps until the next time, reads what is due, and has it fired, many
//! ticks in one transaction.
//!
//! A function gets an asynchronous event, as if it had been invoked with it: how often it is tried again if it fails is
//! the function's business. What a schedule's retry policy says is how often a delivery is tried for which the server
//! has no room.
//!
//! Rules of EventBridge are schedules too: `rules` keeps a schedule for each that runs by one, and a tick of it is what
//! [`kiln_invoke::FanOut`] says that the rule's targets get.

mod core;
mod driver;
mod rules;
mod says;

#[cfg(test)]
mod tests;

pub(crate) use driver::drive;
pub(crate) use rules::follow;
