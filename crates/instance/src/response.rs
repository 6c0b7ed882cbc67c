//! A response on its way from a runtime to its caller, as it is made.
//!
//! Who writes puts [`Part`]s into a [`Sink`], who reads takes them from [`Parts`]. What was written and not taken is
//! bounded: a runtime that is faster than its caller waits. A caller that is gone holds nobody up: what is written for
//! it is forgotten, and the invocation goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use kiln_types::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes of one response that wait for their caller. Beyond them nothing more is read from its runtime, which then waits
/// in a write.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// What a part counts at the least: it takes memory whatever is in it.
const PART_BYTES_MIN: usize = 256;
/// Bytes that are taken, and forgotten, of a response that is too long already. Our runtimes end it at the limit, and a
/// piece or two may be on its way.
const SURPLUS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Pieces without bytes that are taken of one response. Our runtimes send one at most.
const EMPTY_PIECES_MAX: u32 = 1024;

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It begins. Comes first, and once.
    Head {
        /// What its bytes are, as the runtime says.
        content_type: Option<String>,
    },
    /// Its next bytes.
    Body(Bytes),
}

/// Where a response is written. Clones mean the same one.
#[derive(Debug, Clone)]
pub struct Sink {
    parts: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    written: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
}

/// Where it is read. Dropped, the caller is gone.
#[derive(Debug)]
pub struct Parts {
    parts: mpsc::UnboundedReceiver<Waiting>,
    room: Arc<Semaphore>,
}

/// A part, and the room that it takes until it is read.
type Waiting = (Part, Option<OwnedSemaphorePermit>);

/// The two ends of one response.
pub fn response() -> (Sink, Parts) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
    let sink = Sink {
        parts: sender,
        room: Arc::clone(&room),
        written: Arc::default(),
        is_closed: Arc::default(),
    };
    let parts = Parts {
        parts: receiver,
        room,
    };
    (sink, parts)
}

impl Sink {
    /// Writes a part, whether there is room for it or not.
    pub fn put(&self, part: Part) {
        self.put_into(part, None);
    }

    /// Ends the response here: what is written from now on is forgotten, as if its caller were gone.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.room.close();
    }

    /// How many bytes were written so far, with those that nobody took.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits until there is room for so many bytes, or nobody reads any more. May be dropped at any time.
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(PART_BYTES_MIN, WAITING_BYTES_MAX) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        room.ok()
    }

    fn put_into(&self, part: Part, room: Option<OwnedSemaphorePermit>) {
        if !self.is_closed.load(Ordering::Relaxed) {
            // Nobody takes it from a caller who is gone.
            let _ = self.parts.send((part, room));
        }
    }
}

impl Parts {
    /// The next part; none when nobody writes any more.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Part>> {
        let next = self.parts.poll_recv(context);
        next.map(|next| next.map(|(part, _)| part))
    }

    /// The next part, if it is there.
    pub fn take(&mut self) -> Option<Part> {
        self.parts.try_recv().ok().map(|(part, _)| part)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// One response while it is written, within its limits.
#[derive(Debug)]
pub(crate) struct Writing {
    sink: Sink,
    is_begun: bool,
    empty_pieces: u32,
    /// What there was no room for yet.
    waiting: Option<Bytes>,
}

impl Writing {
    pub(crate) fn new(sink: Sink) -> Self {
        Self {
            sink,
            is_begun: false,
            empty_pieces: 0,
            waiting: None,
        }
    }

    /// It begins, unless it has.
    pub(crate) fn begin(&mut self, content_type: Option<String>) {
        if !self.is_begun {
            self.is_begun = true;
            self.sink.put(Part::Head { content_type });
        }
    }

    /// Takes its next bytes, which [`flush`](Self::flush) passes on; of a response that is too long they are forgotten.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.flush_at_once();
        let count = bytes.len() as u64;
        self.sink.written.fetch_add(count, Ordering::Relaxed);
        if bytes.is_empty() {
            self.empty_pieces += 1;
        } else if !self.is_too_long() {
            self.waiting = Some(bytes);
        }
    }

    /// Whether so much came that means nothing that its runtime is at fault: taking it costs us time, and nobody gets it.
    pub(crate) fn is_senseless(&self) -> bool {
        let bytes_max = limits::STREAMED_RESPONSE_BYTES_MAX + SURPLUS_BYTES_MAX;
        self.empty_pieces > EMPTY_PIECES_MAX || self.sink.written() > bytes_max
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Passes on what was taken when there is room for it. May be dropped and called again at any time.
    pub(crate) async fn flush(&mut self) {
        if let Some(waiting) = &self.waiting {
            let room = self.sink.room(waiting.len()).await;
            if let Some(bytes) = self.waiting.take() {
                self.sink.put_into(Part::Body(bytes), room);
            }
        }
    }

    /// The same, room or not: what a process had said when it ended is passed on.
    pub(crate) fn flush_at_once(&mut self) {
        if let Some(bytes) = self.waiting.take() {
            self.sink.put(Part::Body(bytes));
        }
    }

    /// Whether it is longer than a response may be.
    pub(crate) fn is_too_long(&self) -> bool {
        self.sink.written() > limits::STREAMED_RESPONSE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn body(part: Option<Part>) -> Bytes {
        match part {
            Some(Part::Body(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    }

    async fn write(writing: &mut Writing, bytes: Bytes) {
        writing.push(bytes);
        writing.flush().await;
    }

    #[tokio::test]
    async fn a_response_is_read_as_it_was_written() {
        let (sink, mut parts) = response();
        let mut writing = Writing::new(sink);
        for _ in 0..2 {
            writing.begin(Some("text/plain".to_owned()));
        }
        for piece in ["one", "", "two"] {
            write(&mut writing, Bytes::from(piece)).await;
        }
        let content_type = Some("text/plain".to_owned());
        assert_eq!(parts.take(), Some(Part::Head { content_type }));
        assert_eq!(body(parts.take()), "one");
        assert_eq!(body(parts.take()), "two");
        assert_eq!(parts.take(), None);
    }

    #[tokio::test]
    async fn who_writes_faster_than_is_read_waits() {
        let (sink, mut parts) = response();
        let mut writing = Writing::new(sink);
        let piece = Bytes::from(vec![b'x'; WAITING_BYTES_MAX / 4]);
        for _ in 0..4 {
            write(&mut writing, piece.clone()).await;
        }
        writing.push(piece.clone());
        let waited = tokio::time::timeout(Duration::from_millis(20), writing.flush()).await;
        assert!(waited.is_err(), "there is no room");
        assert_eq!(body(parts.take()).len(), piece.len());
        writing.flush().await;
        let mut rest = 0;
        while let Some(part) = parts.take() {
            rest += body(Some(part)).len();
        }
        assert_eq!(rest, 4 * piece.len(), "nothing is lost by waiting");
    }

    #[tokio::test]
    async fn parts_without_bytes_to_speak_of_take_room_too() {
        let (sink, _parts) = response();
        let mut writing = Writing::new(sink);
        let mut written = 0;
        let waits = async {
            loop {
                write(&mut writing, Bytes::from_static(b"x")).await;
                written += 1;
            }
        };
        let waited = tokio::time::timeout(Duration::from_millis(100), waits).await;
        assert!(waited.is_err());
        assert_eq!(written, WAITING_BYTES_MAX / PART_BYTES_MIN);
    }

    #[tokio::test]
    async fn a_caller_who_is_gone_holds_nobody_up() {
        let (sink, parts) = response();
        let mut writing = Writing::new(sink);
        let piece = Bytes::from(vec![b'x'; WAITING_BYTES_MAX]);
        write(&mut writing, piece.clone()).await;
        writing.push(piece.clone());
        let gone = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(parts);
        };
        tokio::join!(writing.flush(), gone);
        for _ in 0..8 {
            write(&mut writing, piece.clone()).await;
        }
        assert_eq!(writing.sink.written(), 10 * piece.len() as u64);
    }

    #[tokio::test]
    async fn nothing_is_read_of_what_is_written_after_an_end() {
        let (sink, mut parts) = response();
        let mut writing = Writing::new(sink.clone());
        let piece = Bytes::from(vec![b'x'; WAITING_BYTES_MAX]);
        write(&mut writing, piece.clone()).await;
        writing.push(piece.clone());
        sink.close();
        writing.flush().await;
        for _ in 0..8 {
            write(&mut writing, piece.clone()).await;
        }
        assert_eq!(body(parts.take()).len(), piece.len());
        assert_eq!(parts.take(), None);
    }

    #[test]
    fn what_means_nothing_is_not_taken_for_ever() {
        let mut empty = Writing::new(response().0);
        (0..EMPTY_PIECES_MAX).for_each(|_| empty.push(Bytes::new()));
        assert!(!empty.is_senseless());
        empty.push(Bytes::new());
        assert!(empty.is_senseless());
        let mut long = Writing::new(response().0);
        let piece = Bytes::from(vec![b'x'; WAITING_BYTES_MAX]);
        let bytes_max = limits::STREAMED_RESPONSE_BYTES_MAX + SURPLUS_BYTES_MAX;
        (0..bytes_max / piece.len() as u64).for_each(|_| long.push(piece.clone()));
        assert!(!long.is_senseless());
        long.push(Bytes::from_static(b"x"));
        assert!(long.is_senseless());
    }

    #[tokio::test]
    async fn a_response_has_an_end() {
        let (sink, mut parts) = response();
        let mut writing = Writing::new(sink);
        let piece = Bytes::from(vec![b'x'; WAITING_BYTES_MAX]);
        let mut passed_on = 0;
        for _ in 0..=limits::STREAMED_RESPONSE_BYTES_MAX / piece.len() as u64 {
            assert!(!writing.is_too_long());
            write(&mut writing, piece.clone()).await;
            passed_on += parts.take().map_or(0, |part| body(Some(part)).len() as u64);
        }
        assert!(writing.is_too_long());
        assert_eq!(passed_on, limits::STREAMED_RESPONSE_BYTES_MAX);
    }
}
