//! Reads a request's body, within its limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use crate::config::Limits;

/// How much of a body that is too large is read and dropped, so that a client which writes all of
/// its request before it reads the answer gets to see it. AWS's clients do.
const DRAINED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The same where it was refused before anybody looked at it.
const REFUSED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than allowed.
    TooLarge,
    /// The client paused for too long, or took too long in all.
    TooSlow,
    /// Other requests' bodies take all that bodies may.
    NoRoom,
    /// The connection broke, or the framing is wrong.
    Broken,
}

/// A body, and its share of what all bodies may take, which it gives back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffered {
    /// The body.
    pub(super) bytes: Bytes,
    /// Its share; keep it for as long as the bytes.
    pub(super) room: Room,
}

impl Room {
    /// The bytes, and slices of them, which keep the share for as long as there are any.
    pub(super) fn hold(self, bytes: Bytes) -> Bytes {
        match self.kib {
            None => bytes,
            Some(_) => Bytes::from_owner(Buffered { bytes, room: self }),
        }
    }
}

impl AsRef<[u8]> for Buffered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What all requests' bodies together may take.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    kib: Arc<Semaphore>,
}

/// A share of the [`Budget`].
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: usize,
    kib: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        let kib = (bytes / 1024).min(Semaphore::MAX_PERMITS);
        Self {
            kib: Arc::new(Semaphore::new(kib)),
        }
    }

    /// Makes the share large enough for this many bytes more.
    fn extend(&self, room: &mut Room, bytes: usize) -> Result<(), Unread> {
        let has = room.bytes.div_ceil(1024);
        room.bytes += bytes;
        let lacks = u32::try_from(room.bytes.div_ceil(1024) - has).map_err(|_| Unread::NoRoom)?;
        if lacks == 0 {
            return Ok(());
        }
        let more = self.kib.clone().try_acquire_many_owned(lacks);
        let more = more.map_err(|_| Unread::NoRoom)?;
        match &mut room.kib {
            Some(kib) => kib.merge(more),
            None => room.kib = Some(more),
        }
        Ok(())
    }
}

/// A body that is read bit by bit, and not kept.
pub(crate) struct Stream {
    body: Incoming,
    pause_max: Duration,
    time_max: Duration,
    budget: Budget,
    room: Room,
}

/// What a [`Stream`] may hold in memory, and what is done with it.
const STREAM_BYTES: usize = 1024 * 1024;

impl Stream {
    /// A body of any size, if there is room for the part of it that is in memory at a time.
    pub(crate) fn new(body: Incoming, shared: &Shared) -> Result<Self, Unread> {
        let mut room = Room::default();
        // Most requests have none.
        if !body.is_end_stream() {
            shared.bodies.extend(&mut room, STREAM_BYTES)?;
        }
        Ok(Self {
            body,
            pause_max: shared.config.limits.body_pause_timeout,
            time_max: shared.config.limits.body_timeout,
            budget: shared.bodies.clone(),
            room,
        })
    }

    /// How many bytes come, where the head says that.
    pub(crate) fn told(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Unread> {
        next(&mut self.body, self.pause_max).await
    }

    /// Takes room for bytes of it that are kept for as long as this.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Unread> {
        self.budget.extend(&mut self.room, bytes)
    }

    /// Reads what is left of a body that nobody wants, so that its sender gets to see why. Its room is others' meanwhile.
    pub(crate) async fn drain(self) {
        drop(self.room);
        let drained = drain(self.body, self.pause_max, DRAINED_BYTES_MAX);
        let _ = tokio::time::timeout(self.time_max, drained).await;
    }
}

/// The same of a body whose sender is nobody's, or not known.
pub(crate) async fn drain_refused(body: Incoming, shared: &Shared) {
    let pause_max = shared.config.limits.body_pause_timeout;
    let drained = drain(body, pause_max, REFUSED_BYTES_MAX);
    let _ = tokio::time::timeout(shared.config.limits.body_timeout, drained).await;
}

/// The whole body, if it has at most `bytes_max` bytes, keeps to the limits and finds room.
pub(super) async fn read(
    mut body: Incoming,
    bytes_max: usize,
    limits: &Limits,
    budget: &Budget,
) -> Result<Buffered, Unread> {
    let pause_max = limits.body_pause_timeout;
    let filled = fill(&mut body, bytes_max, pause_max, budget);
    let filled = tokio::time::timeout(limits.body_timeout, filled).await;
    let filled = filled.unwrap_or(Err(Unread::TooSlow));
    if matches!(filled, Err(Unread::TooLarge | Unread::NoRoom)) {
        let _ = tokio::time::timeout(
            limits.body_timeout,
            drain(body, pause_max, DRAINED_BYTES_MAX),
        )
        .await;
    }
    filled
}

async fn fill(
    body: &mut Incoming,
    bytes_max: usize,
    pause_max: Duration,
    budget: &Budget,
) -> Result<Buffered, Unread> {
    let told = body
        .size_hint()
        .exact()
        .and_then(|told| usize::try_from(told).ok());
    if told.is_some_and(|told| told > bytes_max) {
        return Err(Unread::TooLarge);
    }
    let mut room = Room::default();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let chunk = match next(body, pause_max).await? {
            Some(chunk) => chunk,
            None => {
                let bytes = match rest.is_empty() {
                    true => first,
                    false => rest.freeze(),
                };
                return Ok(Buffered { bytes, room });
            }
        };
        if room.bytes + chunk.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        // As the bytes come, not as they are announced: an announcement costs a client nothing.
        budget.extend(&mut room, chunk.len())?;
        // Most bodies arrive in one piece, which then needs no copy.
        if first.is_empty() {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            // No more than twice what has come: an announcement must not cost memory either.
            let told = told.unwrap_or_default().min(2 * room.bytes);
            rest.reserve(told.max(first.len() + chunk.len()));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&chunk);
    }
}

async fn next(body: &mut Incoming, pause_max: Duration) -> Result<Option<Bytes>, Unread> {
    loop {
        match tokio::time::timeout(pause_max, body.frame()).await {
            Err(_) => return Err(Unread::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Unread::Broken),
            Ok(Some(Ok(frame))) => {
                // Trailers are not part of any API's body.
                if let Ok(chunk) = frame.into_data()
                    && !chunk.is_empty()
                {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

async fn drain(mut body: Incoming, pause_max: Duration, bytes_max: usize) {
    let mut drained = 0;
    while let Ok(Some(chunk)) = next(&mut body, pause_max).await {
        drained += chunk.len();
        if drained > bytes_max {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_with_the_last_of_its_bytes() {
        let budget = Budget::new(4 * 1024);
        let take = || {
            let mut room = Room::default();
            budget.extend(&mut room, 4 * 1024).map(|()| room)
        };
        let body = take().unwrap().hold(Bytes::from_static(b"a body"));
        let event = body.slice(2..);
        drop(body);
        assert_eq!(take().unwrap_err(), Unread::NoRoom);
        assert_eq!(event, "body");
        drop(event);
        take().unwrap();
    }
}
