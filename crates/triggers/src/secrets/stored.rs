//! Secrets of accounts, which this server keeps.

use std::sync::Arc;

use kiln_store::SecretValue;
use kiln_types::secret::CURRENT;
use kiln_types::{Clock, SecretArn};
use zeroize::Zeroizing;

use super::Keeper;
use crate::source::{Task, Trouble};

/// Those of the store.
pub(crate) struct Stored {
    secrets: kiln_store::Secrets,
    clock: Arc<dyn Clock>,
}

impl Stored {
    pub(crate) fn new(secrets: kiln_store::Secrets, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, clock }
    }

    async fn text(&self, arn: &SecretArn) -> Result<Option<Zeroizing<String>>, Trouble> {
        let (region, name) = (&arn.region, arn.name());
        let found = self.secrets.find(&arn.account, region, &arn.to_string());
        let Some(secret) = found else {
            return Ok(None);
        };
        if secret.deletion.is_some() {
            return Err(Trouble::new(format!(
                "the secret '{name}' is to be deleted"
            )));
        }
        let empty = || Trouble::new(format!("the secret '{name}' says nothing yet"));
        let version = secret.labelled(CURRENT).ok_or_else(empty)?;
        let read = self.secrets.value(&secret, version).await;
        let value = read.map_err(|error| {
            Trouble::new(format!("the secret '{name}' cannot be read: {error}"))
        })?;
        let noted = self
            .secrets
            .note_access(&secret, version, self.clock.timestamp());
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the day on which a secret was read could not be noted");
        }
        match value {
            Some(SecretValue::Text(text)) => Ok(Some(text)),
            Some(SecretValue::Bytes(_)) => {
                Err(Trouble::new(format!("the secret '{name}' is no text")))
            }
            None => Err(empty()),
        }
    }
}

impl Keeper for Stored {
    fn read<'a>(
        &'a self,
        arn: &'a SecretArn,
    ) -> Task<'a, Result<Option<Zeroizing<String>>, Trouble>> {
        Box::pin(self.text(arn))
    }
}
