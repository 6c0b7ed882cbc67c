//! Every source that there is, by what a mapping names.

use std::sync::Arc;

use kiln_types::{Clock, EventSource, Mapping};

use crate::config::Config;
use crate::secrets::Secrets;
use crate::source::Source;

mod postgres;

/// Makes the source of a mapping.
pub(crate) trait MakeSources: Send + Sync + 'static {
    /// It does nothing before it is told to.
    fn make(&self, mapping: &Mapping) -> Arc<dyn Source>;
}

/// Real sources.
pub(crate) struct Sources {
    config: Config,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

impl Sources {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            config: config.clone(),
            secrets: Secrets::new(config.secrets_dir.clone()),
            clock,
        }
    }
}

impl MakeSources for Sources {
    fn make(&self, mapping: &Mapping) -> Arc<dyn Source> {
        match &mapping.source {
            EventSource::Postgres(source) => Arc::new(postgres::Postgres::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.clock.clone(),
            )),
        }
    }
}
