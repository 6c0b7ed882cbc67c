//! Sandboxes prepared ahead of need.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::net::{UnixStream, unix::pipe};
use tokio::sync::{Notify, watch};

use crate::config::{Config, PoolConfig};
use crate::sandbox::{Body, Exit};
use crate::wire::Link;

/// A sandbox without a main process.
#[derive(Debug)]
pub(crate) struct Shell {
    pub body: Arc<Body>,
    /// The connection to its init.
    pub control: Arc<Link>,
    pub uid: u32,
    pub exit: watch::Receiver<Option<Exit>>,
    pub ruleset: Option<OwnedFd>,
    pub listeners: Listeners,
}

/// Open sockets of a sandbox's network namespace, by their addresses there.
pub(crate) type Listeners = BTreeMap<SocketAddr, OwnedFd>;

/// A sandbox with a booted interpreter that waits for work.
#[derive(Debug)]
pub(crate) struct Stem {
    pub body: Arc<Body>,
    pub channel: UnixStream,
    pub output: pipe::Receiver,
    pub exit: watch::Receiver<Option<Exit>>,
    pub listeners: Listeners,
}

/// Something the pool should have and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Shell,
    Stem(String),
}

#[derive(Debug)]
pub(crate) struct Pool {
    wanted: PoolConfig,
    state: Mutex<State>,
    /// Told when something was taken, or when what was in the way is not any more.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    shells: VecDeque<Shell>,
    shells_coming: usize,
    stems: BTreeMap<String, Stems>,
}

#[derive(Debug, Default)]
struct Stems {
    ready: VecDeque<Stem>,
    coming: usize,
}

impl Pool {
    pub fn new(config: &Config) -> Self {
        let with_zygote = config.images.iter().filter(|image| image.zygote.is_some());
        let stems = with_zygote
            .map(|image| (image.name.clone(), Stems::default()))
            .collect();
        let state = Mutex::new(State {
            stems,
            ..State::default()
        });
        Self {
            wanted: config.pool,
            state,
            changed: Notify::new(),
        }
    }

    /// The next thing to make, which counts as coming from now on. Images that cannot be forked
    /// from now are left out, so that they do not keep others waiting.
    pub fn next_need(&self, can_fork: impl Fn(&str) -> bool) -> Option<Need> {
        let mut state = self.state();
        let stems_wanted = self.wanted.stems_per_image;
        let lacking = |stems: &&mut Stems| stems.ready.len() + stems.coming < stems_wanted;
        // The emptiest first, so that no image waits for all stems of another.
        let emptiest = state
            .stems
            .iter_mut()
            .filter(|(image, stems)| lacking(stems) && can_fork(image))
            .min_by_key(|(_, stems)| stems.ready.len() + stems.coming);
        if let Some((image, stems)) = emptiest {
            stems.coming += 1;
            return Some(Need::Stem(image.clone()));
        }
        if state.shells.len() + state.shells_coming < self.wanted.shells {
            state.shells_coming += 1;
            return Some(Need::Shell);
        }
        None
    }

    /// What was coming does not come.
    pub fn failed(&self, need: &Need) {
        let mut state = self.state();
        match need {
            Need::Shell => state.shells_coming -= 1,
            Need::Stem(image) => state.stems_of(image).coming -= 1,
        }
    }

    pub fn put_shell(&self, shell: Shell) {
        let mut state = self.state();
        state.shells_coming -= 1;
        state.shells.push_back(shell);
    }

    pub fn put_stem(&self, image: &str, stem: Stem) {
        let mut state = self.state();
        let stems = state.stems_of(image);
        stems.coming -= 1;
        stems.ready.push_back(stem);
    }

    pub fn take_shell(&self) -> Option<Shell> {
        let shell = self.state().shells.pop_front();
        self.changed.notify_one();
        shell
    }

    /// The oldest stem whose process has not ended meanwhile.
    pub fn take_stem(&self, image: &str) -> Option<Stem> {
        let stem = {
            let mut state = self.state();
            let stems = state.stems_of(image);
            let mut next = stems.ready.pop_front();
            while next
                .as_ref()
                .is_some_and(|stem| stem.exit.borrow().is_some())
            {
                next = stems.ready.pop_front();
            }
            next
        };
        self.changed.notify_one();
        stem
    }

    /// Gives up one prepared sandbox to make room for one that is needed now.
    pub fn evict(&self) -> bool {
        let mut state = self.state();
        let shell = state.shells.pop_front();
        let fullest = state
            .stems
            .values_mut()
            .max_by_key(|stems| stems.ready.len());
        let stem = if shell.is_none() {
            fullest.and_then(|s| s.ready.pop_front())
        } else {
            None
        };
        drop(state);
        shell.is_some() || stem.is_some()
    }

    /// Gives up all.
    pub fn clear(&self) {
        let mut state = self.state();
        let shells = std::mem::take(&mut state.shells);
        let stems: Vec<_> = state
            .stems
            .values_mut()
            .map(|stems| std::mem::take(&mut stems.ready))
            .collect();
        drop(state);
        drop((shells, stems));
    }

    /// Shells, and stems by image, that are ready.
    pub fn ready(&self) -> (usize, BTreeMap<String, usize>) {
        let state = self.state();
        let stems = state
            .stems
            .iter()
            .map(|(image, stems)| (image.clone(), stems.ready.len()));
        (state.shells.len(), stems.collect())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl State {
    fn stems_of(&mut self, image: &str) -> &mut Stems {
        self.stems.entry(image.to_owned()).or_default()
    }
}
