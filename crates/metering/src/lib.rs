//! What an invocation used and what that costs.
//!
//! [`bill()`] makes the record of one invocation, [`Meter`] takes records without ever making an
//! invocation wait and keeps them in batches, [`record_provisioned()`] does the same of what is kept ready,
//! [`cost()`] puts prices on sums of them all.
//!
//! Invariants: integer arithmetic only, so that sums are exact and the same everywhere; nothing
//! here is on the way from an event to its outcome.

mod bill;
mod cost;
mod error;
mod ledger;
mod meter;
mod money;
mod price;
mod provisioned;
#[cfg(test)]
mod sample;

pub use bill::{Billed, bill};
pub use cost::{Cost, cost};
pub use error::Error;
pub use meter::{Meter, MeterStatistics, RECORDS_WAITING_MAX};
pub use money::{Money, NotMoney};
pub use price::{FreeTier, PriceSheet, Provisioned, Tier};
pub use provisioned::{PROVISIONED_INTERVAL, record_provisioned};
