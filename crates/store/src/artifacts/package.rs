//! A package on disk: `code/`, `zip.zip`, `content` and `manifest.json` in a directory named by its digest.
//!
//! `zip.zip` is what was uploaded, by its digest, which is the directory's name. The others are made of it: `content` is the sealed
//! [record](super::record) of `code/`, and `manifest.json` says how large both are.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;
use kiln_types::content::sha256_of;
use kiln_types::function::Code;
use kiln_types::{Content, Sha256};

use super::integrity::not_intact;
use super::record::{Recorded, Seal, replace};
use super::unpack::{self, Unpacked};
use super::{ArtifactError, Quota};
use crate::error::Error;
use crate::shelf::{Draft, Shelf, sync};

/// The directory of the unpacked files.
pub(super) const CODE: &str = "code";
/// The zip as it was uploaded.
pub(super) const ZIP: &str = "zip.zip";
/// The record of what was unpacked.
const CONTENT: &str = "content";
/// The [`Code`] as JSON.
const MANIFEST: &str = "manifest.json";
/// Where files go for which others were unpacked, in the draft of those.
const ALTERED: &str = "altered";
/// With more files than this, syncing the whole file system once is cheaper than each of them.
const SYNC_EACH_MAX: usize = 64;

/// All packages in their places. Of one whose manifest cannot be read it is told what can be: it is restored when it is checked.
pub(super) fn scan(shelf: &Shelf) -> Result<Vec<Code>, Error> {
    let read = |sha256: Sha256| {
        let place = shelf.place(&sha256);
        manifest(&place, &sha256).unwrap_or_else(|what| {
            tracing::error!(%sha256, what, "a package is damaged; it is unpacked anew before it is used");
            let zip = fs::metadata(place.join(ZIP));
            Code {
                zipped_bytes: zip.map_or(0, |zip| zip.len()),
                sha256,
                unzipped_bytes: 0,
                signer: None,
            }
        })
    };
    Ok(shelf.list()?.into_iter().map(read).collect())
}

/// What the manifest of a package says, or what is wrong with it.
fn manifest(place: &Path, sha256: &Sha256) -> Result<Code, &'static str> {
    let json = fs::read(place.join(MANIFEST)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "its manifest.json is missing",
        _ => "its manifest.json cannot be read",
    })?;
    let code = serde_json::from_slice(&json).ok();
    let code = code.filter(|code: &Code| code.sha256 == *sha256);
    code.ok_or("its manifest.json was altered")
}

/// What a package should consist of: as it was recorded, or else as its zip has it, which is recorded then.
pub(super) fn expected(
    place: &Path,
    sha256: &Sha256,
    quota: &Quota,
    seal: &Seal,
) -> Result<Content, ArtifactError> {
    manifest(place, sha256).map_err(|what| not_intact(sha256, what))?;
    let (path, of) = (place.join(CONTENT), recorded_as(sha256));
    if let Recorded::Content(content) = seal.read(&path, &of) {
        return Ok(content);
    }
    let zip = intact_zip(place, sha256)?;
    let content = unpack::content_of(&zip, quota)?;
    if let Err(error) = seal.write(&path, &of, &content) {
        tracing::warn!(%sha256, %error, "what a package has could not be recorded; its zip is read again after the next start");
    }
    Ok(content)
}

/// The zip, if it is the one that was uploaded.
fn intact_zip(place: &Path, sha256: &Sha256) -> Result<Bytes, ArtifactError> {
    let path = place.join(ZIP);
    let zip = fs::read(&path).map_err(Error::file("read", &path))?;
    match sha256_of(&zip) == sha256.to_bytes() {
        true => Ok(zip.into()),
        false => Err(not_intact(sha256, "its zip was altered")),
    }
}

/// Unpacks the zip into a draft, keeps it beside its files, and syncs everything.
pub(super) fn fill(
    draft: &Draft,
    sha256: &Sha256,
    zip: &Bytes,
    quota: &Quota,
    seal: &Seal,
) -> Result<(Code, Content), ArtifactError> {
    draft.write(ZIP, zip)?;
    let unpacked = unpack_synced(draft, zip, quota)?;
    sync(&draft.path().join(ZIP))?;
    let code = describe(draft.path(), sha256, zip, &unpacked, seal)?;
    Ok((code, unpacked.content))
}

/// Unpacks the zip of a package anew, by way of a draft, in the place of its files. The zip stays where it is: whenever this ends, it
/// can be done again.
pub(super) fn restore(
    place: &Path,
    draft: &Draft,
    sha256: &Sha256,
    quota: &Quota,
    seal: &Seal,
) -> Result<Code, ArtifactError> {
    let zip = intact_zip(place, sha256)?;
    let unpacked = unpack_synced(draft, &zip, quota)?;
    let (files, altered) = (place.join(CODE), draft.path().join(ALTERED));
    match fs::rename(&files, &altered) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        renamed => renamed.map_err(Error::file("rename", &files))?,
    }
    let renamed = fs::rename(draft.path().join(CODE), &files);
    renamed.map_err(Error::file("rename to", &files))?;
    Ok(describe(place, sha256, &zip, &unpacked, seal)?)
}

fn unpack_synced(draft: &Draft, zip: &Bytes, quota: &Quota) -> Result<Unpacked, ArtifactError> {
    let unpacked = unpack::unpack(zip, &draft.path().join(CODE), quota)?;
    if unpacked.paths.len() > SYNC_EACH_MAX {
        draft.sync_all()?;
    } else {
        for path in &unpacked.paths {
            sync(path)?;
        }
    }
    Ok(unpacked)
}

/// Writes the record and the manifest of what was unpacked.
fn describe(
    place: &Path,
    sha256: &Sha256,
    zip: &Bytes,
    unpacked: &Unpacked,
    seal: &Seal,
) -> Result<Code, Error> {
    let code = Code {
        sha256: sha256.clone(),
        zipped_bytes: zip.len() as u64,
        unzipped_bytes: unpacked.bytes,
        signer: None,
    };
    let (record, of) = (place.join(CONTENT), recorded_as(sha256));
    seal.write(&record, &of, &unpacked.content)?;
    let json = serde_json::to_vec(&code).expect("digests and sizes are JSON");
    replace(&place.join(MANIFEST), &json)?;
    sync(place)?;
    Ok(code)
}

/// What the record of a package is of.
fn recorded_as(sha256: &Sha256) -> String {
    format!("package {sha256}")
}
