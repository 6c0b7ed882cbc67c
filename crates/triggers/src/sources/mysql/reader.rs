//! Reads numbers and bytes from the front of a message, which may be anything.

use bytes::{Buf as _, Bytes};

/// A message ended before what it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent a message that is too short")]
pub(super) struct Short;

/// What is left of a message.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(super) fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// All that is left.
    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    /// So many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<Bytes, Short> {
        match count <= self.rest.len() {
            true => Ok(self.rest.split_to(count)),
            false => Err(Short),
        }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Short> {
        self.rest.try_get_u8().map_err(|_| Short)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        self.rest.try_get_u16_le().map_err(|_| Short)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        self.rest.try_get_u32_le().map_err(|_| Short)
    }

    /// A number of up to eight bytes, the least first.
    pub(super) fn uint(&mut self, bytes: usize) -> Result<u64, Short> {
        match bytes {
            0 => Ok(0),
            1..=8 => self.rest.try_get_uint_le(bytes).map_err(|_| Short),
            _ => Err(Short),
        }
    }

    /// The same, the greatest first.
    pub(super) fn uint_be(&mut self, bytes: usize) -> Result<u64, Short> {
        match bytes {
            0 => Ok(0),
            1..=8 => self.rest.try_get_uint(bytes).map_err(|_| Short),
            _ => Err(Short),
        }
    }

    /// A number that says itself how long it is; none is NULL.
    pub(super) fn length(&mut self) -> Result<Option<u64>, Short> {
        match self.u8()? {
            short @ 0..=0xFA => Ok(Some(short.into())),
            0xFB => Ok(None),
            0xFC => self.uint(2).map(Some),
            0xFD => self.uint(3).map(Some),
            0xFE => self.uint(8).map(Some),
            0xFF => Err(Short),
        }
    }

    /// The same, where NULL cannot be.
    pub(super) fn count(&mut self) -> Result<usize, Short> {
        let count = self.length()?.ok_or(Short)?;
        usize::try_from(count).map_err(|_| Short)
    }

    /// Bytes behind their length.
    pub(super) fn prefixed(&mut self) -> Result<Bytes, Short> {
        let count = self.count()?;
        self.take(count)
    }

    /// Bytes up to a null byte, which goes with them; or all that is left.
    pub(super) fn until_null(&mut self) -> Bytes {
        match self.rest.iter().position(|byte| *byte == 0) {
            Some(at) => {
                let text = self.rest.split_to(at);
                self.rest.advance(1);
                text
            }
            None => std::mem::take(&mut self.rest),
        }
    }
}

/// Whether a bit of a field is set, from the least of the first byte on.
pub(super) fn bit(field: &[u8], at: usize) -> bool {
    field
        .get(at / 8)
        .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// The same, from the greatest of the first byte on.
pub(super) fn bit_from_left(field: &[u8], at: usize) -> bool {
    field
        .get(at / 8)
        .is_some_and(|byte| byte << (at % 8) & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_say_how_long_they_are() {
        for (bytes, expected) in [
            (&[0xFAu8][..], Ok(Some(250))),
            (&[0xFB], Ok(None)),
            (&[0xFC, 1, 2], Ok(Some(0x201))),
            (&[0xFD, 1, 2, 3], Ok(Some(0x3_0201))),
            (
                &[0xFE, 1, 0, 0, 0, 0, 0, 0, 1],
                Ok(Some(0x100_0000_0000_0001)),
            ),
            (&[0xFC, 1], Err(Short)),
            (&[0xFF], Err(Short)),
            (&[], Err(Short)),
        ] {
            let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
            assert_eq!(reader.length(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn bits_are_counted_from_either_side() {
        assert!(bit(&[0b10], 1) && !bit(&[0b10], 0) && !bit(&[0xFF], 8));
        assert!(bit_from_left(&[0b0100_0000], 1) && !bit_from_left(&[0b0100_0000], 0));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_too_short(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(bytes.into());
            let mut left = reader.rest.len();
            while reader.prefixed().is_ok() {
                prop_assert!(reader.rest.len() < left);
                left = reader.rest.len();
            }
        }
    }
}
