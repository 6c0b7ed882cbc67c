//! A package on disk: `code/`, `zip.zip`, `content` and `manifest.json` in a directory named by its digest.
//!
//! `content` is what was unpacked, with a digest of every file, and `manifest.json` has the digest of that. Packages of earlier versions
//! have neither: what they should be is read from their zip, whose digest is their name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kiln_types::content::sha256_of;
use kiln_types::function::Code;
use kiln_types::{Content, Sha256};
use serde::{Deserialize, Serialize};

use super::{ArtifactError, Quota, unpack};
use crate::error::Error;
use crate::shelf::{Draft, Shelf, sync};

/// The directory of the unpacked files.
pub(super) const CODE: &str = "code";
/// The zip as it was uploaded.
pub(super) const ZIP: &str = "zip.zip";
/// What was unpacked, as text.
const CONTENT: &str = "content";
/// The [`Manifest`] as JSON.
const MANIFEST: &str = "manifest.json";
/// With more files than this, syncing the whole file system once is cheaper than each of them.
const SYNC_EACH_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
struct Manifest {
    #[serde(flatten)]
    code: Code,
    /// The digest of `content`.
    #[serde(default)]
    content: Option<Sha256>,
}

/// All packages in their places.
pub(super) fn scan(shelf: &Shelf) -> Result<Vec<Code>, Error> {
    let read = |path: PathBuf| manifest(&path).map(|manifest| manifest.code);
    shelf.list()?.into_iter().map(read).collect()
}

fn manifest(place: &Path) -> Result<Manifest, Error> {
    let path = place.join(MANIFEST);
    let json = fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&json).map_err(|error| Error::Damaged {
        what: place.display().to_string(),
        why: format!("{error}; remove it and upload the code again"),
    })
}

/// What a package should consist of: as it was recorded, or else as its zip has it, which is recorded then.
pub(super) fn expected(
    place: &Path,
    sha256: &Sha256,
    quota: &Quota,
) -> Result<Content, ArtifactError> {
    let manifest = manifest(place)?;
    if let Some(recorded) = recorded(place, manifest.content.as_ref())? {
        return Ok(recorded);
    }
    let zip = intact_zip(place, sha256)?;
    let content = unpack::content_of(&zip, quota)?;
    record(place, manifest.code, &content)?;
    Ok(content)
}

fn recorded(place: &Path, digest: Option<&Sha256>) -> Result<Option<Content>, Error> {
    let Some(digest) = digest else {
        return Ok(None);
    };
    let path = place.join(CONTENT);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(Error::file("read", &path))?,
    };
    if sha256_of(&text) != digest.to_bytes() {
        return Ok(None);
    }
    Ok(str::from_utf8(&text).ok().and_then(Content::parse))
}

fn record(place: &Path, code: Code, content: &Content) -> Result<(), Error> {
    let manifest = Manifest {
        code,
        content: Some(content.digest()),
    };
    let json = serde_json::to_vec(&manifest).expect("digests and sizes are JSON");
    // The one that names the other comes last.
    for (name, bytes) in [(CONTENT, content.to_text().into_bytes()), (MANIFEST, json)] {
        let (draft, path) = (place.join(format!("{name}.new")), place.join(name));
        fs::write(&draft, bytes).map_err(Error::file("write", &draft))?;
        sync(&draft)?;
        fs::rename(&draft, &path).map_err(Error::file("rename to", &path))?;
    }
    sync(place)
}

/// The zip, if it is the one that was uploaded.
pub(super) fn intact_zip(place: &Path, sha256: &Sha256) -> Result<Bytes, ArtifactError> {
    let path = place.join(ZIP);
    let zip = fs::read(&path).map_err(Error::file("read", &path))?;
    match sha256_of(&zip) == sha256.to_bytes() {
        true => Ok(zip.into()),
        false => Err(ArtifactError::NotIntact {
            sha256: sha256.clone(),
            what: "its zip was altered".to_owned(),
            is_restored: false,
        }),
    }
}

/// Unpacks the zip into a draft, keeps it beside its files, and syncs everything.
pub(super) fn fill(
    draft: &Draft,
    sha256: &Sha256,
    zip: &Bytes,
    quota: &Quota,
) -> Result<(Code, Content), ArtifactError> {
    let unpacked = unpack::unpack(zip, &draft.path().join(CODE), quota)?;
    let code = Code {
        sha256: sha256.clone(),
        zipped_bytes: zip.len() as u64,
        unzipped_bytes: unpacked.bytes,
        signer: None,
    };
    draft.write(ZIP, zip)?;
    record(draft.path(), code.clone(), &unpacked.content)?;
    if unpacked.paths.len() > SYNC_EACH_MAX {
        draft.sync_all()?;
        return Ok((code, unpacked.content));
    }
    for path in unpacked.paths {
        sync(&path)?;
    }
    sync(&draft.path().join(ZIP))?;
    sync(draft.path())?;
    Ok((code, unpacked.content))
}
