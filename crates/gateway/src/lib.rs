//! The door for callers: AWS's APIs, function URLs, health and administration, on one port.
//!
//! A request's way: `server` takes it off the wire, `router` says what it is for, `auth` says
//! who asks, `access` whether it may, `wire` turns it into a generated type, one file below `lambda`, `events`, `iam`, `logs`,
//! `scheduler`, `secretsmanager`, `ssm` or `sts` answers it, and `wire` turns the answer into bytes. Objects, which are streams, have a
//! road of their own: `s3`.
//!
//! Invariants: the only crate that knows AWS's wire names; a handler parses, calls and renders, and
//! decides nothing; a caller that goes away cancels nothing.

mod access;
mod admin;
mod apigatewayv2;
mod apis;
mod audit;
mod auth;
mod compile;
mod config;
mod context;
mod coverage;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod iam;
mod invoke;
mod lambda;
mod logs;
mod page;
mod proxy;
mod router;
mod s3;
mod scheduler;
mod secretsmanager;
mod server;
mod sns;
mod sqs;
mod ssm;
mod sts;
mod tls;
mod urls;
mod wire;

pub use admin::status;
pub use auth::FunctionKeys;
pub use compile::{Compile, Compiling, NotCompiled};
pub use config::{Auth, BadEndpoint, Config, Deps, Endpoint, Fetches, FunctionRights, Limits};
pub use coverage::{Coverage, coverage};
pub use error::Error;
pub use invoke::{Invoke, Invoking};
pub use server::{FunctionDoor, Gateway, Listeners};
pub use tls::{AcmeConfig, ExternalAccount, Tls, TlsFiles};
