//! What instances are started from, made once per change of a function: a warm invocation
//! then only counts a reference.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kiln_scheduler::Spec;
use kiln_store::Store;
use kiln_types::function::Code;
use kiln_types::{Configuration, FunctionArn, FunctionId, Qualifier, Version};

use crate::config::Config;

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

    /// The spec of this very configuration.
    pub(crate) fn get(
        &self,
        store: &Store,
        id: &FunctionId,
        configuration: &Arc<Configuration>,
    ) -> Arc<Spec> {
        let version = configuration.version;
        if let Some(known) = self.specs.read().expect("no holder panics").get(id)
            && let Some((_, spec)) = known.iter().find(|(known, _)| *known == version)
            && Arc::ptr_eq(&spec.configuration, configuration)
        {
            return spec.clone();
        }
        let spec = Arc::new(self.make(store, id, configuration));
        let mut specs = self.specs.write().expect("no holder panics");
        let known = specs.entry(id.clone()).or_default();
        known.retain(|(known, _)| *known != version);
        known.push((version, spec.clone()));
        spec
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

    fn make(&self, store: &Store, id: &FunctionId, configuration: &Arc<Configuration>) -> Spec {
        let version = Qualifier::Version(configuration.version);
        let dir = |code: &Code| store.artifacts().dir(&code.sha256);
        Spec {
            arn: FunctionArn::new(self.config.region.clone(), id).qualified(Some(version)),
            id: id.clone(),
            configuration: configuration.clone(),
            code_dir: dir(&configuration.code),
            layer_dirs: configuration.layers.iter().map(|l| dir(&l.code)).collect(),
            start: configuration.start.unwrap_or(self.config.start),
            credentials: None,
        }
    }
}
