//! The master key: the one that is not in the database.
//!
//! It is given (a file, the environment, a credential of systemd), or Kiln makes one and keeps it beside the data: then it protects
//! copies of the databases, not the directory as a whole.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::KEY_BYTES;
use crate::error::Error;
use crate::random::fill;

/// The file of the data directory with the key that Kiln made.
const FILE: &str = "master.key";

/// 32 bytes; as text, their base64.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why a text is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 random bytes as base64, such as `openssl rand -base64 32` prints")]
pub struct InvalidMasterKey;

/// The master key, and those that it takes the place of.
#[derive(Debug, Clone)]
pub(crate) struct MasterKeys {
    pub(crate) current: MasterKey,
    pub(crate) former: Vec<MasterKey>,
}

impl MasterKey {
    /// One that nobody has seen.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// As text.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_ref()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl FromStr for MasterKey {
    type Err = InvalidMasterKey;

    fn from_str(text: &str) -> Result<Self, InvalidMasterKey> {
        let decoded = BASE64.decode(text.trim()).map_err(|_| InvalidMasterKey)?;
        let decoded = Zeroizing::new(decoded);
        let bytes = decoded.as_slice().try_into();
        let bytes = bytes.map_err(|_| InvalidMasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

/// Never shows the key.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKeys {
    /// Those of a data directory: the given one, which takes the place of the given former one and of the one that lies there;
    /// else the one that lies there, which is made where nothing has been sealed yet.
    pub(crate) fn of(
        dir: &Path,
        given: Option<MasterKey>,
        former: Option<MasterKey>,
        is_sealed: bool,
    ) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let kept = match read(&path) {
            Err(error @ Error::Damaged { .. }) if given.is_some() => {
                tracing::warn!(%error, "the key in the data directory is no use");
                None
            }
            read => read?,
        };
        let Some(current) = given else {
            let current = match kept {
                Some(kept) => kept,
                None if is_sealed => return Err(Error::NoMasterKey(path)),
                None => make(dir, &path)?,
            };
            let former = former.into_iter().collect();
            return Ok(Self { current, former });
        };
        let former = former.into_iter().chain(kept).collect();
        Ok(Self { current, former })
    }

    /// Removes the key of the directory, once a given one has wrapped all that it wrapped.
    pub(crate) fn forget_kept(dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        match fs::remove_file(&path) {
            Ok(()) => {
                tracing::info!(file = %path.display(), "the given master key has taken the place of this one, which was removed");
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::file("remove", &path)(error)),
        }
    }
}

fn read(path: &Path) -> Result<Option<MasterKey>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let key = text
        .parse()
        .map_err(|error: InvalidMasterKey| Error::Damaged {
            what: path.display().to_string(),
            why: error.to_string(),
        });
    key.map(Some)
}

/// Synced, and its directory too, before anything is sealed by it.
fn make(dir: &Path, path: &Path) -> Result<MasterKey, Error> {
    let key = MasterKey::random()?;
    let draft = path.with_extension("draft");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(key.to_base64().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(Error::file("write", path))?;
    Ok(key)
}
