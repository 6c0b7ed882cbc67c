//! Starts real Kiln servers, and talks to them as users do: for tests and benchmarks only.
//!
//! Start reading at [`Server`]: one server, on a port and in a data directory of its own. A test
//! makes a function with [`Server::function`], calls it with [`Server::invoke`], and sends anything
//! unusual with [`Server::request`]. When the server stops, its log is read: an ERROR or WARN line
//! that the test did not announce fails the test.
//!
//! Everything slow (runtime packs, Python and JavaScript clients) is made once in a [`cache`] and
//! works offline afterwards.

pub mod archive;
pub mod authority;
pub mod cache;
pub mod clients;
mod http;
pub mod image;
pub mod issuer;
mod kafka;
mod lambda;
mod ledger;
mod mariadb;
mod mqtt;
mod nats;
mod ordinary_user;
pub mod page;
mod pebble;
mod postgres;
mod private_server;
pub mod process;
pub mod programs;
mod rabbitmq;
mod redis;
pub mod registry;
pub mod runtimes;
mod server;
mod sign;

pub use http::{Request, Response};
pub use kafka::Kafka;
pub use lambda::{FunctionBuilder, Invoked};
pub use ledger::Ledger;
pub use mariadb::MariaDb;
pub use mqtt::Mqtt;
pub use nats::Nats;
pub use ordinary_user::OrdinaryUser;
pub use pebble::Pebble;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use server::{Builder, Home, Server};
pub use sign::{Keys, SignedHead, sign};

use std::time::Duration;

use kiln_types::{Clock as _, SystemClock};

/// Asks again and again until the answer is there, or panics with what was waited for.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let clock = SystemClock::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            clock.now().since_start() < limit,
            "waited {limit:?} for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
