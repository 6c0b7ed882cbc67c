//! Container images of functions: found and pinned when they are named, fetched behind the caller's back.
//!
//! AWS differs: an image may also be a directory or an archive on the server's disk, where the operator
//! allows it, and may come from any registry.

use std::fmt::Display;

use kiln_image::Error;
use kiln_store::{ImageError, Layer, LayerSize};
use kiln_types::NotReady;
use kiln_types::{Image, ImageConfig, limits};

use super::settings::Change;
use crate::config::{Deps, TooSlow};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::{constraint, invalid};

/// What a client is told to wait that finds others looking for their images: one answers in seconds, as
/// a rule.
const RETRY_AFTER_SECS: u64 = 10;

/// A function of an image has none of these.
pub(super) fn refuse_runtime(change: &Change) -> Result<()> {
    let has_layers = change
        .layers
        .as_ref()
        .is_some_and(|layers| !layers.is_empty());
    match change.runtime.is_some() || change.handler.is_some() || has_layers {
        true => Err(invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
        )),
        false => Ok(()),
    }
}

/// Only a function of an image has this.
pub(super) fn refuse_config(config: &Option<wire::ImageConfig>, doing: &str) -> Result<()> {
    match config {
        Some(_) => Err(invalid(format!(
            "Please don't provide ImageConfig when {doing} a function with packageType Zip."
        ))),
        None => Ok(()),
    }
}

/// What a function says in the place of its image. An empty list stands for the image's own.
pub(super) fn config(config: wire::ImageConfig) -> Result<ImageConfig> {
    let words = |list: Option<Vec<String>>, member: &str| {
        let list = list.filter(|list| !list.is_empty());
        let count = list.as_ref().map_or(0, Vec::len);
        if count > limits::IMAGE_WORDS_MAX {
            let rule = format!(
                "Member must have length less than or equal to {}",
                limits::IMAGE_WORDS_MAX
            );
            return Err(constraint(count, member, &rule));
        }
        if list.iter().flatten().any(|word| word.contains('\0')) {
            return Err(invalid(format!("A word of {member} has a NUL in it.")));
        }
        Ok(list)
    };
    let working_directory = config
        .working_directory
        .filter(|directory| !directory.is_empty());
    if let Some(directory) = &working_directory {
        if directory.len() > limits::IMAGE_DIRECTORY_LENGTH_MAX {
            let rule = format!(
                "Member must have length less than or equal to {}",
                limits::IMAGE_DIRECTORY_LENGTH_MAX
            );
            return Err(constraint(directory, "imageConfig.workingDirectory", &rule));
        }
        if !directory.starts_with('/') || directory.contains('\0') {
            return Err(invalid("The working directory must be an absolute path."));
        }
    }
    let config = ImageConfig {
        entry_point: words(config.entry_point, "imageConfig.entryPoint")?,
        command: words(config.command, "imageConfig.command")?,
        working_directory,
    };
    match config.excess() {
        Some(excess) => Err(invalid(format!("ImageConfig is too large: {excess}."))),
        None => Ok(config),
    }
}

/// As the API shows it.
pub(super) fn render(config: &ImageConfig) -> Option<wire::ImageConfigResponse> {
    let shown = wire::ImageConfig {
        entry_point: config.entry_point.clone(),
        command: config.command.clone(),
        working_directory: config.working_directory.clone(),
    };
    (!config.is_empty()).then_some(wire::ImageConfigResponse {
        image_config: Some(shown),
        error: None,
    })
}

/// Finds an image and pins it. None of its layers is fetched yet.
pub(super) async fn resolve(context: &Context, uri: &str) -> Result<Image> {
    let found = context.deps.images.resolve(uri).await;
    found.map_err(|error| refusal(uri, &error))
}

fn refusal(uri: &str, error: &Error) -> ApiError {
    match error {
        Error::NotFound(_) => invalid(format!(
            "Source image {uri} does not exist. Provide a valid source image."
        )),
        Error::BadName { why, .. } => invalid(format!(
            "Source image {uri} is not valid. Provide a valid source image: {why}."
        )),
        Error::Unsupported { .. } => invalid(format!(
            "The image manifest, config or layer media type for the source image {uri} is not supported. {error}."
        )),
        Error::File { .. } => {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, "an image could not be read");
            ApiError::internal()
        }
        Error::NoTurn(_) => {
            let busy = format!("Source image {uri} cannot be looked for yet: {error}.");
            ApiError::new(Exception::TooManyRequests, busy).with_retry_after(RETRY_AFTER_SECS)
        }
        error => invalid(format!("Source image {uri} cannot be used: {error}.")),
    }
}

/// Fetches those layers of an image that are not here yet, when it is the image's turn and it is still
/// wanted then. `None` when it is not.
pub(super) async fn fetch(
    deps: &Deps,
    image: &Image,
    is_wanted: impl Fn() -> bool,
) -> Option<std::result::Result<(), NotReady>> {
    let (size, missing) = here(deps, image);
    if missing.is_empty() {
        return Some(size.check(LayerSize::IMAGE_MAX).map_err(unusable));
    }
    let fetch = async {
        match is_wanted() {
            true => Some(fetch_missing(deps, image).await),
            false => None,
        }
    };
    let fetched = deps.fetches.run(&image.resolved_uri, fetch).await;
    fetched.unwrap_or_else(|too_slow| Some(Err(late(too_slow))))
}

/// The size of the layers that are here, and which are not.
fn here(deps: &Deps, image: &Image) -> (LayerSize, Vec<usize>) {
    let mut size = LayerSize::default();
    let mut missing = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        match deps.store.images().touch(layer) {
            Some(known) => size = size.plus(known),
            None => missing.push(index),
        }
    }
    (size, missing)
}

async fn fetch_missing(deps: &Deps, image: &Image) -> std::result::Result<(), NotReady> {
    let layers = deps.store.images();
    // Others may have brought some while this one waited, or all.
    let (mut size, missing) = here(deps, image);
    if missing.is_empty() {
        return size.check(LayerSize::IMAGE_MAX).map_err(unusable);
    }
    let opened = deps.images.open(image).await.map_err(unavailable)?;
    for index in missing {
        let scratch = {
            let layers = layers.clone();
            move || layers.scratch().map_err(scratch_failed)
        };
        let blob = opened.layer(index, scratch).await.map_err(unavailable)?;
        let layer = Layer {
            diff_id: blob.diff_id,
            digest: blob.digest,
            file: blob.file,
            bytes: blob.bytes,
        };
        let left = LayerSize::IMAGE_MAX.minus(size);
        size = size.plus(layers.put(layer, left).await.map_err(unusable)?);
    }
    size.check(LayerSize::IMAGE_MAX).map_err(unusable)
}

fn scratch_failed(error: kiln_store::Error) -> Error {
    Error::File {
        doing: "make a file for a layer".to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}

/// Why layers did not come, with AWS's code.
fn unavailable(error: Error) -> NotReady {
    let code = match &error {
        Error::NotFound(_) | Error::NotAllowed(_) => "ImageDeleted",
        Error::AccessDenied(_) => "ImageAccessDenied",
        Error::Registry { .. } | Error::NoTurn(_) | Error::File { .. } => "InternalError",
        _ => "InvalidImage",
    };
    failure(code, error)
}

fn unusable(error: ImageError) -> NotReady {
    // What was left for a layer is nobody's limit.
    let LayerSize { bytes, entries } = LayerSize::IMAGE_MAX;
    let error = match error {
        ImageError::TooLarge { .. } => ImageError::TooLarge { max: bytes },
        ImageError::TooManyEntries { .. } => ImageError::TooManyEntries { max: entries },
        other => other,
    };
    let code = match &error {
        ImageError::Store(_) => "InternalError",
        _ => "InvalidImage",
    };
    failure(code, error)
}

fn late(TooSlow(max): TooSlow) -> NotReady {
    let max = max.as_secs();
    let why = format!(
        "it did not come within {max} s; the layers that came are kept, so update the function's code to go on from there"
    );
    failure("InternalError", why)
}

fn failure(code: &str, error: impl Display) -> NotReady {
    NotReady {
        code: code.to_owned(),
        reason: format!("The container image could not be made ready: {error}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn what_is_empty_stands_for_the_images_own() {
        let empty = wire::ImageConfig {
            entry_point: words(&[]),
            command: words(&["app.handler"]),
            working_directory: Some(String::new()),
        };
        let read = config(empty).unwrap();
        assert_eq!(read.entry_point, None);
        assert_eq!(read.command, words(&["app.handler"]));
        assert_eq!(read.working_directory, None);
        assert!(render(&read).is_some());
        assert_eq!(render(&ImageConfig::default()), None);
    }

    #[test]
    fn what_no_process_could_have_is_refused() {
        let relative = wire::ImageConfig {
            working_directory: Some("srv".into()),
            ..Default::default()
        };
        assert_eq!(
            config(relative).unwrap_err().exception,
            Exception::InvalidParameterValue
        );
        let nul = wire::ImageConfig {
            command: words(&["a\0b"]),
            ..Default::default()
        };
        assert!(config(nul).is_err());
        let long = wire::ImageConfig {
            working_directory: Some(format!("/{}", "a".repeat(1_000))),
            ..Default::default()
        };
        assert_eq!(config(long).unwrap_err().exception, Exception::Validation);
        let large = wire::ImageConfig {
            command: words(&[&"a".repeat(40_000)]),
            ..Default::default()
        };
        assert_eq!(
            config(large).unwrap_err().message,
            "ImageConfig is too large: Command has 40004 bytes as JSON, and 32768 are the most."
        );
    }

    #[test]
    fn refusals_are_in_the_words_of_lambda() {
        let missing = refusal("host/app:1", &Error::NotFound("host/app:1".into()));
        assert_eq!(
            missing.message,
            "Source image host/app:1 does not exist. Provide a valid source image."
        );
        let busy = refusal("host/app:1", &Error::NoTurn("host/app:1".into()));
        assert_eq!(busy.exception, Exception::TooManyRequests);
        assert_eq!(busy.retry_after_secs, Some(RETRY_AFTER_SECS));
        let gone = unavailable(Error::NotFound("host/app".into()));
        assert_eq!(gone.code, "ImageDeleted");
        assert_eq!(
            gone.reason,
            "The container image could not be made ready: there is no image host/app."
        );
    }
}
