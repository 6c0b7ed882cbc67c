//! The memory of the system: functions, layers, code, logs, usage, keys and secrets.
//!
//! Everything lives under one data directory, which one server at a time may open:
//!
//! ```text
//! <dir>/lock                     held for as long as the store is open, names the holder's pid
//! <dir>/master.key               what data keys are wrapped by, unless another master key is given
//! <dir>/meta.db                  functions, layers, mappings, HTTP APIs, buses, topics, identities, access keys, secrets, who signs code, tenants (every
//!                                commit is synced, what they say is sealed)
//! <dir>/logs.db                  log groups, streams and events        (a power cut may cost the last ones)
//! <dir>/queue.db                  events, dead letters, message queues, posts, archives, schedules, buckets (every commit is synced)
//! <dir>/usage.db                 one record per invocation             (every commit is synced)
//! <dir>/audit.db                 what was changed and refused         (every commit is synced)
//! <dir>/artifacts/sha256/aa/<hex>/{code/,zip.zip,content,manifest.json}
//! <dir>/images/sha256/aa/<hex>/{root/,manifest.json}   layers of container images
//! <dir>/layer-marks              for whom these are marked, root or others
//! <dir>/objects/aa/<id>          the bytes of objects in buckets      (synced before they are an object's)
//! <dir>/buckets/<bucket>/<key>   put there by the administrator
//! ```
//!
//! Invariants:
//! - The only crate that knows SQL or the layout on disk; neither shows in its public items.
//! - Each public method is one transaction. What a method of functions, keys, events or usage returned
//!   survives a crash of the process and of the machine.
//! - What an invocation needs ([`Store::function`], [`Store::function_by_url`], [`Apis::get`], [`Keys::get`], [`Identities::of`],
//!   [`Artifacts::dir`]) is answered from memory, never by SQL.
//!
//! Start reading at [`Store`] in `handle.rs`, then `database.rs` (the writer thread that all
//! databases share) and `artifacts.rs`.

mod apis;
pub mod archives;
mod artifacts;
pub mod audit;
mod buckets;
mod buses;
mod config;
mod database;
mod directory;
mod document;
pub mod erasure;
mod error;
mod functions;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod iam;
mod images;
mod keys;
mod layer_marks;
mod layers;
mod logs;
mod mappings;
pub mod messages;
pub mod objects;
mod parameters;
pub mod posts;
pub mod queue;
mod random;
pub mod schedules;
mod secrets;
mod server_secret;
mod shelf;
mod signing;
mod tenants;
pub mod topics;
mod usage;
mod vault;

pub use apis::Apis;
pub use archives::Archives;
pub use artifacts::{ArtifactError, Artifacts, Checked, DerivedDraft};
pub use audit::Audit;
pub use buckets::{BucketError, Buckets};
pub use buses::{BusError, Buses, LiveBus};
pub use config::Config;
pub use error::Error;
pub use handle::Store;
pub use iam::Identities;
pub use images::{ImageError, Images, Layer, LayerSize};
pub use keys::{ADMINISTRATOR, AccessKey, KeyError, KeyUse, Keys};
pub use layer_marks::LayerMarks;
pub use layers::Layers;
pub use logs::{
    DataProtection, EventQuery, Events, FilterQuery, Filtered, InvalidProtection, KeptProtection,
    LogError, LogEvent, LogGroup, Logs, MANAGED_IDENTIFIERS, Page, Paged, StreamOrder, StreamQuery,
    StreamSelection, StreamSummary,
};
pub use mappings::Mappings;
pub use messages::Messages;
pub use objects::Objects;
pub use parameters::{ParameterError, Parameters, PastVersion};
pub use posts::Posts;
pub use queue::Queue;
pub use schedules::Schedules;
pub use secrets::{NewVersion, SecretError, SecretValue, Secrets};
pub use server_secret::{ServerText, ServerTexts};
pub use signing::{RemovedConfig, Signing};
pub use tenants::{TenantError, Tenants};
pub use topics::{LiveTopic, TopicError, Topics};
pub use usage::{Usage, UsageSummary};
pub use vault::{InvalidMasterKey, MasterKey, Resealed};
