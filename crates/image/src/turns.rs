//! [`Turns`]: so many at a time, and so many of them at one registry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reference::{Place, Reference, host_of};

/// Turns of what takes long. A registry that never ends cannot have them all, whatever images are asked
/// for there: those wait for one another, and who wants something from elsewhere does not.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    of_host_max: usize,
    /// Those of hosts that somebody has, or waits for.
    of_hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_host: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many at a time, and so many of them at the same host.
    pub fn new(max: usize, of_host_max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max)),
            of_host_max,
            of_hosts: Mutex::default(),
        }
    }

    /// Waits for a turn with the image of this name, after those who wait already. An image on this
    /// machine's disk has no host to share with others.
    pub async fn take(&self, uri: &str) -> Turn {
        // That of its host first: who waits for it keeps nobody else from a turn.
        let of_host = match host(uri) {
            Some(host) => Some(acquire(self.of_host(host)).await),
            None => None,
        };
        Turn {
            _of_all: acquire(Arc::clone(&self.all)).await,
            _of_host: of_host,
        }
    }

    fn of_host(&self, host: String) -> Arc<Semaphore> {
        let mut of_hosts = self.of_hosts.lock().expect("no holder panics");
        of_hosts.retain(|_, turns| turns.strong_count() > 0);
        let known = of_hosts.get(&host).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turns = Arc::new(Semaphore::new(self.of_host_max));
            of_hosts.insert(host, Arc::downgrade(&turns));
            turns
        })
    }
}

async fn acquire(turns: Arc<Semaphore>) -> OwnedSemaphorePermit {
    let turn = turns.acquire_owned().await;
    turn.expect("the semaphore is never closed")
}

/// Whose registry an image is at. All ports of a host are one: who has it has them all.
fn host(uri: &str) -> Option<String> {
    match Reference::parse(uri).ok()?.place {
        Place::Registry { host, .. } => {
            let authority: http::uri::Authority = host_of(&host).parse().ok()?;
            Some(authority.host().to_ascii_lowercase())
        }
        Place::Layout(_) | Place::LayoutArchive(_) | Place::DockerArchive(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A turn, if there is one.
    async fn taken(turns: &Turns, uri: &str) -> Option<Turn> {
        timeout(Duration::from_millis(1), turns.take(uri))
            .await
            .ok()
    }

    #[tokio::test(start_paused = true)]
    async fn one_host_does_not_have_all_turns() {
        let turns = Turns::new(3, 2);
        let first = taken(&turns, "evil.example/a:1").await;
        let second = taken(&turns, "EVIL.example:8443/b:1").await;
        assert!(first.is_some() && second.is_some());
        assert!(taken(&turns, "evil.example:444/c:1").await.is_none());
        let other = taken(&turns, "good.example/a:1").await;
        assert!(other.is_some());
        assert!(taken(&turns, "other.example/a:1").await.is_none());
        drop(first);
        let third = taken(&turns, "evil.example/c:1").await;
        assert!(third.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn images_on_disk_have_all_turns_and_hosts_are_forgotten() {
        let turns = Turns::new(2, 1);
        let first = taken(&turns, "oci:/images/a").await;
        let second = taken(&turns, "oci:/images/a").await;
        assert!(first.is_some() && second.is_some());
        drop((first, second));
        for host in 0..100 {
            let turn = taken(&turns, &format!("{host}.example/a")).await;
            assert!(turn.is_some());
        }
        assert!(turns.of_hosts.lock().unwrap().len() <= 1);
    }
}
