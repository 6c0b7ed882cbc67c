//! Randomness from the kernel.

use crate::error::Error;

/// Fills all of it.
pub(crate) fn fill(random: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(random).map_err(|error| Error::Random(error.to_string()))
}
