//! From a request to an input: gather, check, build.

use serde_json::{Map, Value};

use super::shape::{At, Member, Shape, Structure, Text};
use super::{Input, Protocol, Request, document, form, percent, secret, validate};
use crate::access::{self, Guarded};
use crate::context::Context;
use crate::error::{ApiError, Result};

/// Bodies from this size on are read on a thread of their own: parsing a deployment package takes
/// a tenth of a second, during which a worker would answer nobody.
const LARGE_BODY_BYTES: usize = 1024 * 1024;

/// The input of an operation, all of the model's constraints checked, and whether its caller may have it.
pub(crate) async fn read<I, O>(request: Request, context: &Context, operation: O) -> Result<I>
where
    I: Input + Send + 'static,
    O: Guarded,
{
    if request.body.len() < LARGE_BODY_BYTES || holds(I::STRUCTURE, At::Payload) {
        let permit = |members: &_| access::check_operation(context, operation, members);
        return input(request, permit);
    }
    let context = context.clone();
    let task = context.deps.tracker.clone().spawn_blocking(move || {
        let permit = |members: &_| access::check_operation(&context, operation, members);
        input(request, permit)
    });
    task.await.unwrap_or_else(|_| Err(ApiError::internal()))
}

/// Gathers, checks, asks whether the caller may, and builds.
pub(crate) fn input<I: Input>(
    mut request: Request,
    permit: impl FnOnce(&Map<String, Value>) -> Result<()>,
) -> Result<I> {
    let members = gather(I::STRUCTURE, &mut request)?;
    validate::check(I::STRUCTURE, &members, request.violation)?;
    permit(&members)?;
    let mut input: I = serde_json::from_value(Value::Object(members))
        .map_err(|error| document::refusal(&error.to_string()))?;
    if holds(I::STRUCTURE, At::Payload) {
        input.set_payload(request.body);
    }
    Ok(input)
}

fn holds(structure: &Structure, at: At) -> bool {
    structure.members.iter().any(|member| member.at == at)
}

fn holds_secrets(structure: &Structure) -> bool {
    let is_secret = |member: &Member| match member.shape {
        Shape::Text(Text { sensitive, .. }) => *sensitive,
        _ => false,
    };
    structure.members.iter().any(is_secret)
}

fn gather(structure: &'static Structure, request: &mut Request) -> Result<Map<String, Value>> {
    let mut members = match request.protocol {
        _ if !holds(structure, At::Body) => Map::new(),
        Protocol::Query { flat, .. } => {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let operation = request.operation;
            form::members(&form, structure, form::Names { flat, operation })?
        }
        _ if request.body.is_empty() => Map::new(),
        Protocol::RestJson | Protocol::Json | Protocol::QueryCompatible => {
            // A deployment package is tens of megabytes: the text goes as soon as it is read.
            let body = std::mem::take(&mut request.body);
            let members = document::members(&body, structure);
            if holds_secrets(structure) {
                secret::overwrite(body);
            }
            members?
        }
    };
    for member in structure.members {
        match member.at {
            At::Body | At::Payload => {}
            At::Path(label) => {
                if let Some((_, text)) = request.labels.iter().find(|(name, _)| *name == label) {
                    let value = document::from_text(text, member.shape)?;
                    members.insert(member.name.to_owned(), value);
                }
            }
            At::Query(name) => insert(&mut members, member, &request.query, name)?,
            At::Header(name) => {
                let value = request
                    .headers
                    .get(name)
                    .and_then(|value| value.to_str().ok());
                if let Some(text) = value {
                    let value = document::from_text(text, member.shape)?;
                    members.insert(member.name.to_owned(), value);
                }
            }
        }
    }
    Ok(members)
}

/// Takes a member from a query string; a list is its name repeated.
fn insert(
    members: &mut Map<String, Value>,
    member: &Member,
    query: &str,
    name: &str,
) -> Result<()> {
    let mut texts = percent::pairs(query).filter(|(present, _)| present == name);
    let value = match member.shape {
        Shape::List(list) => {
            let values = texts.map(|(_, text)| document::from_text(&text, list.member));
            let values = values.collect::<Result<Vec<Value>>>()?;
            if values.is_empty() {
                None
            } else {
                Some(values.into())
            }
        }
        shape => match texts.next() {
            Some((_, text)) => Some(document::from_text(&text, shape)?),
            None => None,
        },
    };
    if let Some(value) = value {
        members.insert(member.name.to_owned(), value);
    }
    Ok(())
}
