//! `/_kiln/events`: asynchronous events that wait or run, and dead letters: list, show, redrive, purge.

use bytes::Bytes;
use kiln_store::queue::{ListQuery, Place, Selection, Shown};
use kiln_types::{FunctionName, RequestId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{parameter, percent};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// Events of a page, at most and unless told.
const PAGE_MAX: u32 = 1_000;

/// A page of events.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    events: Vec<Event>,
    /// What `after` must be for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How many were changed.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    count: u64,
}

/// An event or a dead letter.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    request_id: String,
    function_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    state: &'static str,
    accepted: i64,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<i64>,
    starts: u32,
    redelivered: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    died: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

/// `GET /_kiln/events`.
pub(super) async fn list(context: &Context, query: &str) -> Result<Listed> {
    let dead = match parameter(query, "state").as_deref() {
        None | Some("dead") => true,
        Some("queued") => false,
        Some(other) => {
            return Err(wrong(format!(
                "state must be dead or queued, not '{other}'."
            )));
        }
    };
    let limit = parameter(query, "limit")
        .map(|text| number(&text))
        .transpose()?;
    let after = parameter(query, "after")
        .map(|text| number(&text))
        .transpose()?;
    let listed = context.deps.store.queue().list(ListQuery {
        account: context.caller.account.clone(),
        function: function(query)?,
        dead,
        after,
        count_max: limit.map_or(PAGE_MAX, |limit| limit.clamp(1, PAGE_MAX.into()) as u32),
    });
    let listed = listed.await?;
    Ok(Listed {
        events: listed.events.into_iter().map(|e| event(e, false)).collect(),
        next: listed.next.map(|next| next.to_string()),
    })
}

/// `GET /_kiln/events/ID`.
pub(super) async fn show(context: &Context, id: &str) -> Result<Event> {
    let account = &context.caller.account;
    let found = context.deps.store.queue().show(account, request_id(id)?);
    let found = found.await?.map(|found| event(found, true));
    found.ok_or_else(|| {
        ApiError::new(
            Exception::ResourceNotFound,
            format!("No event {id} waits or was given up; it may have succeeded."),
        )
    })
}

/// `POST /_kiln/events/redrive`.
pub(super) async fn redrive(context: &Context, query: &str) -> Result<Changed> {
    let queue = context.deps.store.queue();
    let count = queue
        .redrive(selection(context, query)?, context.now)
        .await?;
    Ok(Changed { count })
}

/// `POST /_kiln/events/purge`.
pub(super) async fn purge(context: &Context, query: &str) -> Result<Changed> {
    let queue = context.deps.store.queue();
    let count = queue.purge(selection(context, query)?).await?;
    Ok(Changed { count })
}

/// All that are meant and died up to now. Which are meant must be said: a parameter that is misspelt or
/// forgotten must not mean all of them.
fn selection(context: &Context, query: &str) -> Result<Selection> {
    const HOW: &str = "say which dead letters: id=ID, function=NAME or all=true";
    if let Some((name, _)) =
        percent::pairs(query).find(|(name, _)| !["id", "function", "all"].contains(&name.as_ref()))
    {
        return Err(wrong(format!("There is no parameter '{name}'; {HOW}.")));
    }
    let id = parameter(query, "id");
    let of_function = function(query)?;
    match parameter(query, "all").as_deref() {
        Some("true") if id.is_none() && of_function.is_none() => {}
        None if id.is_some() || of_function.is_some() => {}
        _ => return Err(wrong(format!("Please {HOW}, and nothing else."))),
    }
    Ok(Selection {
        account: context.caller.account.clone(),
        function: of_function,
        request_id: id.map(|id| request_id(&id)).transpose()?,
        died_before: context.now + std::time::Duration::from_millis(1),
    })
}

fn function(query: &str) -> Result<Option<FunctionName>> {
    let name = parameter(query, "function");
    let read = |name: String| {
        name.parse()
            .map_err(|_| wrong(format!("'{name}' is no function's name.")))
    };
    name.map(read).transpose()
}

fn request_id(text: &str) -> Result<RequestId> {
    let wrong = |_| wrong(format!("'{text}' is no request id."));
    text.parse().map_err(wrong)
}

fn number(text: &str) -> Result<i64> {
    let wrong = |_| wrong(format!("'{text}' is no number."));
    text.parse().map_err(wrong)
}

fn wrong(message: String) -> ApiError {
    ApiError::new(Exception::Validation, message)
}

fn event(shown: Shown, with_payload: bool) -> Event {
    let common = Event {
        request_id: shown.event.request_id.to_string(),
        function_name: shown.event.function.name.to_string(),
        qualifier: shown.event.qualifier.map(|qualifier| qualifier.to_string()),
        accepted: shown.accepted.as_millis(),
        starts: shown.starts,
        redelivered: shown.redelivered,
        payload: with_payload.then(|| payload(&shown.event.payload)),
        ..Default::default()
    };
    match shown.place {
        Place::Waiting(due) => Event {
            state: "waiting",
            due: Some(due.as_millis()),
            ..common
        },
        Place::Running => Event {
            state: "running",
            ..common
        },
        Place::Dead(letter) => Event {
            state: "dead",
            died: Some(letter.died.as_millis()),
            reason: Some(letter.reason.as_str()),
            error: Some(letter.error),
            ..common
        },
    }
}

/// It was checked to be JSON before it was accepted.
fn payload(bytes: &Bytes) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    RawValue::from_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::admin::handle;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::InvokeAsyncRequest;
    use crate::lambda::invocation::invoke_async;

    #[tokio::test]
    async fn what_waits_is_listed_and_shown_with_its_payload() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let event = InvokeAsyncRequest {
            function_name: "sum".into(),
            invoke_args: Some("{\"a\" : 1}".into()),
        };
        invoke_async::handle(&fixture.context, event).await.unwrap();
        let id = fixture.context.request_id.to_string();
        let listed = list(&fixture.context, "state=queued&function=sum")
            .await
            .unwrap();
        let [event] = listed.events.as_slice() else {
            panic!("{listed:?}");
        };
        assert_eq!((event.state, &event.request_id), ("waiting", &id));
        assert!(event.payload.is_none());
        assert!(list(&fixture.context, "").await.unwrap().events.is_empty());
        let shown = show(&fixture.context, &id).await.unwrap();
        assert_eq!(shown.payload.unwrap().get(), "{\"a\" : 1}");
    }

    #[tokio::test]
    async fn questions_that_cannot_be_answered_are_refused() {
        let fixture = Fixture::new().await;
        for (method, path, query, status) in [
            (Method::GET, "/_kiln/events", "state=some", 400),
            (Method::GET, "/_kiln/events", "limit=many", 400),
            (Method::GET, "/_kiln/events", "function=a.b", 400),
            (Method::GET, "/_kiln/events/7", "", 400),
            (Method::POST, "/_kiln/events/purge", "id=7", 400),
            (Method::POST, "/_kiln/events/purge", "", 400),
            (Method::POST, "/_kiln/events/purge", "all", 400),
            (Method::POST, "/_kiln/events/purge", "all=false", 400),
            (
                Method::POST,
                "/_kiln/events/purge",
                "all=true&function=sum",
                400,
            ),
            (Method::POST, "/_kiln/events/purge", "funktion=sum", 400),
            (
                Method::POST,
                "/_kiln/events/redrive",
                "all=true&functions=sum",
                400,
            ),
            (Method::POST, "/_kiln/events/purge", "all=true", 200),
            (Method::POST, "/_kiln/events/redrive", "function=sum", 200),
            (
                Method::GET,
                "/_kiln/events/7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
                "",
                404,
            ),
            (Method::GET, "/_kiln/events/redrive", "", 400),
            (Method::POST, "/_kiln/events", "", 404),
        ] {
            let answer = handle(&fixture.context, &method, path, query).await;
            assert_eq!(answer.status(), status, "{method} {path}?{query}");
        }
    }
}
