//! What `fuzz/` gives bytes to: every function reads them as what a server sent, and panics where something that is
//! promised does not hold. They stand beside what they read.

pub use crate::sources::fuzzing::{kafka, mqtt, mysql, postgres, rabbitmq, redis, scram};
