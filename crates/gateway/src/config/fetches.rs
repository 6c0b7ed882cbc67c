//! How many container images come at a time, and how long one may take.

use std::time::Duration;

use kiln_image::Turns;
use tokio::time::timeout;

/// Container images of which layers are fetched at once. A function whose image has to wait for its turn
/// stays `Pending` meanwhile (of an update: `InProgress`); one whose layers are here does not wait.
const FETCHES_MAX: usize = 4;
/// How many of them from one registry: one that sends next to nothing leaves the rest to others.
const FETCHES_OF_HOST_MAX: usize = 2;
/// How long all layers of one may take, once it is its turn: 10 GiB, the largest image, in that time are
/// 24 Mbit/s. Beyond, the function is `Failed` with `InternalError` (of an update: `LastUpdateStatus`), and
/// the layers that came are kept for the next attempt.
const FETCH_MAX: Duration = Duration::from_secs(3_600);

/// The turns of container images to be fetched.
#[derive(Debug)]
pub struct Fetches {
    turns: Turns,
    time_max: Duration,
}

/// A fetch that did not end within this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow(pub(crate) Duration);

impl Fetches {
    /// So many at once, each for so long.
    pub(crate) fn new(count: usize, time_max: Duration) -> Self {
        Self {
            turns: Turns::new(count, FETCHES_OF_HOST_MAX),
            time_max,
        }
    }

    /// Runs the fetch of the image of this name when it is its turn.
    pub(crate) async fn run<T>(
        &self,
        uri: &str,
        fetch: impl Future<Output = T>,
    ) -> Result<T, TooSlow> {
        let _turn = self.turns.take(uri).await;
        let fetched = timeout(self.time_max, fetch).await;
        fetched.map_err(|_| TooSlow(self.time_max))
    }
}

impl Default for Fetches {
    fn default() -> Self {
        Self::new(FETCHES_MAX, FETCH_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_turns() {
        let fetches = Fetches::new(2, FETCH_MAX);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let fetch = async || {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
        };
        let run = || fetches.run("oci:/image", fetch());
        let all = tokio::join!(run(), run(), run(), run());
        assert_eq!(all, (Ok(()), Ok(()), Ok(()), Ok(())));
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_end_gives_its_turn_back() {
        let fetches = Fetches::new(1, FETCH_MAX);
        let endless = fetches
            .run("oci:/image", std::future::pending::<()>())
            .await;
        assert_eq!(endless, Err(TooSlow(FETCH_MAX)));
        assert_eq!(fetches.run("oci:/image", async { 1 }).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_never_ends_keeps_nobody_from_another() {
        let fetches = Fetches::default();
        let endless = |uri| fetches.run(uri, std::future::pending::<()>());
        let hostile = async {
            tokio::join!(
                endless("evil.example/a"),
                endless("evil.example/b"),
                endless("evil.example/c"),
                endless("evil.example/d"),
            )
        };
        let good = async {
            // Those were first.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let fetched = fetches.run("good.example/a", async { 1 });
            timeout(Duration::from_secs(1), fetched).await
        };
        tokio::select! {
            _ = hostile => panic!("they take an hour"),
            fetched = good => assert_eq!(fetched, Ok(Ok(1))),
        }
    }
}
