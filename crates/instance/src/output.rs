//! Splits what a process writes into log records.
//!
//! The pipe carries two things: whatever the function prints, where a record is a line, and the
//! records of the language's own logger, which arrive in frames (`u32` type, `u32` length, `u64`
//! time, message; AWS's telemetry log framing) so that one with many lines stays one record.
//! Anything a function prints is legal; a frame that lies about itself harms its own log only.

/// The longest record: what CloudWatch Logs takes. A longer line becomes several records, and of a
/// longer frame the rest is dropped.
pub(crate) const RECORD_BYTES_MAX: usize = 256 * 1024;

/// The first bytes of a log frame; the fourth is the severity.
const LOG_FRAME: [u8; 3] = [0xa5, 0x5a, 0x00];
/// The first bytes of the frame with which our runtimes mark the end of init.
const INIT_OVER_FRAME: [u8; 3] = [0xa5, 0x5a, 0xff];
/// Type, length and time.
const FRAME_HEADER_BYTES: usize = 16;

/// What came out of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A log record, without the line's end.
    Record(String),
    /// What follows belongs to the first invocation.
    InitOver,
}

impl Piece {
    /// The memory it takes: an empty line takes some too.
    pub(crate) fn bytes(&self) -> usize {
        let text = match self {
            Piece::Record(text) => text.capacity(),
            Piece::InitOver => 0,
        };
        size_of::<Self>() + text
    }
}

/// Cuts a stream of bytes into [`Piece`]s.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// What was read and not yet cut.
    held: Vec<u8>,
    /// How much of `held` is known to hold no end of a record.
    searched: usize,
    /// How many bytes of a frame that is too long are still to be dropped.
    skip: usize,
}

impl Splitter {
    /// Takes bytes and adds the pieces that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.held.extend_from_slice(&bytes[skipped..]);
        let mut start = 0;
        while let Some(used) = self.cut(start, pieces) {
            start += used;
        }
        self.held.drain(..start.min(self.held.len()));
        if self.held.is_empty() && self.held.capacity() > 16 * 1024 {
            self.held = Vec::new();
        }
    }

    /// Ends an unfinished line: nothing more will come for now.
    pub(crate) fn flush(&mut self, pieces: &mut Vec<Piece>) {
        if !self.held.is_empty() && !is_frame(&self.held) {
            pieces.push(record(&self.held));
            self.held.clear();
            self.searched = 0;
        }
    }

    /// Cuts one piece off `held[start..]` and says how many bytes it took.
    fn cut(&mut self, start: usize, pieces: &mut Vec<Piece>) -> Option<usize> {
        let rest = self.held.get(start..).filter(|rest| !rest.is_empty())?;
        let searched = std::mem::take(&mut self.searched);
        if is_frame(rest) {
            return self.cut_frame(start, pieces);
        }
        let end = (searched..rest.len()).find(|&at| rest[at] == b'\n' || is_frame(&rest[at..]));
        match end {
            Some(end) => {
                pieces.push(record(&rest[..end]));
                Some(if rest[end] == b'\n' { end + 1 } else { end })
            }
            None if rest.len() >= RECORD_BYTES_MAX => {
                pieces.push(record(&rest[..RECORD_BYTES_MAX]));
                Some(RECORD_BYTES_MAX)
            }
            None => {
                // The first bytes of a frame may be the last that were read.
                self.searched = rest.len().saturating_sub(LOG_FRAME.len() - 1);
                None
            }
        }
    }

    fn cut_frame(&mut self, start: usize, pieces: &mut Vec<Piece>) -> Option<usize> {
        let rest = &self.held[start..];
        let header = rest.get(..FRAME_HEADER_BYTES)?;
        let length = header[4..8].try_into().expect("four bytes were taken");
        let length = u32::from_be_bytes(length) as usize;
        if rest.starts_with(&INIT_OVER_FRAME) {
            pieces.push(Piece::InitOver);
            return Some(FRAME_HEADER_BYTES);
        }
        let kept = length.min(RECORD_BYTES_MAX);
        let message = rest.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + kept)?;
        pieces.push(record(message.strip_suffix(b"\n").unwrap_or(message)));
        let whole = FRAME_HEADER_BYTES + length;
        self.skip = whole.saturating_sub(rest.len());
        Some(whole - self.skip)
    }
}

fn is_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOG_FRAME) || bytes.starts_with(&INIT_OVER_FRAME)
}

fn record(bytes: &[u8]) -> Piece {
    Piece::Record(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(message: &str) -> Vec<u8> {
        let mut bytes = vec![0xa5, 0x5a, 0x00, 0x0e];
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(0u64.to_be_bytes());
        bytes.extend(message.as_bytes());
        bytes
    }

    fn split(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, &mut pieces);
        }
        splitter.flush(&mut pieces);
        pieces
    }

    fn texts(pieces: &[Piece]) -> Vec<&str> {
        let mut texts = Vec::new();
        for piece in pieces {
            texts.push(match piece {
                Piece::Record(text) => text.as_str(),
                Piece::InitOver => "(init over)",
            });
        }
        texts
    }

    #[test]
    fn lines_are_records_and_carriage_returns_are_not_line_ends() {
        let pieces = split(&[b"one\n[ERROR] two\rTraceback\r\xc2\xa0 three\n\nlast"]);
        assert_eq!(
            texts(&pieces),
            ["one", "[ERROR] two\rTraceback\r\u{a0} three", "", "last"]
        );
    }

    #[test]
    fn a_framed_record_keeps_its_lines_together() {
        let framed = frame("many\nlines\n");
        let pieces = split(&[b"before", &framed, b"after\n"]);
        assert_eq!(texts(&pieces), ["before", "many\nlines", "after"]);
    }

    #[test]
    fn the_end_of_init_is_seen_between_lines() {
        let mut mark = vec![0xa5, 0x5a, 0xff, 0x01];
        mark.extend([0; 12]);
        let pieces = split(&[b"loading\n", &mark, b"handling\n"]);
        assert_eq!(texts(&pieces), ["loading", "(init over)", "handling"]);
    }

    #[test]
    fn no_record_is_longer_than_the_limit() {
        let line = vec![b'x'; RECORD_BYTES_MAX * 2 + 10];
        let lengths: Vec<usize> = texts(&split(&[&line]))
            .iter()
            .map(|text| text.len())
            .collect();
        assert_eq!(lengths, [RECORD_BYTES_MAX, RECORD_BYTES_MAX, 10]);

        let long = frame(&"y".repeat(RECORD_BYTES_MAX + 5));
        let pieces = split(&[&long[..20], &long[20..], b"next\n"]);
        let texts = texts(&pieces);
        assert_eq!(
            (texts.len(), texts[0].len(), texts[1]),
            (2, RECORD_BYTES_MAX, "next")
        );
    }

    proptest! {
        #[test]
        fn where_reads_are_cut_changes_nothing(
            parts in prop::collection::vec(prop_oneof![
                "[a-z\r]{0,9}\n".prop_map(String::into_bytes),
                "[a-z\n]{0,9}".prop_map(|text| frame(&text)),
                prop::collection::vec(any::<u8>(), 0..6),
            ], 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = parts.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&chunks), split(&[&bytes]));
        }
    }
}
