//! Operations that are told by method and path.

use http::request::Parts;

use super::{Found, HTTP_APIS, Operation};
use crate::error::{ApiError, Exception, Result};
use crate::wire::percent;
use crate::{apigatewayv2, lambda, scheduler};

pub(super) fn find_lambda(head: &Parts) -> Result<Found> {
    find_by_path(head, "Lambda", |method, segments, query| {
        let route = lambda::generated::route(method, segments, query)?;
        Some((Operation::Lambda(route.operation), route.labels))
    })
}

pub(super) fn find_scheduler(head: &Parts) -> Result<Found> {
    find_by_path(head, "EventBridge Scheduler", |method, segments, query| {
        let route = scheduler::generated::route(method, segments, query)?;
        Some((Operation::Scheduler(route.operation), route.labels))
    })
}

pub(super) fn find_api_gateway(head: &Parts) -> Result<Found> {
    if !head.uri.path().starts_with(HTTP_APIS) {
        return Err(ApiError::not_implemented("REST APIs"));
    }
    find_by_path(head, "API Gateway", |method, segments, query| {
        let route = apigatewayv2::generated::route(method, segments, query)?;
        Some((Operation::ApiGateway(route.operation), route.labels))
    })
}

/// The labels of a path, still encoded.
type Labels<'p> = Vec<(&'static str, &'p str)>;

fn find_by_path<'p>(
    head: &'p Parts,
    service: &str,
    route: impl FnOnce(&str, &[&'p str], &str) -> Option<(Operation, Labels<'p>)>,
) -> Result<Found> {
    // Some clients end the path of lists with a slash.
    let path = head.uri.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let query = head.uri.query().unwrap_or_default();
    let decoded = |(label, text)| (label, percent::path(text).into_owned());
    match route(head.method.as_str(), &segments, query) {
        Some((operation, labels)) => Ok(Found {
            operation,
            labels: labels.into_iter().map(decoded).collect(),
        }),
        None => {
            let message = format!(
                "No operation of {service} has {} {}",
                head.method,
                head.uri.path()
            );
            Err(ApiError::new(Exception::UnknownOperation, message))
        }
    }
}
