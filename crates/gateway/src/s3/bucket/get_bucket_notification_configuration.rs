//! `GetBucketNotificationConfiguration`.

use super::super::request::{Answer, Request, document};
use super::notification;

pub(in super::super) async fn handle(request: Request) -> Answer {
    Ok(document(notification::write(
        &request.bucket()?.notifications,
    )))
}
