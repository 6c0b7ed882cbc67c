//! What is open to anybody, without a signature, because messages to HTTP endpoints name it: `SubscribeURL`, `UnsubscribeURL`
//! and `SigningCertURL`.
//!
//! Who opens one of the first two shows by what it says that it was sent it: a token, or a subscription's id.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use kiln_invoke::posts::Signer;
use kiln_types::{AccountId, RequestId, SubscriptionArn, TopicArn};

use super::generated::Operation;
use crate::context::Caller;
use crate::error::Result;
use crate::router::Service;
use crate::server::Shared;
use crate::wire::{self, fault, percent};

/// The longest query that is looked at.
const QUERY_BYTES_MAX: usize = 4 * 1024;

/// Something that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A certificate, by its name.
    Certificate(String),
    /// A subscription's confirmation, by a topic of this account.
    Confirm(AccountId),
    /// A subscription's end, of a topic of this account.
    Unsubscribe(AccountId),
}

/// What a request opens, if it is one without a signature that does.
pub(crate) fn opened(head: &Parts) -> Option<Opened> {
    if head.method != Method::GET || head.headers.contains_key("authorization") {
        return None;
    }
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let name = path.strip_prefix('/')?;
    if Signer::is_name(name) {
        return Some(Opened::Certificate(name.to_owned()));
    }
    if !name.is_empty() || query.len() > QUERY_BYTES_MAX {
        return None;
    }
    let get = |wanted: &str| {
        let mut pairs = percent::pairs(query);
        pairs.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    if get("X-Amz-Signature").is_some() {
        return None;
    }
    match get("Action")?.as_str() {
        "ConfirmSubscription" => {
            let arn: TopicArn = get("TopicArn")?.parse().ok()?;
            Some(Opened::Confirm(arn.topic.account))
        }
        "Unsubscribe" => {
            let arn: SubscriptionArn = get("SubscriptionArn")?.parse().ok()?;
            Some(Opened::Unsubscribe(arn.topic.topic.account))
        }
        _ => None,
    }
}

/// Answers it.
pub(crate) async fn serve(
    shared: &Shared,
    request_id: RequestId,
    head: Parts,
    opened: Opened,
) -> Response<Bytes> {
    let form = Service::Sns.protocol(&head);
    let answer = match opened {
        Opened::Certificate(name) => certificate(shared, &name).await,
        Opened::Confirm(account) => {
            run(
                shared,
                request_id,
                head,
                (Operation::ConfirmSubscription, account),
            )
            .await
        }
        Opened::Unsubscribe(account) => {
            run(shared, request_id, head, (Operation::Unsubscribe, account)).await
        }
    };
    answer.unwrap_or_else(|error| fault::response(&error, form, request_id))
}

async fn certificate(shared: &Shared, name: &str) -> Result<Response<Bytes>> {
    let found = shared.deps.fan_out.signer().certificate(name).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "the certificate of topics cannot be shown");
        crate::error::ApiError::internal()
    })?;
    let (status, body) = match found {
        Some(pem) => (StatusCode::OK, Bytes::from(pem)),
        None => (StatusCode::NOT_FOUND, Bytes::new()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let pem = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert("content-type", pem);
    Ok(response)
}

async fn run(
    shared: &Shared,
    request_id: RequestId,
    head: Parts,
    (operation, account): (Operation, AccountId),
) -> Result<Response<Bytes>> {
    let now = shared.deps.clock.timestamp();
    let context = shared.context(Caller::nobody(account), request_id, now, &head, None);
    let request = wire::Request {
        operation: operation.name(),
        labels: Vec::new(),
        protocol: Service::Sns.protocol(&head),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        violation: Service::Sns.violation(),
    };
    super::serve(operation, &context, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, target: &str, signed: bool) -> Option<Opened> {
        let mut request = http::Request::builder().method(method).uri(target);
        if signed {
            request = request.header("authorization", "AWS4-HMAC-SHA256 …");
        }
        opened(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_what_messages_name_is_open() {
        let account: AccountId = "123456789012".parse().unwrap();
        let confirm =
            "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:t&Token=x";
        let confirmed = Some(Opened::Confirm(account.clone()));
        assert_eq!(of("GET", confirm, false), confirmed);
        let arn = "arn:aws:sns:us-east-1:123456789012:t:7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11";
        let end = format!("/?Action=Unsubscribe&SubscriptionArn={arn}");
        assert_eq!(of("GET", &end, false), Some(Opened::Unsubscribe(account)));
        let certificate = "/SimpleNotificationService-0a.pem";
        assert!(matches!(
            of("GET", certificate, false),
            Some(Opened::Certificate(_))
        ));
        for target in [
            "/",
            "/?Action=Publish&TopicArn=arn:aws:sns:us-east-1:123456789012:t",
            "/?Action=ConfirmSubscription&TopicArn=t&Token=x",
            "/in?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:t&Token=x",
        ] {
            assert_eq!(of("GET", target, false), None, "{target}");
        }
        assert_eq!(
            (of("POST", confirm, false), of("GET", confirm, true)),
            (None, None)
        );
        let presigned = format!("{confirm}&X-Amz-Signature=1");
        assert_eq!(of("GET", &presigned, false), None);
    }
}
