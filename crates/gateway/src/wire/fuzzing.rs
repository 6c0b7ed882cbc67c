//! Inputs of operations, as strangers send them. The operations stand for all: every kind of shape is in some.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::form::Flat;
use super::shape::Structure;
use super::{Input, Protocol, Request, document, json_text, read};
use crate::error::Exception;
use crate::{apigatewayv2, events, iam, lambda, logs, scheduler, sns, sqs};

/// What is read of an operation: its own structure, and how it is made of a request.
struct Read {
    structure: &'static Structure,
    make: fn(Request) -> bool,
    name: &'static str,
    flat: &'static [Flat],
}

const fn json<I: Input>(name: &'static str) -> Read {
    form::<I>(name, &[])
}

const fn form<I: Input>(name: &'static str, flat: &'static [Flat]) -> Read {
    Read {
        structure: I::STRUCTURE,
        make: |request| read::input::<I>(request, |_| Ok(())).is_ok(),
        name,
        flat,
    }
}

/// Chosen by an input's first letter, from `a` on.
const BY_JSON: &[Read] = &[
    json::<lambda::generated::CreateFunctionRequest>("CreateFunction"),
    json::<lambda::generated::CreateEventSourceMappingRequest>("CreateEventSourceMapping"),
    json::<events::generated::PutEventsRequest>("PutEvents"),
    json::<events::generated::PutTargetsRequest>("PutTargets"),
    json::<scheduler::generated::CreateScheduleInput>("CreateSchedule"),
    json::<logs::generated::FilterLogEventsRequest>("FilterLogEvents"),
    json::<sqs::generated::SendMessageBatchRequest>("SendMessageBatch"),
    json::<apigatewayv2::generated::CreateApiRequest>("CreateApi"),
];

/// The same.
const BY_FORM: &[Read] = &[
    form::<sqs::generated::SendMessageBatchRequest>("SendMessageBatch", sqs::FLAT),
    form::<sqs::generated::CreateQueueRequest>("CreateQueue", sqs::FLAT),
    form::<sqs::generated::ReceiveMessageRequest>("ReceiveMessage", sqs::FLAT),
    form::<sns::generated::PublishBatchInput>("PublishBatch", sns::FLAT),
    form::<sns::generated::CreateTopicInput>("CreateTopic", sns::FLAT),
    form::<iam::generated::CreateRoleRequest>("CreateRole", iam::FLAT),
];

fn chosen<'d>(of: &'static [Read], data: &'d [u8]) -> Option<(&'static Read, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    let at = usize::from(first.checked_sub(b'a')?);
    Some((of.get(at)?, rest))
}

fn request(of: &Read, body: &[u8], protocol: Protocol) -> Request {
    Request {
        operation: of.name,
        labels: Vec::new(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        violation: Exception::Validation,
        protocol,
    }
}

/// A body of JSON. What is read of it is read again of what it is written as; an event is JSON or refused in words.
pub fn aws_json(data: &[u8]) {
    let _ = json_text::check(data);
    let Some((of, body)) = chosen(BY_JSON, data) else {
        return;
    };
    if let Ok(members) = document::members(body, of.structure) {
        let written = serde_json::to_vec(&members).expect("it was JSON");
        let again = document::members(&written, of.structure);
        let again = again.expect("what was read can be read again");
        // What is written of a fraction may be another in its last digit.
        if !has_fractions(&members) {
            assert_eq!(members, again);
        }
    }
    (of.make)(request(of, body, Protocol::Json));
}

fn has_fractions(members: &Map<String, Value>) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(values) => values.iter().any(in_value),
            Value::Object(members) => has_fractions(members),
            _ => false,
        }
    }
    members.values().any(in_value)
}

/// A form of the query protocol.
pub fn aws_form(data: &[u8]) {
    let Some((of, body)) = chosen(BY_FORM, data) else {
        return;
    };
    let flat = of.flat;
    let namespace = "";
    (of.make)(request(of, body, Protocol::Query { namespace, flat }));
}
