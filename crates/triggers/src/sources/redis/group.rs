//! The consumer group of a mapping: made where its entries begin, found again, and removed with what was made for it.

use kiln_types::mapping::StartingPosition;

use super::connection::{Connection, Failure};
use super::resp::Value;
use crate::place_kept::PlaceKept;
use crate::source::{Feed, Trouble};

/// What is kept of a stream that was not there before.
const MADE: &str = "made";
/// The one consumer of the group.
pub(super) const CONSUMER: &str = "kiln";

/// A group.
pub(super) struct Group<'a> {
    pub(super) key: &'a str,
    pub(super) name: &'a str,
    pub(super) from: StartingPosition,
    pub(super) kept: &'a PlaceKept,
}

impl Group<'_> {
    /// Has the group there, made before anything that is to be heard of.
    pub(super) async fn prepare(
        &self,
        connection: &mut Connection,
        feed: &Feed,
    ) -> Result<(), Trouble> {
        let (is_stream_there, group) = self.find(connection).await?;
        if group.is_some() {
            return Ok(());
        }
        feed.make().await?;
        if !is_stream_there {
            self.kept.keep(MADE).await?;
        }
        // Where the group was lost, what is known to be done need not come again.
        let told = feed.confirmed.borrow().clone();
        let first = match (&told, self.from) {
            (Some(position), _) => &*position.0,
            (None, StartingPosition::Latest) => "$",
            (None, StartingPosition::TrimHorizon) => "0",
        };
        let make = ["XGROUP", "CREATE", self.key, self.name, first, "MKSTREAM"];
        connection.ask(&make).await?;
        Ok(())
    }

    /// What is wrong while nobody listens.
    pub(super) async fn look(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<String>, Trouble> {
        let (_, group) = self.find(connection).await?;
        Ok(group.is_none().then(|| {
            format!(
                "the consumer group {} of the stream {} is gone",
                self.name, self.key
            )
        }))
    }

    /// Removes the group, and the stream if it was made with it and nobody ever used it.
    pub(super) async fn remove(&self, connection: &mut Connection) -> Result<(), Trouble> {
        let (is_stream_there, group) = self.find(connection).await?;
        if group.is_some() {
            connection
                .ask(&["XGROUP", "DESTROY", self.key, self.name])
                .await?;
        }
        if !is_stream_there || self.kept.read().await?.is_none() {
            return Ok(());
        }
        // Whoever uses it meanwhile keeps it.
        connection.ask(&["WATCH", self.key]).await?;
        let about = connection.ask(&["XINFO", "STREAM", self.key]).await;
        let about = if_there(about)?.unwrap_or(Value::Null);
        let is = |name: &str, value: &Value| about.find(name) == Some(value);
        let is_unused = is("length", &Value::Number(0))
            && is("groups", &Value::Number(0))
            && about.find("last-generated-id").and_then(Value::text) == Some("0-0");
        if is_unused {
            connection.ask(&["MULTI"]).await?;
            connection.ask(&["DEL", self.key]).await?;
            connection.ask(&["EXEC"]).await?;
        }
        Ok(())
    }

    /// Whether the stream is there, and what is said of the group.
    async fn find(&self, connection: &mut Connection) -> Result<(bool, Option<Value>), Trouble> {
        let groups = connection.ask(&["XINFO", "GROUPS", self.key]).await;
        let Some(groups) = if_there(groups)? else {
            return Ok((false, None));
        };
        let is_own = |group: &&Value| group.find("name").and_then(Value::text) == Some(self.name);
        Ok((true, groups.list().iter().find(is_own).cloned()))
    }
}

/// None where the server has no such key.
fn if_there(answer: Result<Value, Failure>) -> Result<Option<Value>, Trouble> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused(text)) if text.contains("no such key") => Ok(None),
        Err(failure) => Err(match failure.is("WRONGTYPE") {
            true => Trouble::new("the key is there and is no stream"),
            false => failure.into(),
        }),
    }
}
