//! A function as it is deployed: its configuration and everything attached to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::digest::Sha256;
use crate::id::RevisionId;
use crate::name::{FunctionId, Qualifier, Version};
use crate::policy::ResourcePolicy;
use crate::runtime::{Architecture, Runtime};
use crate::units::{EphemeralMb, MemoryMb, TimeoutSecs};
use crate::url::UrlConfig;

/// A function and all that hangs on it. Replaced whole when anything changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    /// Whose it is and its name.
    pub id: FunctionId,
    /// When it was created.
    pub created: Timestamp,
    /// The unpublished version.
    pub latest: Arc<Configuration>,
    /// Concurrency kept for this function, which is also its limit.
    pub reserved_concurrency: Option<u32>,
    /// Key and value pairs of the user's own.
    pub tags: BTreeMap<String, String>,
    /// Who else may do what with it.
    pub policy: ResourcePolicy,
    /// Function URLs by what they point at: `None` is `$LATEST`.
    #[serde(with = "url_list")]
    pub urls: BTreeMap<Option<Qualifier>, UrlConfig>,
}

/// One version's code and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Which version this is.
    pub version: Version,
    /// Changes with every change of this version.
    pub revision: RevisionId,
    /// When it last changed.
    pub modified: Timestamp,
    /// What runs it; none for container images.
    pub runtime: Option<Runtime>,
    /// What to call, in the runtime's own notation.
    pub handler: Option<String>,
    /// The execution role, an ARN.
    pub role: String,
    /// For people.
    pub description: String,
    /// How long one invocation may take.
    pub timeout: TimeoutSecs,
    /// Its memory, from which its CPU share follows.
    pub memory: MemoryMb,
    /// The size of `/tmp`.
    pub ephemeral: EphemeralMb,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// What the code is built for.
    pub architecture: Architecture,
    /// Where and how it logs.
    pub logging: LoggingConfig,
    /// The code.
    pub code: Code,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went.
    pub update: UpdateStatus,
    /// How an instance starts; none means the server's default.
    pub start: Option<StartMode>,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    pub kept: BTreeMap<String, serde_json::Value>,
}

/// The code of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The digest of the zip as it was uploaded.
    pub sha256: Sha256,
    /// The size of the zip in bytes.
    pub zipped_bytes: u64,
    /// The size of the unpacked files in bytes.
    pub unzipped_bytes: u64,
}

/// Where a version is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Being made ready.
    Pending,
    /// Can be invoked.
    Active,
    /// Could not be made ready.
    Failed,
}

/// How the last change of a version went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// In force.
    Successful,
    /// Being made ready; invocations still use the state before.
    InProgress,
    /// Could not be put in force.
    Failed,
}

/// How the processes of a built-in runtime start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StartMode {
    /// Forked from a booted template of the language runtime: milliseconds.
    Zygote,
    /// Executed anew: slower, and shares no memory layout with any other instance.
    Fresh,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingConfig {
    /// Lines or JSON documents.
    pub format: LogFormat,
    /// The least severe of the function's own records to keep; JSON only.
    pub application_level: Option<LogLevel>,
    /// The least severe of the platform's records to keep; JSON only.
    pub system_level: Option<LogLevel>,
    /// The log group.
    pub group: String,
}

/// Shape of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum LogFormat {
    /// Lines of text.
    #[default]
    Text,
    /// A JSON document each.
    Json,
}

/// Severity of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Unexpected.
    Warn,
    /// Failed.
    Error,
    /// Cannot go on.
    Fatal,
}

impl LoggingConfig {
    /// What a function has unless it says otherwise.
    pub fn of(id: &FunctionId) -> Self {
        Self {
            format: LogFormat::Text,
            application_level: None,
            system_level: None,
            group: format!("/aws/lambda/{}", id.name),
        }
    }
}

impl LogFormat {
    /// The name AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            LogFormat::Text => "Text",
            LogFormat::Json => "JSON",
        }
    }
}

impl LogLevel {
    /// The name AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
            LogLevel::Fatal => "FATAL",
        }
    }
}

/// JSON has no keys but strings, so URLs are kept as a list of pairs.
mod url_list {
    use super::{BTreeMap, Deserialize, Qualifier, Serialize, UrlConfig};

    type Urls = BTreeMap<Option<Qualifier>, UrlConfig>;

    pub(super) fn serialize<S: serde::Serializer>(urls: &Urls, to: S) -> Result<S::Ok, S::Error> {
        urls.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Urls, D::Error> {
        Vec::<(Option<Qualifier>, UrlConfig)>::deserialize(from)
            .map(|list| list.into_iter().collect())
    }
}
