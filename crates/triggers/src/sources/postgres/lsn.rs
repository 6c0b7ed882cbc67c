//! Places in a server's log.

use std::fmt;
use std::str::FromStr;

use crate::record::Position;
use crate::source::Trouble;

/// A log sequence number, `16/B374D848` in the server's own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lsn(pub(super) u64);

impl Lsn {
    /// Bytes of the log between an earlier place and this one.
    pub(super) fn since(self, earlier: Lsn) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl FromStr for Lsn {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let read = || {
            let (high, low) = text.split_once('/')?;
            let part = |part: &str| u32::from_str_radix(part, 16).ok();
            Some(u64::from(part(high)?) << 32 | u64::from(part(low)?))
        };
        let number =
            read().ok_or_else(|| Trouble::new(format!("'{text}' is no place in a log")))?;
        Ok(Self(number))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

impl From<Lsn> for Position {
    fn from(lsn: Lsn) -> Self {
        Position(lsn.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_written() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/16B3748"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        for text in ["", "0", "0/", "/0", "G/0", "1/100000000"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
