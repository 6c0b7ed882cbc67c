//! Asked before each start of an instance whether its code may run.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_scheduler::Check;
use kiln_store::{ArtifactError, Store};
use kiln_types::function::Code;
use kiln_types::{Configuration, FunctionArn, FunctionId, SigningPolicy};

use super::{Flaw, Happened, note, verify};

/// The code and the layers of one version.
pub(crate) struct CodeGuard {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    arn: FunctionArn,
    id: FunctionId,
    /// The code, then the layers.
    codes: Vec<Code>,
    /// The signatures were verified since the version is known to this server.
    is_verified: AtomicBool,
    /// That one of them is revoked was written down.
    is_told: AtomicBool,
}

impl CodeGuard {
    pub(crate) fn of(
        store: &Store,
        arn: &FunctionArn,
        id: &FunctionId,
        configuration: &Configuration,
    ) -> Self {
        let layers = configuration.layers.iter().map(|layer| &layer.code);
        let codes = std::iter::once(&configuration.code).chain(layers);
        let shared = Shared {
            store: store.clone(),
            arn: arn.clone(),
            id: id.clone(),
            codes: codes.cloned().collect(),
            is_verified: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Check for CodeGuard {
    fn known(&self) -> Option<Result<(), String>> {
        let shared = &self.shared;
        let artifacts = shared.store.artifacts();
        for code in &shared.codes {
            artifacts.checked(&code.sha256)?;
        }
        if !shared.is_enforced() {
            return Some(Ok(()));
        }
        match shared.revoked() {
            // Written down by who looks.
            Some(_) if !shared.is_told.load(Ordering::Relaxed) => None,
            Some(flaw) => Some(Err(shared.untrusted(&flaw))),
            None if shared.is_verified.load(Ordering::Relaxed) => Some(Ok(())),
            None => None,
        }
    }

    fn check(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.check().await })
    }
}

impl Shared {
    async fn check(&self) -> Result<(), String> {
        let is_enforced = self.is_enforced();
        let mut flaw = None;
        for code in &self.codes {
            let checked = match self.store.artifacts().check(&code.sha256).await {
                Ok(checked) => checked,
                Err(error) => return Err(self.not_usable(error).await),
            };
            if is_enforced && code.signer.is_some() {
                flaw = flaw.or(verify(&self.store, &checked).err());
            }
        }
        if !is_enforced {
            return Ok(());
        }
        let Some(flaw) = flaw.or_else(|| self.revoked()) else {
            self.is_verified.store(true, Ordering::Relaxed);
            return Ok(());
        };
        let why = self.untrusted(&flaw);
        note(&self.store, &self.arn, Happened::Refused, &why).await;
        self.is_told.store(true, Ordering::Relaxed);
        Err(why)
    }

    /// Whether the function has a configuration that says so. Asked each time: it may change.
    fn is_enforced(&self) -> bool {
        let function = self.store.function(&self.id);
        let config = function.and_then(|function| self.store.signing().config_of(&function));
        config.is_some_and(|config| config.policy == SigningPolicy::Enforce)
    }

    /// Who signed part of it and is not trusted any more.
    fn revoked(&self) -> Option<Flaw> {
        let signers = self.codes.iter().filter_map(|code| code.signer.as_ref());
        let mut revoked = signers.filter(|signer| {
            let profile = self.store.signing().profile(&signer.profile);
            profile.is_none_or(|profile| profile.revoked.is_some())
        });
        revoked
            .next()
            .map(|signer| Flaw::Revoked(signer.profile.clone()))
    }

    fn untrusted(&self, flaw: &Flaw) -> String {
        format!("{flaw}; deploy code that is signed by somebody who is trusted")
    }

    async fn not_usable(&self, error: ArtifactError) -> String {
        let why = error.to_string();
        match error {
            ArtifactError::NotIntact { .. } => {
                note(&self.store, &self.arn, Happened::Altered, &why).await;
            }
            error => {
                let (function, error) = (&self.arn, &error as &dyn std::error::Error);
                tracing::error!(%function, error, "the code of a function cannot be read");
            }
        }
        why
    }
}
