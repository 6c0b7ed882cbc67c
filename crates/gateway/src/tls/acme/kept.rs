//! What is remembered over restarts, sealed in the store: the account with the authority, the certificate, and failures, so that a
//! server that is started again and again orders no more often.

use instant_acme::AccountCredentials;
use kiln_store::{ServerText, ServerTexts};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;
use zeroize::{Zeroize as _, Zeroizing};

use super::AcmeConfig;
use super::core::Failures;

/// Remembers.
#[derive(Clone)]
pub(super) struct Kept {
    texts: ServerTexts,
}

/// What is asked for: what was kept for something else does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    directory: String,
    /// In the order of the alphabet: in which they were given does not matter.
    names: Vec<String>,
    by_http: bool,
    /// The id of the account of a customer.
    #[serde(default)]
    external_account: Option<String>,
}

/// Who the server is to an authority.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    pub(super) directory: String,
    pub(super) email: Option<String>,
    /// The id of the account of a customer to which it was tied.
    #[serde(default)]
    pub(super) external_account: Option<String>,
    pub(super) credentials: AccountCredentials,
}

/// A certificate that was issued.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptCertificate {
    pub(super) wish: Wish,
    /// It and those between it and its authority, as PEM.
    pub(super) chain: String,
    /// Its key, as PEM.
    pub(super) key: String,
}

impl Drop for KeptCertificate {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
struct KeptFailures {
    wish: Wish,
    failures: Failures,
}

impl Wish {
    pub(super) fn of(config: &AcmeConfig) -> Self {
        let mut names = config.names.clone();
        names.sort();
        let customer = config.external_account.as_ref();
        Self {
            directory: config.directory.clone(),
            names,
            by_http: config.by_http,
            external_account: customer.map(|it| it.id.clone()),
        }
    }

    /// Whether a certificate for the other is one for this: which way it was proven does not matter, nor by which account.
    pub(super) fn is_met_by(&self, other: &Wish) -> bool {
        self.directory == other.directory && self.names == other.names
    }
}

impl Kept {
    pub(super) fn new(texts: ServerTexts) -> Self {
        Self { texts }
    }

    /// The account for what is asked for. One that is tied to a customer's is used on when nothing is said of that any more: the key
    /// of such an account may be good for one time only.
    pub(super) async fn account(
        &self,
        wish: &Wish,
    ) -> Result<Option<KeptAccount>, kiln_store::Error> {
        let found: Option<KeptAccount> = self.get(ServerText::AcmeAccount).await?;
        Ok(found.filter(|account| {
            let customer = wish.external_account.as_ref();
            account.directory == wish.directory
                && customer.is_none_or(|id| account.external_account.as_ref() == Some(id))
        }))
    }

    pub(super) async fn keep_account(&self, it: &KeptAccount) -> Result<(), kiln_store::Error> {
        self.put(ServerText::AcmeAccount, it).await
    }

    /// The authority does not know it any more.
    pub(super) async fn forget_account(&self) -> Result<(), kiln_store::Error> {
        self.texts.remove(ServerText::AcmeAccount).await
    }

    pub(super) async fn certificate(&self) -> Result<Option<KeptCertificate>, kiln_store::Error> {
        self.get(ServerText::AcmeCertificate).await
    }

    /// Keeps it, and that nothing failed since; perhaps with a wait before the next.
    pub(super) async fn keep_certificate(
        &self,
        it: &KeptCertificate,
        wait: Option<Failures>,
    ) -> Result<(), kiln_store::Error> {
        self.put(ServerText::AcmeCertificate, it).await?;
        match wait {
            Some(wait) => self.keep_failures(&it.wish, wait).await,
            None => self.texts.remove(ServerText::AcmeFailures).await,
        }
    }

    pub(super) async fn failures(
        &self,
        wish: &Wish,
    ) -> Result<Option<Failures>, kiln_store::Error> {
        let found: Option<KeptFailures> = self.get(ServerText::AcmeFailures).await?;
        let found = found.filter(|kept| kept.wish == *wish);
        Ok(found.map(|kept| kept.failures))
    }

    pub(super) async fn keep_failures(
        &self,
        wish: &Wish,
        failures: Failures,
    ) -> Result<(), kiln_store::Error> {
        let wish = wish.clone();
        self.put(ServerText::AcmeFailures, &KeptFailures { wish, failures })
            .await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        which: ServerText,
    ) -> Result<Option<T>, kiln_store::Error> {
        let Some(text) = self.texts.get(which).await? else {
            return Ok(None);
        };
        let read = serde_json::from_str(&text);
        // The error may quote what it could not read, which is a key.
        if read.is_err() {
            warn!(?which, "what was kept is of another form and is not used");
        }
        Ok(read.ok())
    }

    async fn put(&self, which: ServerText, it: &impl Serialize) -> Result<(), kiln_store::Error> {
        let text = serde_json::to_string(it).expect("its keys are texts");
        self.texts.put(which, Zeroizing::new(text)).await
    }
}
