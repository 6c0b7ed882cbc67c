//! What instances are started from, made once per change of a function: a warm invocation
//! then only counts a reference.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use kiln_scheduler::{Guard, Spec};
use kiln_store::Store;
use kiln_types::function::Code;
use kiln_types::{
    Configuration, FileSystem, FileSystemMount, FunctionArn, FunctionId, Language, Qualifier,
    TenantId, Version,
};

use crate::config::Config;
use crate::error::Error;
use crate::trust::{CodeGuard, LayersGuard};

/// Specs by function and version. At most one each: the latest revision asked for.
pub(crate) struct Specs {
    config: Config,
    specs: RwLock<HashMap<FunctionId, Versions>>,
}

/// A function's specs: few enough to be searched one by one.
type Versions = Vec<(Version, Arc<Spec>)>;

impl Specs {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            specs: RwLock::default(),
        }
    }

    /// The spec of this very configuration for a tenant, if the function tells them apart.
    pub(crate) fn get(
        &self,
        store: &Store,
        id: &FunctionId,
        configuration: &Arc<Configuration>,
        tenant: Option<&TenantId>,
    ) -> Result<Arc<Spec>, Error> {
        let spec = self.of_all(store, id, configuration)?;
        // Tenants may be many, and come and go: nothing is kept of them here.
        Ok(match tenant {
            None => spec,
            Some(tenant) => Arc::new(Spec {
                tenant: Some(tenant.clone()),
                ..(*spec).clone()
            }),
        })
    }

    fn of_all(
        &self,
        store: &Store,
        id: &FunctionId,
        configuration: &Arc<Configuration>,
    ) -> Result<Arc<Spec>, Error> {
        let version = configuration.version;
        if let Some(known) = self.specs.read().expect("no holder panics").get(id)
            && let Some((_, spec)) = known.iter().find(|(known, _)| *known == version)
            && Arc::ptr_eq(&spec.configuration, configuration)
        {
            return Ok(spec.clone());
        }
        let spec = Arc::new(self.make(store, id, configuration)?);
        let mut specs = self.specs.write().expect("no holder panics");
        let known = specs.entry(id.clone()).or_default();
        known.retain(|(known, _)| *known != version);
        known.push((version, spec.clone()));
        Ok(spec)
    }

    /// Forgets a function that changed or is gone.
    pub(crate) fn forget(&self, id: &FunctionId) {
        self.specs.write().expect("no holder panics").remove(id);
    }

    /// Every function there is a spec of.
    pub(crate) fn known(&self) -> Vec<FunctionId> {
        self.specs
            .read()
            .expect("no holder panics")
            .keys()
            .cloned()
            .collect()
    }

    /// A spec that nobody else has.
    pub(crate) fn make(
        &self,
        store: &Store,
        id: &FunctionId,
        configuration: &Arc<Configuration>,
    ) -> Result<Spec, Error> {
        let version = Qualifier::Version(configuration.version);
        let arn = FunctionArn::new(self.config.region.clone(), id).qualified(Some(version));
        let dir = |code: &Code| store.artifacts().dir(&code.sha256);
        Ok(Spec {
            guard: guard(store, &arn, id, configuration),
            arn,
            id: id.clone(),
            tenant: None,
            configuration: configuration.clone(),
            code_dir: dir(&configuration.code),
            compiled_dir: self.compiled_dir(store, configuration),
            layer_dirs: configuration.layers.iter().map(|l| dir(&l.code)).collect(),
            image_dirs: configuration
                .container
                .iter()
                .flat_map(|container| &container.image.layers)
                .map(|layer| store.images().dir(layer))
                .collect(),
            file_systems: configuration
                .file_systems
                .iter()
                .map(|mount| self.file_system(mount))
                .collect::<Result<_, _>>()?,
            start: configuration.start.unwrap_or(self.config.start),
            network: configuration
                .network
                .clone()
                .unwrap_or_else(|| self.config.network.clone()),
        })
    }

    /// Where the code compiled at upload lies, if the runtime has such.
    fn compiled_dir(&self, store: &Store, configuration: &Configuration) -> Option<PathBuf> {
        let runtime = configuration.runtime.as_ref()?;
        let maker = self.config.compiled_by.as_ref()?;
        let is_compiled = runtime.language() == Language::Wasm;
        let dir = || {
            store
                .artifacts()
                .derived_dir(&configuration.code.sha256, maker)
        };
        is_compiled.then(dir)
    }

    /// The directory behind a function's file system, for as long as the operator has one.
    fn file_system(&self, mount: &FileSystemMount) -> Result<(FileSystem, PathBuf), Error> {
        let found = self.config.file_systems.get(&mount.arn.access_point);
        match found {
            Some(found) => Ok((found.clone(), mount.path.clone())),
            None => Err(Error::NoFileSystem(mount.arn.to_string())),
        }
    }
}

/// What is asked before each start whether the code may run.
fn guard(
    store: &Store,
    arn: &FunctionArn,
    id: &FunctionId,
    configuration: &Configuration,
) -> Guard {
    match &configuration.container {
        Some(container) => Guard::new(Arc::new(LayersGuard::of(store, arn, &container.image))),
        None => Guard::new(Arc::new(CodeGuard::of(store, arn, id, configuration))),
    }
}
