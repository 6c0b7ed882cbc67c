//! Removes the files of an account: packages of code and layers of images that nobody else has. Those of objects go with their rows.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use kiln_types::{AccountId, Sha256};
use rusqlite::Connection;

use super::Progress;
use crate::error::Error;
use crate::handle::Store;

impl Store {
    /// Every package that the account has or had: of its functions and layers, and those that it put.
    pub(super) async fn packages_of(&self, account: &AccountId) -> Result<BTreeSet<Sha256>, Error> {
        let mut packages = noted(self, account, "account = ?1").await?;
        for function in self.functions(account) {
            for version in function.configurations() {
                packages.extend(version.packages().map(|code| code.sha256.clone()));
            }
        }
        let layers = self.layers().list(account);
        packages.extend(layers.iter().map(|layer| layer.code.sha256.clone()));
        Ok(packages)
    }

    /// Every layer of the images of its functions.
    pub(super) fn layers_of(&self, account: &AccountId) -> BTreeSet<Sha256> {
        let functions = self.functions(account);
        let versions = functions
            .iter()
            .flat_map(|function| function.configurations());
        let containers = versions.filter_map(|version| version.container.as_ref());
        let images = containers.flat_map(|container| container.images());
        images.flat_map(|image| image.layers.clone()).collect()
    }

    /// Removes those that no other account has. What was put since the erasure was begun is another's, who is about to use it.
    pub(super) async fn remove_files(&self, progress: &Progress) -> Result<(), Error> {
        let begun = self.clock().timestamp().as_millis() - progress.begun;
        let begun = Duration::from_millis(begun.max(0).unsigned_abs());
        for sha256 in self.doomed_packages(progress).await? {
            self.artifacts().discard(sha256, begun).await?;
        }
        for digest in self.doomed_layers(progress) {
            self.images().discard(digest, begun).await?;
        }
        Ok(())
    }

    /// Packages of the account that nobody else runs, nor has put and may be about to use.
    pub(super) async fn doomed_packages(&self, progress: &Progress) -> Result<Vec<Sha256>, Error> {
        let of_others = noted(self, &AccountId::default(), "?1 = ?1").await?;
        let used = self.artifacts_in_use();
        Ok(beyond(&progress.packages, |digest| {
            used.contains(digest) || of_others.contains(digest)
        }))
    }

    pub(super) fn doomed_layers(&self, progress: &Progress) -> Vec<Sha256> {
        let used: HashSet<Sha256> = self.image_layers_in_use();
        beyond(&progress.layers, |digest| used.contains(digest))
    }
}

fn beyond(all: &BTreeSet<Sha256>, is_kept: impl Fn(&Sha256) -> bool) -> Vec<Sha256> {
    let doomed = all.iter().filter(|digest| !is_kept(digest));
    doomed.cloned().collect()
}

/// The packages whose putting was noted. Those of an account that is erased are noted no more when others' are asked for.
async fn noted(
    store: &Store,
    account: &AccountId,
    whose: &'static str,
) -> Result<BTreeSet<Sha256>, Error> {
    let account = account.clone();
    let read = move |from: &Connection| {
        let select = format!("SELECT DISTINCT sha256 FROM package WHERE {whose}");
        let mut select = from.prepare(&select)?;
        let rows = select.query_map([account.as_str()], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let texts = store.meta().read("read whose packages are", read).await?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}
