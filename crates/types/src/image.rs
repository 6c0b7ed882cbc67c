//! The container image of a function, in the place of a zip and a runtime.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::function::NotReady;

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

impl ImageConfig {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn each_member_of_the_configuration_replaces_its_own_and_no_other() {
        let image = Image {
            uri: "app:1".into(),
            resolved_uri: "app@sha256:00".into(),
            digest: Sha256::from_bytes([0; 32]),
            layers: Vec::new(),
            entry_point: words("/entry --now"),
            command: words("app.handler"),
            working_directory: None,
            environment: Vec::new(),
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
