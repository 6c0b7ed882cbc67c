//! The container image of a function, in the place of a zip and a runtime.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::limits;
use crate::snap_start::NotReady;

/// An image as a function has it: named once, pinned by its digest from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As the caller named it, with a tag or a digest.
    pub uri: String,
    /// The same with the digest that it had then.
    pub resolved_uri: String,
    /// The digest of its manifest, or of its configuration where it has no manifest.
    pub digest: Sha256,
    /// Its layers, the lowest first: digests of the archives as they are before compression.
    pub layers: Vec<Sha256>,
    /// `ENTRYPOINT`.
    pub entry_point: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `WORKDIR`.
    pub working_directory: Option<String>,
    /// `ENV`.
    pub environment: Vec<(String, String)>,
}

/// What a function says in the place of its image, member by member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// In the place of `ENTRYPOINT`.
    pub entry_point: Option<Vec<String>>,
    /// In the place of `CMD`.
    pub command: Option<Vec<String>>,
    /// In the place of `WORKDIR`.
    pub working_directory: Option<String>,
}

/// A part of a configuration that is too large to start a process with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// As who wrote it calls it.
    pub part: &'static str,
    /// What it has as JSON.
    pub bytes: usize,
    /// What it may have.
    pub max: usize,
}

/// The container image of one version and what the function makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// What it runs.
    pub image: Image,
    /// What the function says in its place.
    pub config: ImageConfig,
    /// The image that takes its place as soon as it is here.
    pub incoming: Option<Image>,
    /// Why the last image that was asked for could not be had.
    pub failure: Option<NotReady>,
}

impl Container {
    /// A function's first image.
    pub fn new(image: Image, config: ImageConfig) -> Self {
        Self {
            image,
            config,
            incoming: None,
            failure: None,
        }
    }

    /// The image that the function is to have.
    pub fn wanted(&self) -> &Image {
        self.incoming.as_ref().unwrap_or(&self.image)
    }

    /// The images that may be run now or soon.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        std::iter::once(&self.image).chain(&self.incoming)
    }

    /// As a version of its own has it.
    #[must_use]
    pub fn published(&self) -> Self {
        Self::new(self.wanted().clone(), self.config.clone())
    }
}

impl Image {
    /// The command line of its main process under this configuration: the entry point and what it is
    /// given. Empty when neither says anything.
    pub fn command_line(&self, config: &ImageConfig) -> Vec<String> {
        let entry_point = config.entry_point.as_ref().unwrap_or(&self.entry_point);
        let command = config.command.as_ref().unwrap_or(&self.command);
        entry_point.iter().chain(command).cloned().collect()
    }

    /// Where its main process starts.
    pub fn directory<'a>(&'a self, config: &'a ImageConfig) -> &'a str {
        let own = config.working_directory.as_deref();
        let of_image = self.working_directory.as_deref();
        own.or(of_image)
            .filter(|directory| !directory.is_empty())
            .unwrap_or("/")
    }
}

impl Image {
    /// What is too large in what it says.
    pub fn excess(&self) -> Option<Excess> {
        let environment = limits::IMAGE_ENVIRONMENT_BYTES_MAX;
        let directory = limits::IMAGE_DIRECTORY_BYTES_MAX;
        Excess::of("ENV", &self.environment, environment)
            .or_else(|| Excess::of_words("ENTRYPOINT", &self.entry_point))
            .or_else(|| Excess::of_words("CMD", &self.command))
            .or_else(|| Excess::of("WORKDIR", &self.working_directory, directory))
    }
}

impl ImageConfig {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is too large in what it says.
    pub fn excess(&self) -> Option<Excess> {
        let of = |part, words: &Option<Vec<String>>| Excess::of_words(part, words.as_ref()?);
        of("EntryPoint", &self.entry_point).or_else(|| of("Command", &self.command))
    }
}

impl Excess {
    fn of(part: &'static str, value: &impl Serialize, max: usize) -> Option<Self> {
        let json = serde_json::to_vec(value).expect("texts are JSON");
        let bytes = json.len();
        (bytes > max).then_some(Self { part, bytes, max })
    }

    fn of_words(part: &'static str, words: &[String]) -> Option<Self> {
        Self::of(part, &words, limits::IMAGE_WORDS_BYTES_MAX)
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, bytes, max } = self;
        write!(
            f,
            "{part} has {bytes} bytes as JSON, and {max} are the most"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn nothing() -> Image {
        Image {
            uri: "app:1".into(),
            resolved_uri: "app@sha256:00".into(),
            digest: Sha256::from_bytes([0; 32]),
            layers: Vec::new(),
            entry_point: Vec::new(),
            command: Vec::new(),
            working_directory: None,
            environment: Vec::new(),
        }
    }

    /// As long as can be, with the quotation marks and brackets around it.
    fn most() -> Image {
        let text = |bytes: usize| "x".repeat(bytes);
        Image {
            environment: vec![("A".into(), text(64 * 1024 - r#"[["A",""]]"#.len()))],
            entry_point: vec![text(32 * 1024 - r#"[""]"#.len())],
            command: vec![text(32 * 1024 - r#"[""]"#.len())],
            working_directory: Some(text(4 * 1024 - 2)),
            ..nothing()
        }
    }

    #[test]
    fn what_no_message_could_carry_is_in_excess() {
        assert_eq!(nothing().excess(), None);
        assert_eq!(most().excess(), None);
        let part = |change: fn(&mut Image)| {
            let mut image = most();
            change(&mut image);
            image.excess().unwrap().part
        };
        assert_eq!(part(|image| image.environment[0].1.push('x')), "ENV");
        assert_eq!(
            part(|image| image.entry_point.push(String::new())),
            "ENTRYPOINT"
        );
        assert_eq!(
            part(|image| image.working_directory = Some("x".repeat(4 * 1024))),
            "WORKDIR"
        );
        // As many letters, one of which has to be escaped.
        let escaped = part(|image| {
            image.command[0].pop();
            image.command[0].push('\n');
        });
        assert_eq!(escaped, "CMD");
        let config = ImageConfig {
            command: Some(most().command),
            ..ImageConfig::default()
        };
        assert_eq!(config.excess(), None);
        let config = ImageConfig {
            entry_point: Some([most().command, words("x")].concat()),
            ..config
        };
        assert_eq!(
            config.excess().unwrap().to_string(),
            "EntryPoint has 32772 bytes as JSON, and 32768 are the most"
        );
    }

    #[test]
    fn each_member_of_the_configuration_replaces_its_own_and_no_other() {
        let image = Image {
            entry_point: words("/entry --now"),
            command: words("app.handler"),
            ..nothing()
        };
        let none = ImageConfig::default();
        assert_eq!(image.command_line(&none), words("/entry --now app.handler"));
        assert_eq!(image.directory(&none), "/");
        let other = ImageConfig {
            command: Some(words("other.handler")),
            working_directory: Some("/srv".into()),
            ..ImageConfig::default()
        };
        assert_eq!(
            image.command_line(&other),
            words("/entry --now other.handler")
        );
        assert_eq!(image.directory(&other), "/srv");
        let nothing = ImageConfig {
            entry_point: Some(Vec::new()),
            command: Some(Vec::new()),
            working_directory: Some(String::new()),
        };
        assert!(image.command_line(&nothing).is_empty());
        assert_eq!(image.directory(&nothing), "/");
    }
}
