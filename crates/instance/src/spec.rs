//! What an instance is started for: one version of one function.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use kiln_types::function::StartMode;
use kiln_types::{
    Configuration, FileSystem, FunctionArn, FunctionId, Language, LogFormat, Network, RevisionId,
    Slots, TenantId, Version,
};

/// One version of a function, ready to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its ARN with the version as qualifier.
    pub arn: FunctionArn,
    /// Whose it is and its name.
    pub id: FunctionId,
    /// For which tenant, of a function that tells them apart.
    pub tenant: Option<TenantId>,
    /// Its settings.
    pub configuration: Arc<Configuration>,
    /// The unpacked code, mounted read-only at `/var/task`.
    pub code_dir: PathBuf,
    /// What was compiled of the code when it was uploaded, where its runtime has that; mounted
    /// read-only at `/var/lang`. It need not exist.
    pub compiled_dir: Option<PathBuf>,
    /// Its unpacked layers, mounted read-only at `/opt`: later ones over earlier ones.
    pub layer_dirs: Vec<PathBuf>,
    /// The unpacked layers of its container image, in the place of code and layers: mounted read-only as
    /// its root, later ones over earlier ones.
    pub image_dirs: Vec<PathBuf>,
    /// The directories of this machine that it shares with others, and where it sees each.
    pub file_systems: Vec<(FileSystem, PathBuf)>,
    /// How its process starts.
    pub start: StartMode,
    /// What it may reach over the network.
    pub network: Network,
    /// Says whether its code may run, before each start.
    pub guard: Guard,
}

/// Whether the code of a version is what it should be, and may run.
pub trait Check: Send + Sync + 'static {
    /// What is known without looking at anything on disk but a directory; none when that is to be done.
    fn known(&self) -> Option<Result<(), String>>;

    /// Looks, which may take as long as reading all of it. The error is for the function's owner.
    fn check(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
}

/// Asks a [`Check`], if there is one.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<dyn Check>>);

impl Guard {
    /// One that asks.
    pub fn new(check: Arc<dyn Check>) -> Self {
        Self(Some(check))
    }

    pub(crate) fn known(&self) -> Option<Result<(), String>> {
        match &self.0 {
            Some(check) => check.known(),
            None => Some(Ok(())),
        }
    }

    pub(crate) async fn check(&self) -> Result<(), String> {
        match &self.0 {
            Some(check) => check.check().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "checked" } else { "free" })
    }
}

impl Spec {
    /// Which snapshot its instances start from; none when they are initialised.
    pub(crate) fn snapshot_key(&self) -> Option<(FunctionId, Version, RevisionId)> {
        let configuration = &self.configuration;
        let language = configuration.runtime.as_ref()?.language();
        let may = configuration.starts_from_snapshot()
            && matches!(language, Language::Python { .. })
            && self.start == StartMode::Zygote;
        may.then(|| {
            (
                self.id.clone(),
                configuration.version,
                configuration.revision,
            )
        })
    }

    /// Whether its log has lines, and not JSON documents.
    pub(crate) fn logs_text(&self) -> bool {
        self.configuration.logging.format == LogFormat::Text
    }

    /// How many invocations an instance is given at a time: those that Kiln brings a runtime for, one.
    pub fn slots(&self) -> Slots {
        let configuration = &self.configuration;
        let runtime = configuration.runtime.as_ref();
        match runtime.map(|runtime| runtime.language()) {
            Some(Language::Provided) | None => configuration.slots,
            Some(_) => Slots::default(),
        }
    }
}

/// Keys that a function's AWS clients sign with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

/// Shows the key id only: debug output ends in logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish()
    }
}
