//! Calls about asynchronous events.

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::{Call, Client, Service, encode};

impl Client {
    /// Events that wait or run, or dead letters, all pages but no more than `limit`.
    pub(crate) async fn events(
        &self,
        state: &str,
        function: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>> {
        let (mut events, mut after) = (Vec::new(), None::<String>);
        loop {
            let missing = limit - events.len();
            let mut path = format!("/_kiln/events?state={state}&limit={missing}");
            if let Some(function) = function {
                path = format!("{path}&function={}", encode(function));
            }
            if let Some(after) = &after {
                path = format!("{path}&after={}", encode(after));
            }
            let call = Call::new("Events", Service::Kiln, Method::GET, path);
            let page = self.send(call).await?.json()?;
            events.extend(page["events"].as_array().into_iter().flatten().cloned());
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() || events.len() >= limit {
                return Ok(events);
            }
        }
    }

    /// One event with its payload.
    pub(crate) async fn event(&self, id: &str) -> Result<Value> {
        let path = format!("/_kiln/events/{}", encode(id));
        let call = Call::new("Event", Service::Kiln, Method::GET, path);
        self.send(call).await?.json()
    }

    /// Redrives or purges dead letters: `what` says which of it; all of them without a function and an id.
    /// Returns how many.
    pub(crate) async fn change_dead_letters(
        &self,
        what: &str,
        function: Option<&str>,
        id: Option<&str>,
    ) -> Result<u64> {
        let all = (function.is_none() && id.is_none()).then_some("true");
        let parameters = [("function", function), ("id", id), ("all", all)];
        let query: Vec<String> = parameters
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value?))))
            .collect();
        let path = format!("/_kiln/events/{what}?{}", query.join("&"));
        let call = Call::new("Events", Service::Kiln, Method::POST, path);
        let answer = self.send(call).await?.json()?;
        Ok(answer["count"].as_u64().unwrap_or_default())
    }
}
