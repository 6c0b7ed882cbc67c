//! Which topic it is that a mapping hears. One that is made again under the same name is another: places in the one say
//! nothing of the other, so that it is heard from its beginning, whoever noticed it and whenever.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::place_kept::PlaceKept;
use crate::source::Trouble;

/// A topic's own name, which a topic that is made again does not have. Shown as Kafka's tools show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TopicId(pub(super) [u8; 16]);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The topic that a mapping's places are in, on disk.
pub(super) struct Identity {
    kept: PlaceKept,
}

impl Identity {
    pub(super) fn new(kept: PlaceKept) -> Self {
        Self { kept }
    }

    /// Whether the topic is another than the one that was heard before. Brokers before 2.8 do not say which it is.
    pub(super) async fn has_changed(&self, topic: Option<TopicId>) -> Result<bool, Trouble> {
        let known = self.kept.read().await?;
        Ok(topic
            .zip(known)
            .is_some_and(|(topic, known)| topic.to_string() != known))
    }

    /// Puts on disk that places are of this topic from here on.
    pub(super) async fn keep(&self, topic: Option<TopicId>) -> Result<(), Trouble> {
        match topic {
            Some(topic) => self.kept.keep(&topic.to_string()).await,
            None => Ok(()),
        }
    }
}
