//! Follows the changes of functions: what is out of date stops running, and the scheduler knows all
//! reservations, those of functions that nobody has called yet too.

use std::sync::Weak;

use kiln_scheduler::{Host, Spec};
use kiln_types::{Function, FunctionId, State};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::invoker::Shared;

impl<H: Host<Spec = Spec>> Shared<H> {
    /// Tells the scheduler of every function. Ends what runs of functions that are gone.
    pub(crate) fn follow_all(&self) {
        for function in self.store.all_functions() {
            self.follow(&function.id);
        }
        for id in self.specs.known() {
            if self.store.function(&id).is_none() {
                self.follow(&id);
            }
        }
    }

    /// Tells the scheduler how many instances of each version are kept ready.
    fn provision(&self, function: &Function) {
        let mut wanted = Vec::new();
        for configuration in function.versions.values() {
            let count = function.provisioned_for(configuration.version);
            // Until its image is here a version has nothing to run.
            if count == 0 || configuration.state != State::Active {
                continue;
            }
            let spec = self
                .specs
                .get(&self.store, &function.id, configuration, None);
            match spec {
                Ok(spec) => wanted.push((spec, count)),
                Err(error) => tracing::warn!(
                    function = %function.id.name, version = %configuration.version, %error,
                    "no instances are kept ready"
                ),
            }
        }
        self.scheduler.provision(&function.id, &wanted);
    }

    fn follow(&self, id: &FunctionId) {
        self.specs.forget(id);
        match self.store.function(id) {
            Some(function) => {
                let reserved = || self.store.function(id)?.reserved_concurrency;
                self.scheduler.reserve(id, reserved);
                self.scheduler.retire(id, Some(function.latest.revision));
                self.provision(&function);
            }
            None => self.scheduler.retire(id, None),
        }
    }
}

/// Follows changes until the store or the last invoker is gone.
pub(crate) async fn follow<H: Host<Spec = Spec>>(
    invoker: Weak<Shared<H>>,
    mut changes: Receiver<FunctionId>,
) {
    loop {
        let change = changes.recv().await;
        let Some(invoker) = invoker.upgrade() else {
            return;
        };
        match change {
            Ok(id) => invoker.follow(&id),
            Err(RecvError::Lagged(_)) => invoker.follow_all(),
            Err(RecvError::Closed) => return,
        }
    }
}
