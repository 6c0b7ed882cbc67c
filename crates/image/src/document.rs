//! What an image says of itself: index, manifest and configuration (OCI image specification; Docker's
//! older documents have the same members).

use kiln_types::{Architecture, Sha256};
use serde::Deserialize;
use sha2::Digest as _;

use crate::error::Error;

/// Largest index or manifest (the distribution specification lets registries refuse larger ones).
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Largest configuration: it has a line for each step of the build.
pub(crate) const CONFIG_BYTES_MAX: u64 = 8 << 20;
/// Indexes within indexes.
pub(crate) const DEPTH_MAX: usize = 3;
/// Where an image layout keeps the tag of an image.
const TAG: &str = "org.opencontainers.image.ref.name";
/// Where containerd, and so `docker save`, keeps the whole name.
const WHOLE_NAME: &str = "io.containerd.image.name";

/// An index or a manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// What a document says.
#[derive(Debug)]
pub(crate) enum Said {
    /// It lists images.
    Index(Vec<Descriptor>),
    Manifest {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
}

/// Something that is named by its digest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(rename = "mediaType", default)]
    pub(crate) media_type: String,
    digest: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    platform: Option<Platform>,
    #[serde(default)]
    urls: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// The configuration.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<Run>,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// How an image wants to be run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Run {
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
}

impl Document {
    pub(crate) fn read(uri: &str, bytes: &[u8]) -> Result<Said, Error> {
        let document: Self = read_json(uri, "its manifest", bytes)?;
        match (document.manifests, document.config, document.layers) {
            (Some(manifests), None, _) => Ok(Said::Index(manifests)),
            (None, Some(config), Some(layers)) => Ok(Said::Manifest { config, layers }),
            _ => Err(unsupported(
                uri,
                "its manifest is neither an index nor an image's (Docker's first format is not read)",
            )),
        }
    }
}

impl Descriptor {
    /// Other digests than SHA-256 are registered and nobody uses them.
    pub(crate) fn sha256(&self, uri: &str) -> Result<Sha256, Error> {
        read_digest(uri, &self.digest)
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        let named = |key| self.annotations.get(key).is_some_and(|name| name == tag);
        // `docker save` writes `docker.io/library/app:1` of what people call `app:1`.
        let whole = self.annotations.get(WHOLE_NAME);
        let short = whole.and_then(|name| name.strip_prefix("docker.io/"));
        let short = short.map(|name| name.strip_prefix("library/").unwrap_or(name));
        named(TAG) || named(WHOLE_NAME) || short == Some(tag)
    }

    /// Whether it says that it is for other machines.
    pub(crate) fn is_for_others(&self, wanted: Architecture) -> bool {
        let platform = self.platform.as_ref();
        platform.is_some_and(|found| found.os != "linux" || found.architecture != name_of(wanted))
    }

    /// Refuses layers that are elsewhere or encrypted.
    pub(crate) fn check_layer(&self, uri: &str) -> Result<(), Error> {
        let media_type = &self.media_type;
        if !self.urls.is_empty() || media_type.contains("foreign") {
            return Err(unsupported(uri, "a layer of it is not to be distributed"));
        }
        if media_type.ends_with("+encrypted") {
            return Err(unsupported(uri, "a layer of it is encrypted"));
        }
        let is_layer = media_type.contains("layer") || media_type.contains("rootfs.diff");
        match is_layer || media_type.is_empty() {
            true => Ok(()),
            false => Err(unsupported(
                uri,
                &format!("it has a layer of type {media_type}"),
            )),
        }
    }
}

impl Config {
    pub(crate) fn read(uri: &str, bytes: &[u8], wanted: Architecture) -> Result<Self, Error> {
        let config: Self = read_json(uri, "its configuration", bytes)?;
        let is_other = config.architecture != name_of(wanted);
        if is_other || !config.os.is_empty() && config.os != "linux" {
            return Err(Error::OtherArchitecture {
                uri: uri.to_owned(),
                wanted: wanted.as_str(),
            });
        }
        Ok(config)
    }

    pub(crate) fn diff_ids(&self, uri: &str) -> Result<Vec<Sha256>, Error> {
        let digests = self.rootfs.diff_ids.iter();
        digests.map(|digest| read_digest(uri, digest)).collect()
    }

    pub(crate) fn run(self) -> Run {
        self.config.unwrap_or_default()
    }
}

impl Run {
    /// `ENV`; what is no assignment is passed over.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let all = self.env.iter().flatten();
        let pairs = all.filter_map(|text| text.split_once('='));
        pairs
            .filter(|(name, value)| {
                !name.is_empty() && !name.contains('\0') && !value.contains('\0')
            })
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// The digest of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Compares bytes with their digest.
pub(crate) fn verify(what: &str, bytes: &[u8], expected: &Sha256) -> Result<(), Error> {
    let found = digest_of(bytes);
    match found == *expected {
        true => Ok(()),
        false => Err(Error::WrongDigest {
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
    }
}

pub(crate) fn read_json<'a, T: Deserialize<'a>>(
    uri: &str,
    what: &str,
    bytes: &'a [u8],
) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| unsupported(uri, &format!("{what} cannot be read: {error}")))
}

pub(crate) fn unsupported(uri: &str, why: &str) -> Error {
    Error::Unsupported {
        uri: uri.to_owned(),
        why: why.to_owned(),
    }
}

fn read_digest(uri: &str, text: &str) -> Result<Sha256, Error> {
    let hex = text.strip_prefix("sha256:");
    let digest = hex.and_then(|hex| hex.parse().ok());
    digest.ok_or_else(|| {
        let why = format!(
            "it names something by '{}', which is not sha256: and 64 hexadecimal digits",
            text.chars().take(100).collect::<String>()
        );
        unsupported(uri, &why)
    })
}

/// The name of an architecture in images.
fn name_of(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Arm64 => "arm64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_an_index_are_found_under_each_name() {
        let descriptor = |name: &str, value: &str| -> Descriptor {
            let json = format!(r#"{{"digest":"sha256:00","annotations":{{"{name}":"{value}"}}}}"#);
            serde_json::from_str(&json).unwrap()
        };
        assert!(descriptor(TAG, "v1").has_tag("v1"));
        let whole = descriptor(WHOLE_NAME, "docker.io/library/app:1");
        assert!(whole.has_tag("app:1"));
        assert!(whole.has_tag("docker.io/library/app:1"));
        assert!(!whole.has_tag("app:2"));
        assert!(descriptor(WHOLE_NAME, "docker.io/me/app:1").has_tag("me/app:1"));
    }

    #[test]
    fn documents_that_are_not_read_are_refused() {
        for bytes in ["", "[]", "{}", r#"{"schemaVersion":1,"fsLayers":[]}"#] {
            let refused = Document::read("x", bytes.as_bytes());
            assert!(matches!(refused, Err(Error::Unsupported { .. })), "{bytes}");
        }
        let other = br#"{"architecture":"riscv64","os":"linux","rootfs":{"diff_ids":[]}}"#;
        let refused = Config::read("x", other, Architecture::X86_64);
        assert!(matches!(refused, Err(Error::OtherArchitecture { .. })));
    }

    #[test]
    fn layers_that_cannot_be_had_are_refused() {
        let layer = |json: &str| -> Result<(), Error> {
            let layer: Descriptor = serde_json::from_str(json).unwrap();
            layer.check_layer("x")
        };
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert!(layer(&format!(r#"{{"digest":"","mediaType":"{gzip}"}}"#)).is_ok());
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert!(layer(&format!(r#"{{"digest":"","mediaType":"{docker}"}}"#)).is_ok());
        for bad in [
            format!(r#"{{"digest":"","mediaType":"{gzip}+encrypted"}}"#),
            format!(r#"{{"digest":"","mediaType":"{gzip}","urls":["http://x"]}}"#),
            r#"{"digest":"","mediaType":"application/wasm"}"#.to_owned(),
        ] {
            assert!(layer(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_environment_has_what_assigns() {
        let run = Run {
            env: Some(
                ["A=1", "B=x=y", "C", "=d", "E="]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            ..Run::default()
        };
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let expected = [("A", "1"), ("B", "x=y"), ("E", "")].map(pair);
        assert_eq!(run.environment(), expected);
    }
}
