//! `HeadObject`.

use super::super::request::{Answer, Request, set};
use super::found::Found;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let found = Found::of(&request).await?;
    let mut response = found.head(&request);
    set(
        &mut response,
        "content-length",
        Some(found.span.size.to_string()),
    );
    Ok(response)
}
