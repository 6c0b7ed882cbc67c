//! Sandboxes prepared ahead of need.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::net::{UnixStream, unix::pipe};
use tokio::sync::{Notify, watch};

use crate::config::{Config, PoolConfig};
use crate::network::Descriptors;
use crate::programs::Programs;
use crate::request::Program;
use crate::sandbox::{Body, Exit};
use crate::wire::Link;

/// Of how many programs an image keeps stems: those that were asked for last. A request for
/// another finds none ready; from then on it is one of these, and the one that was asked for
/// longest ago is not.
const PROGRAMS_MAX: usize = 4;

/// A sandbox without a main process.
#[derive(Debug)]
pub(crate) struct Shell {
    pub body: Arc<Body>,
    /// The connection to its init.
    pub control: Link,
    pub exit: watch::Receiver<Option<Exit>>,
    pub ruleset: Option<OwnedFd>,
    pub listeners: Listeners,
    pub uplink: Option<Descriptors>,
}

/// Open sockets of a sandbox's network namespace, by their addresses there.
pub(crate) type Listeners = BTreeMap<SocketAddr, OwnedFd>;

/// A sandbox with its main process. In the pool that is a booted interpreter that waits for work.
#[derive(Debug)]
pub(crate) struct Stem {
    pub body: Arc<Body>,
    pub control: Control,
    pub channel: UnixStream,
    pub output: pipe::Receiver,
    pub exit: watch::Receiver<Option<Exit>>,
    pub listeners: Listeners,
    pub uplink: Option<Descriptors>,
    /// The main program when it is not started yet, its channel and its output.
    pub unstarted: Option<(Program, [OwnedFd; 2])>,
}

/// The connection to the init of a sandbox with a main process.
#[derive(Debug)]
pub(crate) enum Control {
    /// Init has started nothing.
    Quiet(Link),
    /// Init starts programs and tells of them.
    Programs(Arc<Programs>),
}

/// Something the pool should have and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Shell,
    Stem(Kind),
}

/// What a stem is made of. Ordered by image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub image: String,
    /// Without a program it is forked from the image's zygote.
    pub program: Option<Program>,
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
    stems: BTreeMap<Kind, Stems>,
    /// How many stems were asked for.
    asked: u64,
}

#[derive(Debug, Default)]
struct Stems {
    ready: VecDeque<Stem>,
    coming: usize,
    /// The number of the last request for one.
    asked_last: u64,
}

impl Pool {
    pub fn new(config: &Config) -> Self {
        let kinds = config.images.iter().flat_map(|image| {
            let forked = image.zygote.as_ref().map(|_| None);
            let programs = forked
                .into_iter()
                .chain(image.ahead.iter().cloned().map(Some));
            programs.map(|program| Kind {
                image: image.name.clone(),
                program,
            })
        });
        let stems = kinds.map(|kind| (kind, Stems::default())).collect();
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

    /// The next thing to make, which counts as coming from now on. Kinds of which none can be made
    /// now are left out, so that they do not keep others waiting.
    pub fn next_need(&self, can_make: impl Fn(&Kind) -> bool) -> Option<Need> {
        let mut state = self.state();
        let stems_wanted = self.wanted.stems_per_image;
        let lacking = |stems: &&mut Stems| stems.ready.len() + stems.coming < stems_wanted;
        // The emptiest first, so that no kind waits for all stems of another.
        let emptiest = state
            .stems
            .iter_mut()
            .filter(|(kind, stems)| lacking(stems) && can_make(kind))
            .min_by_key(|(_, stems)| stems.ready.len() + stems.coming);
        if let Some((kind, stems)) = emptiest {
            stems.coming += 1;
            return Some(Need::Stem(kind.clone()));
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
            Need::Stem(kind) => {
                if let Some(stems) = state.stems.get_mut(kind) {
                    stems.coming = stems.coming.saturating_sub(1);
                }
            }
        }
    }

    pub fn put_shell(&self, shell: Shell) {
        let mut state = self.state();
        state.shells_coming -= 1;
        state.shells.push_back(shell);
    }

    /// Keeps a stem, unless stems of its kind are not kept any more.
    pub fn put_stem(&self, kind: &Kind, stem: Stem) {
        let mut state = self.state();
        if let Some(stems) = state.stems.get_mut(kind) {
            // Of a kind that was given up and asked for again, fewer are known to come than do.
            stems.coming = stems.coming.saturating_sub(1);
            stems.ready.push_back(stem);
        }
    }

    pub fn take_shell(&self) -> Option<Shell> {
        let shell = self.state().shells.pop_front();
        self.changed.notify_one();
        shell
    }

    /// The oldest stem of this kind whose process has not ended meanwhile. Stems of the kind are
    /// kept from now on.
    pub fn take_stem(&self, kind: &Kind) -> Option<Stem> {
        let (stem, given_up) = {
            let mut state = self.state();
            let given_up = state.make_room_for(kind);
            state.asked += 1;
            let asked = state.asked;
            let stems = state.stems.entry(kind.clone()).or_default();
            stems.asked_last = asked;
            let has_ended = |stem: &Stem| stem.exit.borrow().is_some();
            let ended = stems
                .ready
                .iter()
                .take_while(|stem| has_ended(stem))
                .count();
            stems.ready.drain(..ended);
            (stems.ready.pop_front(), given_up)
        };
        drop(given_up);
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
        let mut ready = BTreeMap::new();
        for (kind, stems) in &state.stems {
            *ready.entry(kind.image.clone()).or_default() += stems.ready.len();
        }
        (state.shells.len(), ready)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl State {
    /// Gives up the stems of the program that was asked for longest ago, when an image has too
    /// many and this is a new one.
    fn make_room_for(&mut self, kind: &Kind) -> Option<Stems> {
        if kind.program.is_none() || self.stems.contains_key(kind) {
            return None;
        }
        let of_image =
            |(other, _): &(&Kind, &Stems)| other.image == kind.image && other.program.is_some();
        let programs = self.stems.iter().filter(of_image);
        if programs.clone().count() < PROGRAMS_MAX {
            return None;
        }
        let oldest = programs.min_by_key(|(_, stems)| stems.asked_last);
        let oldest = oldest.map(|(kind, _)| kind.clone())?;
        self.stems.remove(&oldest)
    }
}
