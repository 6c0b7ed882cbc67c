//! The name of an image: where it is, and which one of those that are there.

use std::path::PathBuf;

use kiln_types::Sha256;

use crate::error::Error;

/// Docker's own registry has two names, and short ones for its own images.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Longest name of an image (service model, `ImageUri`, has none; the path must fit Linux's 4,096).
const NAME_BYTES_MAX: usize = 2_048;

/// An image's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) place: Place,
    pub(crate) which: Which,
}

/// Where images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below `repository` at a registry, a host with or without a port.
    Registry {
        /// As it is named.
        host: String,
        repository: String,
    },
    /// An OCI image layout: a directory.
    Layout(PathBuf),
    /// The same as a tar archive.
    LayoutArchive(PathBuf),
    /// What `docker save` writes.
    DockerArchive(PathBuf),
}

/// Which image of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that is there; of a registry, `latest`.
    Only,
    Tag(String),
    Digest(Sha256),
}

impl Reference {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadName {
            uri: uri.chars().take(200).collect(),
            why,
        };
        if uri.len() > NAME_BYTES_MAX || uri.contains('\0') {
            return Err(bad("it is too long, or has a NUL in it"));
        }
        let kinds: [(&str, OnDisk, bool); 3] = [
            ("oci:", Place::Layout, false),
            ("oci-archive:", Place::LayoutArchive, true),
            ("docker-archive:", Place::DockerArchive, true),
        ];
        for (prefix, place, is_archive) in kinds {
            if let Some(rest) = uri.strip_prefix(prefix) {
                return on_disk(rest, place, is_archive).map_err(bad);
            }
        }
        at_registry(uri).map_err(bad)
    }

    /// The same with a digest in the place of what it was asked for by.
    pub(crate) fn pinned(&self, digest: &Sha256) -> String {
        let place = match &self.place {
            Place::Registry { host, repository } => format!("{host}/{repository}"),
            Place::Layout(path) => format!("oci:{}", path.display()),
            Place::LayoutArchive(path) => format!("oci-archive:{}", path.display()),
            Place::DockerArchive(path) => format!("docker-archive:{}", path.display()),
        };
        format!("{place}@sha256:{digest}")
    }
}

type Parsed<T> = Result<T, &'static str>;
/// Makes a place of a path.
type OnDisk = fn(PathBuf) -> Place;

/// `/path`, `/path:tag` or `/path@sha256:…`.
fn on_disk(rest: &str, place: OnDisk, is_archive: bool) -> Parsed<Reference> {
    let (rest, digest) = split_digest(rest)?;
    let name = rest.rfind('/').map_or(0, |slash| slash + 1);
    // A tag of `docker save` has a repository before it: `/path.tar:app:1`, `/path.tar:me/app:1`. The name of an archive may
    // have a colon itself: `/app:1.tar`.
    let in_name = || rest[name..].find(':').map(|colon| name + colon);
    let colon = match rest.find(".tar:").filter(|_| is_archive) {
        Some(dot) => Some(dot + ".tar".len()),
        None if is_archive && rest.ends_with(".tar") => None,
        None => in_name(),
    };
    let (path, tag) = match colon {
        Some(colon) => (&rest[..colon], Some(&rest[colon + 1..])),
        None => (rest, None),
    };
    if !path.starts_with('/') || path.split('/').any(|step| step == "..") {
        return Err("give an absolute path without '..'");
    }
    Ok(Reference {
        place: place(PathBuf::from(path)),
        which: which(tag, digest)?,
    })
}

/// `host/repository`, with `:tag`, `@sha256:…` or neither.
fn at_registry(uri: &str) -> Parsed<Reference> {
    let (rest, digest) = split_digest(uri)?;
    let (host, rest) = rest
        .split_once('/')
        .filter(|(host, _)| *host == "localhost" || host.contains(['.', ':']))
        .ok_or("begin with the host of its registry, such as docker.io/library/busybox")?;
    let name = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match rest[name..].find(':') {
        Some(colon) => (&rest[..name + colon], Some(&rest[name + colon + 1..])),
        None => (rest, None),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    if !host.bytes().all(is_host) || host.parse::<http::uri::Authority>().is_err() {
        return Err("the host of its registry is none");
    }
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let is_step = |step: &str| {
        step.bytes().all(is_plain) && step.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    if !repository.split('/').all(is_step) {
        return Err("the name of its repository is none");
    }
    let repository = match (host == DOCKER_HUB.0, repository.contains('/')) {
        (true, false) => format!("library/{repository}"),
        _ => repository.to_owned(),
    };
    Ok(Reference {
        place: Place::Registry {
            host: host.to_owned(),
            repository,
        },
        which: which(tag, digest)?,
    })
}

fn split_digest(text: &str) -> Parsed<(&str, Option<Sha256>)> {
    match text.split_once('@') {
        None => Ok((text, None)),
        Some((rest, digest)) => {
            let hex = digest.strip_prefix("sha256:");
            let digest = hex.and_then(|hex| hex.parse().ok());
            let digest = digest.ok_or("its digest is not sha256: and 64 hexadecimal digits")?;
            Ok((rest, Some(digest)))
        }
    }
}

/// A digest says more than the tag beside it.
fn which(tag: Option<&str>, digest: Option<Sha256>) -> Parsed<Which> {
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    match (digest, tag) {
        (Some(digest), _) => Ok(Which::Digest(digest)),
        (None, None) => Ok(Which::Only),
        (None, Some(tag)) if tag.is_empty() || tag.len() > 256 || !tag.bytes().all(is_tag) => {
            Err("its tag is none")
        }
        (None, Some(tag)) => Ok(Which::Tag(tag.to_owned())),
    }
}

/// The host that answers for a registry.
pub(crate) fn host_of(registry: &str) -> &str {
    match registry == DOCKER_HUB.0 {
        true => DOCKER_HUB.1,
        false => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn parse(uri: &str) -> (Place, Which) {
        let Reference { place, which } = Reference::parse(uri).unwrap();
        (place, which)
    }

    fn registry(host: &str, repository: &str) -> Place {
        Place::Registry {
            host: host.to_owned(),
            repository: repository.to_owned(),
        }
    }

    #[test]
    fn an_archive_whose_name_has_a_colon_is_the_same_when_it_is_pinned() {
        let digest = HEX.parse().unwrap();
        for uri in [
            "docker-archive:/srv/app:1.tar",
            "docker-archive:/srv/app:1.tar:me/app:1",
            "oci-archive:/srv/app:1.tar",
            "oci:/srv/app:1.tar",
        ] {
            let reference = Reference::parse(uri).unwrap();
            let (place, which) = parse(&reference.pinned(&digest));
            assert_eq!(place, reference.place, "{uri}");
            assert_eq!(which, Which::Digest(digest.clone()));
        }
        let archive = Place::DockerArchive("/srv/app:1.tar".into());
        assert_eq!(
            parse("docker-archive:/srv/app:1.tar"),
            (archive, Which::Only)
        );
    }

    #[test]
    fn names_are_taken_apart() {
        let digest = Which::Digest(HEX.parse().unwrap());
        let tag = |tag: &str| Which::Tag(tag.to_owned());
        for (uri, place, which) in [
            (
                "127.0.0.1:5000/app:1",
                registry("127.0.0.1:5000", "app"),
                tag("1"),
            ),
            ("localhost/a/b", registry("localhost", "a/b"), Which::Only),
            (
                "docker.io/busybox:1.36",
                registry("docker.io", "library/busybox"),
                tag("1.36"),
            ),
            (
                "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1",
                registry("000000000000.dkr.ecr.us-east-1.amazonaws.com", "app"),
                tag("1"),
            ),
            (
                "oci:/srv/app",
                Place::Layout("/srv/app".into()),
                Which::Only,
            ),
            (
                "oci:/srv/app:v1",
                Place::Layout("/srv/app".into()),
                tag("v1"),
            ),
            (
                "docker-archive:/srv/app.tar:me/app:1",
                Place::DockerArchive("/srv/app.tar".into()),
                tag("me/app:1"),
            ),
            (
                "oci-archive:/srv/app.tar",
                Place::LayoutArchive("/srv/app.tar".into()),
                Which::Only,
            ),
        ] {
            assert_eq!(parse(uri), (place.clone(), which), "{uri}");
            let pinned = Reference::parse(uri).unwrap().pinned(&HEX.parse().unwrap());
            assert_eq!(parse(&pinned), (place, digest.clone()), "{pinned}");
        }
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for uri in [
            "",
            "app",
            "app:1",
            "me/app",
            "host.example/",
            "host.example/App",
            "host.example/app:",
            "host.example/app@sha256:12",
            "host.example/app@md5:12",
            "host.example/../app",
            "user@host.example/app",
            "oci:relative",
            "oci:/srv/../etc",
            "oci:/srv/app:",
        ] {
            assert!(Reference::parse(uri).is_err(), "{uri}");
        }
    }
}
