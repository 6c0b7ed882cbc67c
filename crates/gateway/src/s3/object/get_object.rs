//! `GetObject`.
//!
use super::super::request::{Answer, Request};
use super::found::Found;
use crate::server::Outgoing;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let found = Found::of(&request).await?;
    let response = found.head(&request);
    let tracker = &request.context.deps.tracker;
    Ok(response.map(|_| Outgoing::object(found.reader, tracker)))
}
