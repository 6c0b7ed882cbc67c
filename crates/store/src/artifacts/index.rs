//! Which packages there are, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_types::function::Code;
use kiln_types::{Moment, Sha256};

use super::ArtifactError;
use super::integrity::{Checked, Identity};

/// Which packages there are, and what they and those being unpacked take together.
#[derive(Default)]
pub(super) struct Index {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    packages: HashMap<Sha256, Package>,
    total_bytes: u64,
}

struct Package {
    code: Code,
    /// When it was last uploaded, if since the store was opened.
    uploaded: Option<Moment>,
    trust: Trust,
}

/// What is known of a package's files since the store was opened.
#[derive(Default, Clone)]
pub(super) enum Trust {
    /// Nothing.
    #[default]
    Unknown,
    /// They are what was uploaded, as long as their directory is this one.
    Checked(Arc<Checked>, Identity),
    /// They are not, and could not be restored.
    Damaged(String),
}

/// Room for a package that is being unpacked; given back on drop.
pub(super) struct Reservation {
    index: Arc<Index>,
    bytes: u64,
}

impl Index {
    pub(super) fn add_found(&self, code: Code) {
        let mut state = self.state.lock().expect("no holder panics");
        state.total_bytes = state.total_bytes.saturating_add(code.zipped_bytes);
        state.packages.insert(
            code.sha256.clone(),
            Package {
                code,
                uploaded: None,
                trust: Trust::Unknown,
            },
        );
    }

    pub(super) fn contains(&self, sha256: &Sha256) -> bool {
        self.state
            .lock()
            .expect("no holder panics")
            .packages
            .contains_key(sha256)
    }

    /// What is known of a package's files; none when there is no such package.
    pub(super) fn trust(&self, sha256: &Sha256) -> Option<Trust> {
        let state = self.state.lock().expect("no holder panics");
        Some(state.packages.get(sha256)?.trust.clone())
    }

    pub(super) fn set_trust(&self, sha256: &Sha256, trust: Trust) {
        let mut state = self.state.lock().expect("no holder panics");
        if let Some(package) = state.packages.get_mut(sha256) {
            package.trust = trust;
        }
    }

    /// Notes what a package's zip turned out to have.
    pub(super) fn set_code(&self, code: Code) {
        let mut state = self.state.lock().expect("no holder panics");
        let state = &mut *state;
        if let Some(package) = state.packages.get_mut(&code.sha256) {
            let others = state.total_bytes.saturating_sub(package.code.zipped_bytes);
            state.total_bytes = others.saturating_add(code.zipped_bytes);
            package.code = code;
        }
    }

    /// Notes an upload of a package that is here already.
    pub(super) fn touch(&self, sha256: &Sha256, now: Moment) -> Option<Code> {
        let mut state = self.state.lock().expect("no holder panics");
        let package = state.packages.get_mut(sha256)?;
        package.uploaded = Some(now);
        Some(package.code.clone())
    }

    pub(super) fn reserve(
        index: &Arc<Self>,
        bytes: u64,
        max: u64,
    ) -> Result<Reservation, ArtifactError> {
        let mut state = index.state.lock().expect("no holder panics");
        if state.total_bytes + bytes > max {
            return Err(ArtifactError::StorageFull { max });
        }
        state.total_bytes += bytes;
        Ok(Reservation {
            index: index.clone(),
            bytes,
        })
    }

    pub(super) fn known(&self) -> Vec<Sha256> {
        self.state
            .lock()
            .expect("no holder panics")
            .packages
            .keys()
            .cloned()
            .collect()
    }

    pub(super) fn is_untouched_for(&self, sha256: &Sha256, grace: Duration, now: Moment) -> bool {
        let state = self.state.lock().expect("no holder panics");
        match state.packages.get(sha256) {
            Some(package) => package
                .uploaded
                .is_none_or(|uploaded| now.since(uploaded) >= grace),
            None => false,
        }
    }

    /// Forgets a package and tells how many bytes its zip had.
    pub(super) fn remove(&self, sha256: &Sha256) -> u64 {
        let mut state = self.state.lock().expect("no holder panics");
        let bytes = state
            .packages
            .remove(sha256)
            .map_or(0, |package| package.code.zipped_bytes);
        state.total_bytes = state.total_bytes.saturating_sub(bytes);
        bytes
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.state.lock().expect("no holder panics").total_bytes
    }
}

impl Reservation {
    /// The package is in its place.
    pub(super) fn fulfil(mut self, code: Code, trust: Trust, now: Moment) {
        let mut state = self.index.state.lock().expect("no holder panics");
        state.packages.insert(
            code.sha256.clone(),
            Package {
                code,
                uploaded: Some(now),
                trust,
            },
        );
        drop(state);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.index
            .state
            .lock()
            .expect("no holder panics")
            .total_bytes -= self.bytes;
    }
}
