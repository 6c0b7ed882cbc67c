//! Names that point at versions.

use serde::{Deserialize, Serialize};

use crate::id::{RequestId, RevisionId};
use crate::name::Version;

/// What an alias points at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AliasConfig {
    /// The version, which most of the invocations get.
    pub version: Version,
    /// Another version that gets a part of the invocations.
    pub share: Option<Share>,
    /// For people.
    pub description: String,
    /// Changes with every change of the alias.
    pub revision: RevisionId,
}

/// A published version and its part of an alias's invocations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The version's number.
    pub version: u64,
    /// Its part, 0.0 to 1.0.
    pub weight: f64,
}

impl AliasConfig {
    /// The version for one invocation. Which of two it is hangs on nothing but the invocation's
    /// name, which is random: asked twice, it gets the same.
    pub fn version_for(&self, invocation: RequestId) -> Version {
        match self.share {
            Some(share) if invocation.fraction() < share.weight => {
                Version::Published(share.version)
            }
            _ => self.version,
        }
    }

    /// Whether it leads to a version.
    pub fn names(&self, version: Version) -> bool {
        let shared = self.share.map(|share| Version::Published(share.version));
        self.version == version || shared == Some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(weight: f64) -> AliasConfig {
        AliasConfig {
            version: Version::Published(1),
            share: Some(Share { version: 2, weight }),
            description: String::new(),
            revision: RevisionId::random(),
        }
    }

    #[test]
    fn a_share_gets_its_part_of_the_invocations() {
        let split = alias(0.25);
        let second = (0..10_000)
            .filter(|_| split.version_for(RequestId::random()) == Version::Published(2))
            .count();
        // Ten standard deviations to each side.
        assert!((2_067..2_933).contains(&second), "{second}");
    }

    #[test]
    fn nothing_and_everything_are_shares_too() {
        for _ in 0..1_000 {
            let id = RequestId::random();
            assert_eq!(alias(0.0).version_for(id), Version::Published(1));
            assert_eq!(alias(1.0).version_for(id), Version::Published(2));
        }
    }
}
