//! Asked before each start of an instance whether its code may run.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};

use kiln_scheduler::Check;
use kiln_store::{ArtifactError, Store};
use kiln_types::function::Code;
use kiln_types::{Configuration, FunctionArn, FunctionId, ProfileArn, SigningPolicy};

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
    /// Who signed it, verified once: keys do not change. Set when its signatures are first asked for.
    signers: OnceLock<Vec<ProfileArn>>,
    /// What was written down last: once is enough.
    told: Mutex<Option<String>>,
}

impl CodeGuard {
    pub(crate) fn of(
        store: &Store,
        arn: &FunctionArn,
        id: &FunctionId,
        configuration: &Configuration,
    ) -> Self {
        let shared = Shared {
            store: store.clone(),
            arn: arn.clone(),
            id: id.clone(),
            codes: configuration.packages().cloned().collect(),
            signers: OnceLock::new(),
            told: Mutex::default(),
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
        let refused = match shared.is_enforced() {
            Ok(false) => None,
            Ok(true) => shared
                .revoked(shared.signers.get()?)
                .map(|flaw| untrusted(&flaw)),
            Err(unknown) => Some(unknown.to_string()),
        };
        match refused {
            None => Some(Ok(())),
            // Written down by who looks.
            Some(why) => shared.is_told(&why).then_some(Err(why)),
        }
    }

    fn check(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.check().await })
    }
}

impl Shared {
    async fn check(&self) -> Result<(), String> {
        let is_enforced = match self.is_enforced() {
            Ok(is_enforced) => is_enforced,
            Err(unknown) => return self.refuse(unknown.to_string()).await,
        };
        let (mut signers, mut flaw) = (Vec::new(), None);
        for code in &self.codes {
            let checked = match self.store.artifacts().check(&code.sha256).await {
                Ok(checked) => checked,
                Err(error) => return Err(self.not_usable(error).await),
            };
            match is_enforced.then(|| verify(&self.store, &checked)) {
                Some(Ok((statement, _))) => signers.push(statement.profile),
                Some(Err(found)) if code.signer.is_some() => flaw = flaw.or(Some(found)),
                // What nobody had signed when it was deployed goes on.
                _ => {}
            }
        }
        if !is_enforced {
            return Ok(());
        }
        let Some(flaw) = flaw.or_else(|| self.revoked(&signers)) else {
            let _ = self.signers.set(signers);
            return Ok(());
        };
        self.refuse(untrusted(&flaw)).await
    }

    async fn refuse(&self, why: String) -> Result<(), String> {
        self.tell(Happened::Refused, &why).await;
        Err(why)
    }

    /// Whether the function has a configuration that says so. Asked each time: it may change.
    fn is_enforced(&self) -> Result<bool, kiln_store::Error> {
        let Some(function) = self.store.function(&self.id) else {
            return Ok(false);
        };
        let config = self.store.signing().config_of(&function)?;
        Ok(config.is_some_and(|config| config.policy == SigningPolicy::Enforce))
    }

    /// That one of these is not trusted any more.
    fn revoked(&self, signers: &[ProfileArn]) -> Option<Flaw> {
        let mut revoked = signers.iter().filter(|arn| {
            let profile = self.store.signing().profile(arn);
            profile.is_none_or(|profile| profile.revoked.is_some())
        });
        revoked.next().map(|arn| Flaw::Revoked(arn.clone()))
    }

    async fn not_usable(&self, error: ArtifactError) -> String {
        let why = error.to_string();
        match error {
            ArtifactError::NotIntact {
                is_restored: true, ..
            } => note(&self.store, &self.arn, Happened::Altered, &why).await,
            ArtifactError::NotIntact { .. } => self.tell(Happened::Altered, &why).await,
            error => {
                let (function, error) = (&self.arn, &error as &dyn std::error::Error);
                tracing::error!(%function, error, "the code of a function cannot be read");
            }
        }
        why
    }

    fn is_told(&self, why: &str) -> bool {
        let told = self.told.lock().expect("no holder panics");
        told.as_deref() == Some(why)
    }

    async fn tell(&self, happened: Happened, why: &str) {
        if self.is_told(why) {
            return;
        }
        note(&self.store, &self.arn, happened, why).await;
        *self.told.lock().expect("no holder panics") = Some(why.to_owned());
    }
}

fn untrusted(flaw: &Flaw) -> String {
    format!("{flaw}; deploy code that is signed by somebody who is trusted")
}
