//! [`Store`]: the one handle through which everything is remembered.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kiln_types::account::AccountId;
use kiln_types::{Clock, Function, FunctionId, Qualifier, Sha256, UrlId};
use rusqlite::Connection;
use tokio::sync::broadcast;

use crate::apis::Apis;
use crate::archives::Archives;
use crate::artifacts::{Artifacts, Quota};
use crate::audit::Audit;
use crate::buckets::Buckets;
use crate::buses::Buses;
use crate::config::Config;
use crate::database::Database;
use crate::directory::{make_private_dir, refuse_foreign_dir, take_lock};
use crate::erasure::tables::Of;
use crate::error::Error;
use crate::functions::Functions;
use crate::iam::Identities;
use crate::images::Images;
use crate::keys::Keys;
use crate::layer_marks::refuse_other_marks;
use crate::layers::Layers;
use crate::logs::Logs;
use crate::mappings::Mappings;
use crate::messages::Messages;
use crate::objects::Objects;
use crate::parameters::Parameters;
use crate::posts::Posts;
use crate::queue::Queue;
use crate::schedules::Schedules;
use crate::secrets::Secrets;
use crate::server_secret::{ServerSecrets, ServerTexts};
use crate::signing::Signing;
use crate::tenants::Tenants;
use crate::topics::Topics;
use crate::usage::Usage;
use crate::vault::{MasterKey, MasterKeys, Resealed, Vault, seal_what_is_plain};

/// An open data directory. Clones share it; it is given up on [`Store::close`], or when the last
/// clone is dropped.
#[derive(Clone)]
pub struct Store {
    parts: Arc<Parts>,
}

/// The databases stand before the lock, so that they are finished when it is given up.
struct Parts {
    functions: Functions,
    layers: Layers,
    mappings: Mappings,
    apis: Apis,
    buses: Buses,
    topics: Topics,
    keys: Keys,
    identities: Identities,
    secrets: Secrets,
    parameters: Parameters,
    signing: Signing,
    tenants: Tenants,
    /// One account is erased at a time.
    erasing: tokio::sync::Mutex<()>,
    logs: Logs,
    usage: Usage,
    audit: Audit,
    queue: Queue,
    schedules: Schedules,
    objects: Objects,
    posts: Posts,
    archives: Archives,
    artifacts: Artifacts,
    images: Images,
    buckets: Buckets,
    meta: Arc<Database>,
    vault: Vault,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens a data directory, making it when it does not exist, and brings its files to this
    /// version's format. Blocks for as long as that takes: call it before serving.
    ///
    /// Fails with [`Error::InUse`] while another process has it open and with [`Error::Newer`]
    /// when a newer Kiln wrote it.
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let dir = config.dir;
        refuse_foreign_dir(&dir)?;
        make_private_dir(&dir)?;
        // Again: it may have been made in between.
        refuse_foreign_dir(&dir)?;
        let lock = take_lock(&dir, config.pid)?;
        refuse_other_marks(config.layer_marks, &dir)?;
        let keys = (config.master_key, config.former_master_key);
        let Meta {
            meta,
            vault,
            secrets,
        } = open_meta(&dir, keys)?;
        let queue = Queue::open(&dir, config.queue_bytes_max, clock.timestamp())?;
        let tenants = Tenants::open(meta.clone(), &vault)?;
        let (quotas, closed) = (tenants.quotas(), tenants.closed());
        queue.messages().limit_by(quotas);
        let parts = Parts {
            functions: Functions::open(meta.clone(), &vault, quotas)?,
            layers: Layers::open(meta.clone(), &vault, quotas)?,
            mappings: Mappings::open(meta.clone(), &vault, quotas)?,
            apis: Apis::open(meta.clone(), &vault)?,
            buses: Buses::open(meta.clone(), &vault)?,
            topics: Topics::open(meta.clone(), &vault)?,
            keys: Keys::open(meta.clone(), &vault, secrets.functions, clock.clone())?,
            identities: Identities::open(meta.clone(), &vault)?,
            secrets: Secrets::open(meta.clone(), &vault)?,
            parameters: Parameters::open(meta.clone(), &vault)?,
            signing: Signing::open(meta.clone(), &vault)?,
            logs: Logs::open(&dir, clock.clone(), closed)?,
            usage: Usage::open(&dir, closed)?,
            audit: Audit::open(&dir)?,
            schedules: Schedules::open(queue.clone())?,
            objects: Objects::open(&dir, queue.clone(), quotas)?,
            posts: Posts::open(queue.clone()),
            archives: Archives::open(queue.clone(), config.archive_bytes_max)?,
            queue,
            artifacts: Artifacts::open(&dir, Quota::default(), &secrets.packages, clock.clone())?,
            images: Images::open(&dir, clock.clone())?,
            clock,
            buckets: Buckets::open(&dir)?,
            meta,
            vault,
            tenants,
            erasing: tokio::sync::Mutex::new(()),
            dir,
            lock: Mutex::new(Some(lock)),
        };
        Ok(Self {
            parts: Arc::new(parts),
        })
    }

    /// Waits until everything accepted is on disk, then gives the directory up. Later changes
    /// fail with [`Error::Closed`]; what is in memory can still be read.
    pub async fn close(&self) -> Result<(), Error> {
        self.parts.logs.close().await?;
        self.parts.usage.close().await?;
        self.parts.audit.close().await?;
        self.parts.queue.close().await?;
        self.parts.meta.close().await?;
        self.parts.lock.lock().expect("no holder panics").take();
        Ok(())
    }

    /// Remembers a new function, or fails with [`Error::AlreadyExists`].
    pub async fn create_function(&self, function: Function) -> Result<Arc<Function>, Error> {
        self.parts.functions.create(function).await
    }

    /// The function as of the last change that was made durable. From memory.
    pub fn function(&self, id: &FunctionId) -> Option<Arc<Function>> {
        self.parts.functions.get(id)
    }

    /// All functions of an account, ordered by name. From memory.
    pub fn functions(&self, account: &AccountId) -> Vec<Arc<Function>> {
        self.parts.functions.list(account)
    }

    /// All functions of all accounts, ordered by account and name. From memory.
    pub fn all_functions(&self) -> Vec<Arc<Function>> {
        self.parts.functions.all()
    }

    /// Reads a function, lets `change` alter it, and keeps the result; no other change of the
    /// function comes in between. When `change` refuses, nothing is kept and its error is
    /// returned. The id cannot be changed: an altered one is put back.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update_function<E, F>(
        &self,
        id: &FunctionId,
        change: F,
    ) -> Result<Arc<Function>, E>
    where
        F: FnOnce(&mut Function) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.parts.functions.update(id, change).await
    }

    /// The same for a change that depends on the other functions of the account: `change` also gets
    /// those, as all changes before this one left them. Costs a read of them all.
    pub async fn update_function_among<E, F>(
        &self,
        id: &FunctionId,
        change: F,
    ) -> Result<Arc<Function>, E>
    where
        F: FnOnce(&mut Function, &[Function]) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.parts.functions.update_among(id, change).await
    }

    /// Forgets a function and its URLs, and returns it as it was. Its code, logs and usage stay.
    pub async fn delete_function(&self, id: &FunctionId) -> Result<Arc<Function>, Error> {
        self.parts.functions.delete(id).await
    }

    /// The function behind a function URL, and which version or alias the URL points at; none
    /// means `$LATEST`. From memory.
    pub fn function_by_url(&self, url: &UrlId) -> Option<(Arc<Function>, Option<Qualifier>)> {
        self.parts.functions.by_url(url)
    }

    /// Tells of every function that was created, updated or deleted from now on, after the change
    /// is visible. A receiver that falls 1,024 changes behind gets `Lagged` and must assume that
    /// every function changed.
    pub fn subscribe(&self) -> broadcast::Receiver<FunctionId> {
        self.parts.functions.subscribe()
    }

    /// Layers.
    pub fn layers(&self) -> &Layers {
        &self.parts.layers
    }

    /// Event source mappings.
    pub fn mappings(&self) -> &Mappings {
        &self.parts.mappings
    }

    /// HTTP APIs.
    pub fn apis(&self) -> &Apis {
        &self.parts.apis
    }

    /// What functions run on and layers hold: all that [`Artifacts::collect`] must keep. From
    /// memory.
    pub fn artifacts_in_use(&self) -> HashSet<Sha256> {
        let (functions, layers) = (self.parts.functions.all(), self.parts.layers.all());
        let versions = functions
            .iter()
            .flat_map(|function| function.configurations());
        let of_functions = versions.flat_map(|version| version.packages());
        let of_layers = layers.iter().map(|layer| &layer.code);
        let all = of_functions.chain(of_layers);
        all.map(|code| code.sha256.clone()).collect()
    }

    /// Code packages.
    pub fn artifacts(&self) -> &Artifacts {
        &self.parts.artifacts
    }

    /// Layers of container images.
    pub fn images(&self) -> &Images {
        &self.parts.images
    }

    /// The layers that functions run on or wait for: all that [`Images::collect`] must keep. From
    /// memory.
    pub fn image_layers_in_use(&self) -> HashSet<Sha256> {
        let functions = self.parts.functions.all();
        let versions = functions
            .iter()
            .flat_map(|function| function.configurations());
        let images = versions.filter_map(|version| version.container.as_ref());
        let images = images.flat_map(|container| container.images());
        images.flat_map(|image| image.layers.clone()).collect()
    }

    /// Directory-backed buckets.
    pub fn buckets(&self) -> &Buckets {
        &self.parts.buckets
    }

    /// Event buses and their rules.
    pub fn buses(&self) -> &Buses {
        &self.parts.buses
    }

    /// Topics and their subscriptions.
    pub fn topics(&self) -> &Topics {
        &self.parts.topics
    }

    /// Log groups, streams and events.
    pub fn logs(&self) -> &Logs {
        &self.parts.logs
    }

    /// What invocations used.
    pub fn usage(&self) -> &Usage {
        &self.parts.usage
    }

    /// What was changed, and what was refused.
    pub fn audit(&self) -> &Audit {
        &self.parts.audit
    }

    /// Asynchronous events and dead letters.
    pub fn queue(&self) -> &Queue {
        &self.parts.queue
    }

    /// Message queues.
    pub fn messages(&self) -> &Messages {
        self.parts.queue.messages()
    }

    /// Archives of event buses, and replays.
    pub fn archives(&self) -> &Archives {
        &self.parts.archives
    }

    /// What is to be posted to HTTP endpoints.
    pub fn posts(&self) -> &Posts {
        &self.parts.posts
    }

    /// Buckets and their objects.
    pub fn objects(&self) -> &Objects {
        &self.parts.objects
    }

    /// Schedules.
    pub fn schedules(&self) -> &Schedules {
        &self.parts.schedules
    }

    /// Users, groups, roles and managed policies.
    pub fn identities(&self) -> &Identities {
        &self.parts.identities
    }

    /// Secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.parts.secrets
    }

    /// Parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parts.parameters
    }

    /// Who signs code, and which functions ask for whose.
    pub fn signing(&self) -> &Signing {
        &self.parts.signing
    }

    /// Texts of the server's own, which nobody else may read.
    pub fn server_texts(&self) -> ServerTexts {
        ServerTexts::of(&self.parts.meta, &self.parts.vault)
    }

    /// Tenants: accounts that were made or limited, or are being erased.
    pub fn tenants(&self) -> &Tenants {
        &self.parts.tenants
    }

    /// The databases from which accounts can be erased; that of the audit log is none of them.
    pub(crate) fn databases(&self) -> [(Of, &Database); 4] {
        let parts = &self.parts;
        [
            (Of::Queue, parts.queue.database()),
            (Of::Logs, parts.logs.database()),
            (Of::Usage, parts.usage.database()),
            (Of::Meta, &parts.meta),
        ]
    }

    pub(crate) fn meta(&self) -> &Database {
        &self.parts.meta
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.parts.vault
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.parts.dir
    }

    pub(crate) fn erasing(&self) -> &tokio::sync::Mutex<()> {
        &self.parts.erasing
    }

    pub(crate) fn functions_kept(&self) -> &Functions {
        &self.parts.functions
    }

    /// What tells the time here.
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// Access keys.
    pub fn keys(&self) -> &Keys {
        &self.parts.keys
    }

    /// Gives each account, and the server itself, a new data key, seals by it all that the one before sealed, and destroys
    /// that. One transaction, after which the disk is wiped of the old keys; should somebody be reading them from the log, that is
    /// left to the next time it is emptied.
    pub async fn rotate_data_keys(&self) -> Result<Resealed, Error> {
        let vault = self.parts.vault.clone();
        let work = move |to: &Connection| vault.rotate(to);
        let vault = self.parts.vault.clone();
        let forget = move |(_, destroyed): &(Resealed, Vec<String>)| vault.forget(destroyed);
        let made = self.parts.meta.write_then("rotate data keys", work, forget);
        let (resealed, _) = made.await?;
        if !self.parts.meta.empty_log().await? {
            tracing::warn!(
                "somebody reads the log: data keys that were destroyed are in it until the server stops"
            );
        }
        Ok(resealed)
    }
}

/// `meta.db`, opened.
struct Meta {
    meta: Arc<Database>,
    vault: Vault,
    secrets: ServerSecrets,
}

/// Opens `meta.db` with its vault, by the master key that is given and a former one; what an older Kiln wrote in plain is sealed, and
/// nothing is left of it, nor of data keys as a former master key wrapped them.
fn open_meta(
    dir: &Path,
    (given, former): (Option<MasterKey>, Option<MasterKey>),
) -> Result<Meta, Error> {
    let is_given = given.is_some();
    let unlock = |to: &Connection| {
        let masters = MasterKeys::of(dir, given, former, Vault::has_keys(to)?)?;
        let (vault, is_wrapped_anew) = Vault::unlock(to, &masters)?;
        let unwiped = seal_what_is_plain(&vault, to)?;
        let secrets = ServerSecrets::open(&vault, to)?;
        Ok((vault, secrets, is_wrapped_anew, unwiped))
    };
    let (meta, (vault, secrets, is_wrapped_anew, unwiped)) =
        Database::open_with(dir, &crate::functions::META, unlock)?;
    if !unwiped.is_empty() {
        meta.write_anew(|to| unwiped.done(to))?;
    } else if is_wrapped_anew && !meta.empty_log_now()? {
        tracing::warn!(
            "somebody reads the log: data keys as the former master key wrapped them are in it until the server stops"
        );
    }
    if is_given {
        MasterKeys::forget_kept(dir)?;
    }
    Ok(Meta {
        meta: Arc::new(meta),
        vault,
        secrets,
    })
}
