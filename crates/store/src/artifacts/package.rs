//! A package on disk: `code/`, `zip.zip` and `manifest.json` in a directory named by its digest.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use kiln_types::Sha256;
use kiln_types::function::Code;

use super::{ArtifactError, Quota, unpack};
use crate::error::Error;
use crate::shelf::{Draft, Shelf, sync};

/// The directory of the unpacked files.
pub(super) const CODE: &str = "code";
/// The zip as it was uploaded.
pub(super) const ZIP: &str = "zip.zip";
/// The [`Code`] as JSON.
const MANIFEST: &str = "manifest.json";
/// With more files than this, syncing the whole file system once is cheaper than each of them.
const SYNC_EACH_MAX: usize = 64;

/// All packages in their places.
pub(super) fn scan(shelf: &Shelf) -> Result<Vec<Code>, Error> {
    let read = |path: PathBuf| {
        let manifest = path.join(MANIFEST);
        let json = fs::read(&manifest).map_err(Error::file("read", &manifest))?;
        serde_json::from_slice(&json).map_err(|error| Error::Damaged {
            what: path.display().to_string(),
            why: format!("{error}; remove it and upload the code again"),
        })
    };
    shelf.list()?.into_iter().map(read).collect()
}

/// Unpacks the zip into a draft, keeps it beside its files, and syncs everything.
pub(super) fn fill(
    draft: &Draft,
    sha256: &Sha256,
    zip: &Bytes,
    quota: &Quota,
) -> Result<Code, ArtifactError> {
    let unpacked = unpack::unpack(zip, &draft.path().join(CODE), quota)?;
    let code = Code {
        sha256: sha256.clone(),
        zipped_bytes: zip.len() as u64,
        unzipped_bytes: unpacked.bytes,
    };
    draft.write(ZIP, zip)?;
    let json = serde_json::to_vec(&code).expect("digest and sizes are JSON");
    draft.write(MANIFEST, &json)?;
    if unpacked.paths.len() > SYNC_EACH_MAX {
        draft.sync_all()?;
        return Ok(code);
    }
    for path in unpacked.paths {
        sync(&path)?;
    }
    for name in [ZIP, MANIFEST] {
        sync(&draft.path().join(name))?;
    }
    sync(draft.path())?;
    Ok(code)
}
