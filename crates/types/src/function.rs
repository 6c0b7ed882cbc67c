//! A function as it is deployed: its configuration and everything attached to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alias::AliasConfig;
use crate::clock::Timestamp;
use crate::digest::Sha256;
use crate::event_invoke::{Destination, EventInvokeConfig, RecursiveLoop};
use crate::file_system::FileSystemMount;
use crate::id::{RequestId, RevisionId};
use crate::image::{Container, Image};
use crate::layer::AttachedLayer;
use crate::name::{Alias, FunctionId, Qualifier, Version};
use crate::network::Network;
use crate::policy::ResourcePolicy;
use crate::runtime::{Architecture, Runtime};
use crate::signing::Signer;
use crate::snap_start::SnapStart;
use crate::units::{EphemeralMb, MemoryMb, Slots, TimeoutSecs};
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
    /// The published versions by their numbers.
    #[serde(default)]
    pub versions: BTreeMap<u64, Arc<Configuration>>,
    /// The highest number a version was ever given: none is given twice.
    #[serde(default)]
    pub last_version: u64,
    /// Names for versions.
    #[serde(default)]
    pub aliases: BTreeMap<Alias, AliasConfig>,
    /// Concurrency kept for this function, which is also its limit.
    pub reserved_concurrency: Option<u32>,
    /// Instances kept ready, by the version or alias they are kept for.
    #[serde(default)]
    pub provisioned: BTreeMap<Qualifier, ProvisionedConfig>,
    /// Key and value pairs of the user's own.
    pub tags: BTreeMap<String, String>,
    /// Who else may do what with it.
    pub policy: ResourcePolicy,
    /// The same for single versions and aliases.
    #[serde(default)]
    pub qualified_policies: BTreeMap<Qualifier, ResourcePolicy>,
    /// How asynchronous events are handled, by the version or alias they are for.
    #[serde(default)]
    pub event_invokes: BTreeMap<Qualifier, EventInvokeConfig>,
    /// What happens to invocations in a loop.
    #[serde(default)]
    pub recursive_loop: RecursiveLoop,
    /// The id of the account's code-signing configuration that says whose code it may have.
    #[serde(default)]
    pub code_signing: Option<String>,
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
    /// The code. Of a container image only the digest.
    pub code: Code,
    /// The container image, in the place of code and runtime.
    #[serde(default)]
    pub container: Option<Container>,
    /// What lies in `/opt`: later ones over earlier ones.
    #[serde(default)]
    pub layers: Vec<AttachedLayer>,
    /// What lies below `/mnt`.
    #[serde(default)]
    pub file_systems: Vec<FileSystemMount>,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went.
    pub update: UpdateStatus,
    /// How an instance starts; none means the server's default.
    pub start: Option<StartMode>,
    /// Whether its instances start from a snapshot.
    #[serde(default)]
    pub snap_start: SnapStart,
    /// What it may reach over the network; none means the server's default.
    #[serde(default)]
    pub network: Option<Network>,
    /// How many invocations an instance may be given at a time.
    #[serde(default)]
    pub slots: Slots,
    /// Whether each invocation names a tenant, and no instance serves two of them. Is so from the function's creation on.
    #[serde(default)]
    pub is_per_tenant: bool,
    /// The message queue or the topic that gets asynchronous events that were given up.
    #[serde(default)]
    pub dead_letters: Option<Destination>,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    pub kept: BTreeMap<String, serde_json::Value>,
}

/// Instances that are kept ready for a version or an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedConfig {
    /// How many.
    pub count: u32,
    /// When that was set.
    pub modified: Timestamp,
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
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
}

impl Code {
    /// That of an image, which has no zip.
    pub fn of_image(image: &Image) -> Self {
        Self {
            sha256: image.digest.clone(),
            zipped_bytes: 0,
            unzipped_bytes: 0,
            signer: None,
        }
    }
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

impl Function {
    /// A new function, with nothing attached to it.
    pub fn new(id: FunctionId, created: Timestamp, latest: Configuration) -> Self {
        Self {
            id,
            created,
            latest: Arc::new(latest),
            versions: BTreeMap::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
            reserved_concurrency: None,
            provisioned: BTreeMap::new(),
            tags: BTreeMap::new(),
            policy: ResourcePolicy::default(),
            qualified_policies: BTreeMap::new(),
            event_invokes: BTreeMap::new(),
            recursive_loop: RecursiveLoop::default(),
            code_signing: None,
            urls: BTreeMap::new(),
        }
    }

    /// A version's code and settings.
    pub fn version(&self, version: Version) -> Option<&Arc<Configuration>> {
        match version {
            Version::Latest => Some(&self.latest),
            Version::Published(number) => self.versions.get(&number),
        }
    }

    /// `$LATEST` and all published versions, the oldest first.
    pub fn configurations(&self) -> impl Iterator<Item = &Arc<Configuration>> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }

    /// The version that a qualifier leads to, an alias with a share to its first one.
    pub fn version_of(&self, qualifier: Option<&Qualifier>) -> Option<Version> {
        match qualifier {
            None => Some(Version::Latest),
            Some(Qualifier::Version(version)) => Some(*version),
            Some(Qualifier::Alias(alias)) => self.aliases.get(alias).map(|alias| alias.version),
        }
    }

    /// What one invocation under a qualifier runs.
    pub fn resolve(
        &self,
        qualifier: Option<&Qualifier>,
        invocation: RequestId,
    ) -> Option<&Arc<Configuration>> {
        let version = match qualifier {
            Some(Qualifier::Alias(alias)) => self.aliases.get(alias)?.version_for(invocation),
            other => self.version_of(other)?,
        };
        self.version(version)
    }

    /// Makes `$LATEST` a version with a number of its own, unless the last version published is
    /// the same but for its description. Gives the version.
    pub fn publish(&mut self, description: Option<String>) -> Arc<Configuration> {
        let last = self.versions.get(&self.last_version);
        if let Some(last) = last.filter(|last| last.is_published_from(&self.latest)) {
            return last.clone();
        }
        self.last_version += 1;
        let is_coming = self.latest.is_waiting_for_image();
        let container = self.latest.container.as_ref().map(Container::published);
        let code = match &container {
            Some(container) => Code::of_image(&container.image),
            None => self.latest.code.clone(),
        };
        let published = Arc::new(Configuration {
            version: Version::Published(self.last_version),
            revision: RevisionId::random(),
            description: description.unwrap_or_else(|| self.latest.description.clone()),
            update: UpdateStatus::Successful,
            // It has no image before, or no snapshot, so that it cannot be invoked until its own is
            // here.
            state: match is_coming || self.latest.snap_start.on_publish {
                true => State::Pending,
                false => self.latest.state,
            },
            container,
            code,
            ..(*self.latest).clone()
        });
        self.versions.insert(self.last_version, published.clone());
        published
    }

    /// The policy of the function or of one of its qualifiers, if it says anything.
    pub fn policy_of(&self, qualifier: Option<&Qualifier>) -> Option<&ResourcePolicy> {
        let policy = match qualifier {
            None => Some(&self.policy),
            Some(qualifier) => self.qualified_policies.get(qualifier),
        };
        policy.filter(|policy| !policy.is_empty())
    }

    /// The same to be changed, whatever it says.
    pub fn policy_of_mut(&mut self, qualifier: Option<&Qualifier>) -> &mut ResourcePolicy {
        match qualifier {
            None => &mut self.policy,
            Some(qualifier) => self
                .qualified_policies
                .entry(qualifier.clone())
                .or_default(),
        }
    }

    /// How many instances are kept ready for a version, under its own name or an alias's.
    pub fn provisioned_for(&self, version: Version) -> u32 {
        let leads_there = |of: &Qualifier| self.version_of(Some(of)) == Some(version);
        let configs = self.provisioned.iter().filter(|(of, _)| leads_there(of));
        configs.map(|(_, config)| config.count).sum()
    }

    /// How many instances are kept ready for all of its versions together.
    pub fn provisioned_total(&self) -> u32 {
        self.provisioned.values().map(|config| config.count).sum()
    }

    /// What other functions of the account cannot use: the reservation, or without one what is
    /// provisioned.
    pub fn kept_concurrency(&self) -> u32 {
        self.reserved_concurrency
            .unwrap_or_else(|| self.provisioned_total())
    }

    /// How asynchronous events for a qualifier are handled; none means `$LATEST`.
    pub fn event_invoke(&self, qualifier: Option<&Qualifier>) -> EventInvokeConfig {
        let latest = Qualifier::Version(Version::Latest);
        let found = self.event_invokes.get(qualifier.unwrap_or(&latest));
        found.cloned().unwrap_or_default()
    }

    /// Forgets what hangs on a qualifier: its policy, its URL, what is provisioned for it and how its
    /// events are handled.
    pub fn forget_qualifier(&mut self, qualifier: Qualifier) {
        self.qualified_policies.remove(&qualifier);
        self.provisioned.remove(&qualifier);
        self.event_invokes.remove(&qualifier);
        self.urls.remove(&Some(qualifier));
    }
}

impl Configuration {
    /// All packages of code that it runs: its own, then those of its layers.
    pub fn packages(&self) -> impl Iterator<Item = &Code> {
        let layers = self.layers.iter().map(|layer| &layer.code);
        std::iter::once(&self.code).chain(layers)
    }

    /// Whether this is a version whose instances start from a snapshot, where there is one.
    pub fn starts_from_snapshot(&self) -> bool {
        self.snap_start.on_publish && self.version != Version::Latest
    }

    /// Whether it waits for a snapshot.
    pub fn awaits_snapshot(&self) -> bool {
        self.starts_from_snapshot() && self.state == State::Pending
    }

    /// Whether its next image is still to come.
    pub fn is_waiting_for_image(&self) -> bool {
        let container = self.container.as_ref();
        container.is_some_and(|container| container.incoming.is_some())
    }

    /// Whether this version has the code and the settings of that `$LATEST`.
    fn is_published_from(&self, latest: &Configuration) -> bool {
        let container = latest.container.as_ref().map(Container::published);
        if self.container.as_ref().map(Container::published) != container {
            return false;
        }
        let published = Configuration {
            container: latest.container.clone(),
            code: match &container {
                Some(_) => latest.code.clone(),
                None => self.code.clone(),
            },
            version: latest.version,
            revision: latest.revision,
            modified: latest.modified,
            description: latest.description.clone(),
            state: latest.state,
            update: latest.update,
            snap_start: SnapStart {
                on_publish: self.snap_start.on_publish,
                ..latest.snap_start.clone()
            },
            ..self.clone()
        };
        published == *latest
    }
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
