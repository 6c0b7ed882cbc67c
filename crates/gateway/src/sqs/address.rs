//! Queue addresses: `http://<host>/<account>/<name>`, and the other forms in which AWS's clients have them.

use std::sync::Arc;

use bytes::Bytes;
use kiln_store::messages::MessageQueue;
use kiln_types::{AccountId, QueueArn, QueueId};

use super::refusal::no_queue;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::wire::{Protocol, Request, percent};

/// Whether a path is a queue's: `/<account>/<name>`.
pub(crate) fn is_queue_path(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let account = parts.next().unwrap_or_default();
    let has_name = parts.next().is_some_and(|name| !name.is_empty());
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && has_name
}

/// A request to a queue's own address means that queue, unless it names another. One by GET has its
/// parameters in the query string.
pub(super) fn complete(mut request: Request) -> Request {
    let called = request.labels.iter().find(|(name, _)| *name == "QueueUrl");
    let called = called.map(|(_, path)| path.clone());
    match request.protocol {
        Protocol::Query { .. } => {
            let mut form = String::from_utf8_lossy(&request.body).into_owned();
            if !request.query.is_empty() {
                form = format!("{}&{form}", request.query);
            }
            let names_one = percent::pairs(&form).any(|(name, _)| name == "QueueUrl");
            if let Some(path) = called.filter(|_| !names_one) {
                form = format!("{form}&QueueUrl={path}");
            }
            request.body = Bytes::from(form);
        }
        _ => {
            let body = serde_json::from_slice(&request.body);
            if let (Some(path), Ok(serde_json::Value::Object(mut members))) = (called, body)
                && !members.contains_key("QueueUrl")
            {
                members.insert("QueueUrl".to_owned(), path.into());
                request.body = serde_json::Value::Object(members).to_string().into();
            }
        }
    }
    request
}

/// Which queue an address means: the last two parts of its path, or a name alone.
pub(super) fn id(context: &Context, address: &str) -> Result<QueueId> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    let mut parts = path.trim_matches('/').rsplit('/');
    let name = percent::path(parts.next().unwrap_or_default()).into_owned();
    let account = match parts.next() {
        Some(account) => account.parse::<AccountId>().map_err(|_| invalid(address))?,
        None => context.caller.account.clone(),
    };
    if name.is_empty() {
        return Err(invalid(address));
    }
    if account != context.caller.account {
        return Err(denied(address));
    }
    match name.parse() {
        Ok(name) => Ok(QueueId { account, name }),
        Err(_) => Err(no_queue()),
    }
}

fn invalid(address: &str) -> ApiError {
    let message = format!("The address {address} is not valid for this endpoint.");
    ApiError::new(Exception::InvalidAddress, message)
}

fn denied(what: &str) -> ApiError {
    let message = format!("Access to the resource {what} is denied.");
    ApiError::new(Exception::AccessDenied, message)
}

/// The queue that an address means.
pub(super) fn queue(context: &Context, address: &str) -> Result<Arc<MessageQueue>> {
    let id = id(context, address)?;
    context.deps.store.messages().get(&id).ok_or_else(no_queue)
}

/// The address of a queue, under the host that its caller called and as it called it: some clients then call that.
pub(super) fn url(context: &Context, id: &QueueId) -> String {
    let endpoint = &context.config.endpoint;
    let host = match context.host.as_str() {
        "" => endpoint.authority(),
        host => host,
    };
    let scheme = match context.is_inside {
        true => "http",
        false => endpoint.scheme(),
    };
    format!("{scheme}://{host}/{}/{}", id.account, id.name)
}

/// The ARN of a queue.
pub(super) fn arn(context: &Context, id: &QueueId) -> QueueArn {
    QueueArn::new(context.config.region.clone(), id.clone())
}

/// The queue that an ARN means, if it can be one of the caller's.
pub(super) fn by_arn(context: &Context, arn: &str) -> Option<QueueId> {
    let arn: QueueArn = arn.parse().ok()?;
    let is_own = arn.region == context.config.region && arn.queue.account == context.caller.account;
    is_own.then_some(arn.queue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn every_form_of_an_address_means_the_queue() {
        let fixture = Fixture::new().await;
        let context = &fixture.context;
        for address in [
            "http://localhost:4566/000000000000/orders",
            "https://sqs.us-east-1.amazonaws.com/000000000000/orders",
            "https://us-east-1.queue.amazonaws.com/000000000000/orders",
            "http://127.0.0.1:4566/queue/us-east-1/000000000000/orders",
            "/000000000000/orders",
            "orders",
        ] {
            let id = id(context, address).unwrap();
            assert_eq!(id.name.as_str(), "orders", "{address}");
            assert_eq!(
                url(context, &id),
                "http://localhost:4566/000000000000/orders"
            );
        }
        let refusals = [
            ("http://localhost:4566/", Exception::InvalidAddress),
            ("http://localhost:4566/x/orders", Exception::InvalidAddress),
            (
                "http://localhost:4566/123456789012/orders",
                Exception::AccessDenied,
            ),
            (
                "http://localhost:4566/000000000000/or.ders",
                Exception::QueueDoesNotExist,
            ),
        ];
        for (address, expected) in refusals {
            assert_eq!(
                id(context, address).unwrap_err().exception,
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn a_path_of_account_and_name_is_a_queues() {
        assert!(is_queue_path("/000000000000/orders"));
        for path in [
            "/",
            "/000000000000",
            "/000000000000/",
            "/2015-03-31/functions",
            "/x/y",
        ] {
            assert!(!is_queue_path(path), "{path}");
        }
    }
}
