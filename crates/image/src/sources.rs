//! [`Sources`]: from an image's name to its layers.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::{Architecture, Image, Sha256, limits};
use tokio::time::timeout;

use crate::document::{
    self, CONFIG_BYTES_MAX, DEPTH_MAX, Descriptor, Document, MANIFEST_BYTES_MAX, Said, unsupported,
};
use crate::error::Error;
use crate::layout::{Files, Piece, Saved, blob};
use crate::reference::{Place, Reference, Which};
use crate::registry::{Registries, Repository};
use crate::turns::Turns;

/// Images that are looked for at registries at once: what they say may take 20 MB each. Further ones wait;
/// who is waited for by a client as long as a registry may take, and then gets [`Error::NoTurn`].
const FINDS_MAX: usize = 16;
/// How many of them at one host: one that does not answer leaves most to others.
const FINDS_OF_HOST_MAX: usize = 4;

/// Where images may come from.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Below these, images may be named by their paths. Without links in them.
    pub dirs: Vec<PathBuf>,
    /// Docker's `config.json` with credentials for registries.
    pub credentials: Option<PathBuf>,
}

/// All places that images may come from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dirs: Vec<PathBuf>,
    registries: Registries,
    finds: Turns,
}

/// An image whose layers can be fetched.
#[derive(Debug)]
pub struct Opened {
    uri: String,
    from: From,
    layers: Vec<Found>,
}

/// A layer on its way: so many bytes of a file, from its present position on.
#[derive(Debug)]
pub struct Blob {
    /// The digest of the layer before compression.
    pub diff_id: Sha256,
    /// The digest of the bytes, where it is known.
    pub digest: Option<Sha256>,
    /// Where they are.
    pub file: File,
    /// How many.
    pub bytes: u64,
}

#[derive(Debug)]
enum From {
    Registry(Box<Repository>),
    Files(Arc<Files>),
}

#[derive(Debug)]
struct Found {
    diff_id: Sha256,
    digest: Option<Sha256>,
    bytes: u64,
    /// Its file, of a place that has files.
    name: String,
}

/// What is known of an image before its configuration is read.
struct Described {
    digest: Sha256,
    config: Vec<u8>,
    layers: Vec<(Option<Sha256>, u64, String)>,
}

impl Sources {
    /// Fails when the credentials cannot be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        let registries = Registries::new(config.credentials.as_deref())?;
        let dirs = config.dirs;
        Ok(Self {
            shared: Arc::new(Shared {
                dirs,
                registries,
                finds: Turns::new(FINDS_MAX, FINDS_OF_HOST_MAX),
            }),
        })
    }

    /// Finds an image that this machine can run, pins it by its digest, and says what it is. Fetches none
    /// of its layers.
    pub async fn resolve(&self, uri: &str) -> Result<Image, Error> {
        let wait_max = self.shared.registries.patience.find;
        let (_, image) = self.find(uri, wait_max).await?;
        Ok(image)
    }

    /// Finds an image again by its digest, to fetch its layers. Waits for its turn as long as it takes.
    pub async fn open(&self, image: &Image) -> Result<Opened, Error> {
        let (opened, found) = self.find(&image.resolved_uri, Duration::MAX).await?;
        match found.layers == image.layers {
            true => Ok(opened),
            false => Err(unsupported(&image.resolved_uri, "its layers have changed")),
        }
    }

    /// `wait_max` is for its turn and its registry together.
    async fn find(&self, uri: &str, wait_max: Duration) -> Result<(Opened, Image), Error> {
        let reference = Reference::parse(uri)?;
        let shared = &self.shared;
        let (from, described) = match &reference.place {
            Place::Registry { host, repository } => {
                let registries = &shared.registries;
                let repository = registries.repository(host, repository);
                let find_max = registries.patience.find;
                let too_slow = || Error::Registry {
                    doing: format!("find {uri}"),
                    why: format!(
                        "its registry did not say what it is within {} s",
                        find_max.as_secs()
                    ),
                };
                let mut has_turn = false;
                let described = async {
                    let _turn = shared.finds.take(uri).await;
                    has_turn = true;
                    let described = described_by(uri, &reference.which, &repository);
                    let described = timeout(find_max, described).await;
                    described.unwrap_or_else(|_| Err(too_slow()))
                };
                let described = timeout(wait_max, described).await;
                let described = described.unwrap_or_else(|_| match has_turn {
                    true => Err(too_slow()),
                    false => Err(Error::NoTurn(uri.to_owned())),
                })?;
                (From::Registry(Box::new(repository)), described)
            }
            Place::Layout(path) | Place::LayoutArchive(path) | Place::DockerArchive(path) => {
                let (uri, path) = (uri.to_owned(), path.clone());
                let (shared, reference) = (Arc::clone(shared), reference.clone());
                let read = move || {
                    let files = Files::open(&uri, &path, &shared.dirs)?;
                    let described = described_in(&uri, &reference, &files)?;
                    Ok((From::Files(Arc::new(files)), described))
                };
                blocking(read).await?
            }
        };
        let (layers, image) = understand(uri, &reference, described)?;
        let uri = uri.to_owned();
        Ok((Opened { uri, from, layers }, image))
    }
}

impl Opened {
    /// Fetches a layer, the lowest is the first. What comes over a network goes into a new file from
    /// `scratch`.
    pub async fn layer(
        &self,
        index: usize,
        scratch: impl FnOnce() -> Result<File, Error> + Send + 'static,
    ) -> Result<Blob, Error> {
        let found = &self.layers[index];
        let piece = match &self.from {
            From::Files(files) => {
                let (files, uri) = (Arc::clone(files), self.uri.clone());
                let name = found.name.clone();
                blocking(move || files.piece(&uri, &name)).await?
            }
            From::Registry(repository) => {
                let digest = found.digest.as_ref().expect("registries have no others");
                let (file, bytes) = (blocking(scratch).await?, found.bytes);
                let file = repository.download(digest, bytes, file).await?;
                Piece { file, bytes }
            }
        };
        Ok(Blob {
            diff_id: found.diff_id.clone(),
            digest: found.digest.clone(),
            file: piece.file,
            bytes: piece.bytes,
        })
    }
}

/// Files are read and made where nothing waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::file("read an image")(std::io::Error::other(error))))
}

/// Reads the configuration.
fn understand(
    uri: &str,
    reference: &Reference,
    described: Described,
) -> Result<(Vec<Found>, Image), Error> {
    let machine = Architecture::of_this_machine();
    let config = document::Config::read(uri, &described.config, machine)?;
    let diff_ids = config.diff_ids(uri)?;
    let count = diff_ids.len();
    if count != described.layers.len() {
        let why = "its configuration and its manifest do not have the same number of layers";
        return Err(unsupported(uri, why));
    }
    if count == 0 || count > limits::IMAGE_LAYERS_MAX {
        let max = limits::IMAGE_LAYERS_MAX;
        let why = format!("it has {count} layers: one at least and {max} at most can be");
        return Err(unsupported(uri, &why));
    }
    // What a manifest says of sizes is anybody's word: together they may be more than a number holds.
    let mut sizes = described.layers.iter().map(|(_, bytes, _)| *bytes);
    let packed = sizes.try_fold(0_u64, u64::checked_add);
    if packed.is_none_or(|packed| packed > limits::IMAGE_BYTES_MAX) {
        let max = limits::IMAGE_BYTES_MAX;
        return Err(unsupported(uri, &format!("it is larger than {max} bytes")));
    }
    let run = config.run();
    let image = Image {
        uri: uri.to_owned(),
        resolved_uri: reference.pinned(&described.digest),
        digest: described.digest,
        layers: diff_ids.clone(),
        environment: run.environment(),
        entry_point: run.entrypoint.unwrap_or_default(),
        command: run.cmd.unwrap_or_default(),
        working_directory: run.working_dir.filter(|directory| !directory.is_empty()),
    };
    check_configuration(&image).map_err(|why| unsupported(uri, &why))?;
    let layers = diff_ids.into_iter().zip(described.layers);
    let found = |(diff_id, (digest, bytes, name))| Found {
        diff_id,
        digest,
        bytes,
        name,
    };
    Ok((layers.map(found).collect(), image))
}

/// Whether a process can be started with what an image says.
fn check_configuration(image: &Image) -> Result<(), String> {
    let words = image.entry_point.iter().chain(&image.command);
    let mut words = words.chain(&image.working_directory);
    if words.any(|word| word.contains('\0')) {
        return Err("its configuration has a NUL in it".to_owned());
    }
    match image.excess() {
        Some(excess) => Err(format!("{excess}: build it with less")),
        None => Ok(()),
    }
}

/// An image on disk.
fn described_in(uri: &str, reference: &Reference, files: &Files) -> Result<Described, Error> {
    let which = &reference.which;
    if matches!(reference.place, Place::DockerArchive(_)) {
        return saved_in(uri, which, files);
    }
    let mut digest = files.find_image(uri, which, MANIFEST_BYTES_MAX)?;
    for _ in 0..DEPTH_MAX {
        let bytes = files.read(uri, &blob(&digest), MANIFEST_BYTES_MAX)?;
        document::verify(uri, &bytes, &digest)?;
        match Document::read(uri, &bytes)? {
            Said::Index(manifests) => digest = choose(uri, manifests)?,
            Said::Manifest { config, layers } => {
                let named = config.sha256(uri)?;
                let config = files.read(uri, &blob(&named), CONFIG_BYTES_MAX)?;
                document::verify(uri, &config, &named)?;
                let layers = check_layers(uri, &layers)?;
                return Ok(Described {
                    digest,
                    config,
                    layers,
                });
            }
        }
    }
    Err(too_deep(uri))
}

/// What `docker save` wrote: layers are named by their files, and the image by its configuration.
fn saved_in(uri: &str, which: &Which, files: &Files) -> Result<Described, Error> {
    let saved: Saved = files.find_saved(uri, which, MANIFEST_BYTES_MAX)?;
    let config = files.read(uri, &saved.config, CONFIG_BYTES_MAX)?;
    let digest = document::digest_of(&config);
    if let Which::Digest(expected) = which {
        document::verify(uri, &config, expected)?;
    }
    let layers = saved.layers.into_iter().map(|name| {
        let piece = files.piece(uri, &name)?;
        Ok((None, piece.bytes, name))
    });
    let layers = layers.collect::<Result<_, Error>>()?;
    Ok(Described {
        digest,
        config,
        layers,
    })
}

/// An image of a registry.
async fn described_by(
    uri: &str,
    which: &Which,
    repository: &Repository,
) -> Result<Described, Error> {
    let (bytes, mut digest) = repository.manifest(uri, which).await?;
    let mut said = Document::read(uri, &bytes)?;
    for _ in 0..DEPTH_MAX {
        match said {
            Said::Index(manifests) => {
                digest = choose(uri, manifests)?;
                let which = Which::Digest(digest.clone());
                let (bytes, _) = repository.manifest(uri, &which).await?;
                said = Document::read(uri, &bytes)?;
            }
            Said::Manifest { config, layers } => {
                let named = config.sha256(uri)?;
                let config = repository.read(uri, &named, CONFIG_BYTES_MAX).await?;
                let layers = check_layers(uri, &layers)?;
                return Ok(Described {
                    digest,
                    config,
                    layers,
                });
            }
        }
    }
    Err(too_deep(uri))
}

/// Of an index, the image for this machine.
fn choose(uri: &str, manifests: Vec<Descriptor>) -> Result<Sha256, Error> {
    let wanted = Architecture::of_this_machine();
    let fits = |manifest: &&Descriptor| !manifest.is_for_others(wanted);
    match manifests.iter().find(fits) {
        Some(manifest) => manifest.sha256(uri),
        None => Err(Error::OtherArchitecture {
            uri: uri.to_owned(),
            wanted: wanted.as_str(),
        }),
    }
}

fn check_layers(
    uri: &str,
    layers: &[Descriptor],
) -> Result<Vec<(Option<Sha256>, u64, String)>, Error> {
    let checked = layers.iter().map(|layer| {
        layer.check_layer(uri)?;
        let digest = layer.sha256(uri)?;
        let name = blob(&digest);
        Ok((Some(digest), layer.size, name))
    });
    checked.collect()
}

fn too_deep(uri: &str) -> Error {
    unsupported(uri, "its indexes are nested too deep")
}

#[cfg(test)]
mod tests {
    use std::array::from_fn;

    use kiln_testkit::image as built;
    use kiln_testkit::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn a_registry_that_was_not_asked_is_not_to_blame() {
        let mut sources = Sources::new(Config::default()).unwrap();
        let shared = Arc::get_mut(&mut sources.shared).unwrap();
        let find_max = Duration::from_secs(1);
        shared.registries.patience.find = find_max;
        let registry = Registry::start();
        let image = built::Image::default().layer(built::Layer::default());
        registry.push("app", "1", &image);
        let uri = registry.name("app:1");
        let image = sources.resolve(&uri).await.unwrap();
        let others: [_; FINDS_OF_HOST_MAX] = from_fn(|_| sources.shared.finds.take(&uri));
        let mut turns = Vec::new();
        for other in others {
            turns.push(other.await);
        }
        let refused = sources.resolve(&uri).await;
        assert!(matches!(refused, Err(Error::NoTurn(_))), "{refused:?}");
        // Under another name it is another registry.
        let elsewhere = uri.replace("127.0.0.1", "localhost");
        assert!(sources.resolve(&elsewhere).await.is_ok());
        // Nobody waits at the other end of a connection for this one.
        let mut opening = std::pin::pin!(sources.open(&image));
        assert!(timeout(find_max * 2, &mut opening).await.is_err());
        drop(turns);
        assert!(opening.await.is_ok());
    }
}
