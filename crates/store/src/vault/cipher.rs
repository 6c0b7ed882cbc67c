//! AES-256-GCM with a random nonce before each ciphertext.
//!
//! 96 random bits are safe for 2³² texts a key, which is more than one server writes of one account.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::error::Error;

/// A key that is ready. Its library wipes it when it is dropped.
pub(super) struct Cipher(RandomizedNonceKey);

impl Cipher {
    pub(super) fn new(key: &[u8]) -> Result<Self, Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        key.map(Self).map_err(|_| failed("take a key of 32 bytes"))
    }

    pub(super) fn seal(&self, what: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buffer = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        buffer.extend_from_slice(plain);
        let sealed = self
            .0
            .seal_in_place_append_tag(Aad::from(what), &mut buffer);
        let nonce = sealed.map_err(|_| failed("seal"))?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + buffer.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut buffer);
        Ok(sealed)
    }

    /// None when this key did not seal it as this.
    pub(super) fn open(&self, what: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let plain = self.0.open_in_place(nonce, Aad::from(what), &mut buffer);
        let length = plain.ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

fn failed(what: &str) -> Error {
    Error::Sealing(what.to_owned())
}
