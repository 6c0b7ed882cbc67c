//! Asked before each start of an instance of a container image whether its layers can be had.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_scheduler::Check;
use kiln_store::Store;
use kiln_types::{FunctionArn, Image, Sha256};

use super::{Happened, note};

/// The layers of one version's image.
pub(crate) struct LayersGuard {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    arn: FunctionArn,
    layers: Vec<Sha256>,
    /// Whether it was written down: once is enough.
    is_told: AtomicBool,
}

impl LayersGuard {
    pub(crate) fn of(store: &Store, arn: &FunctionArn, image: &Image) -> Self {
        let shared = Shared {
            store: store.clone(),
            arn: arn.clone(),
            layers: image.layers.clone(),
            is_told: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Check for LayersGuard {
    fn known(&self) -> Option<Result<(), String>> {
        match self.shared.missing() {
            None => Some(Ok(())),
            // Written down by who looks.
            Some(why) => self
                .shared
                .is_told
                .load(Ordering::Relaxed)
                .then_some(Err(why)),
        }
    }

    fn check(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Some(why) = shared.missing() else {
                return Ok(());
            };
            if !shared.is_told.swap(true, Ordering::Relaxed) {
                note(&shared.store, &shared.arn, Happened::Altered, &why).await;
            }
            Err(why)
        })
    }
}

impl Shared {
    fn missing(&self) -> Option<String> {
        let images = self.store.images();
        let missing = self.layers.iter().find(|layer| !images.has(layer))?;
        Some(format!(
            "layer {missing} of the container image is damaged or gone; update the function's code to have it fetched again"
        ))
    }
}
