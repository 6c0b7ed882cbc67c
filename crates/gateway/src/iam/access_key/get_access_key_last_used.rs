//! `GetAccessKeyLastUsed`: whose a key is, and when and for what it was last used.
//!
//! AWS differs: uses are known after a minute at most; AWS takes hours.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    AccessKeyLastUsed, GetAccessKeyLastUsedRequest as Input, GetAccessKeyLastUsedResponse as Output,
};
use crate::iam::refusal::no_key;
use crate::iam::{directory, time};

/// What stands where nothing is known.
const NONE: &str = "N/A";

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (keys, id) = (context.deps.store.keys(), input.access_key_id.as_str());
    let key = keys
        .get(id)
        .filter(|key| key.account == context.caller.account);
    let key = key.ok_or_else(|| no_key(id))?;
    let directory = directory(context);
    let user = key.user.as_ref().and_then(|id| directory.user_by_id(id));
    let last = keys.last_use(id);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    Ok(Output {
        user_name: user.map(|user| user.name.to_string()),
        access_key_last_used: Some(AccessKeyLastUsed {
            last_used_date: last.as_ref().map(|last| time(last.at)),
            service_name: or_none(last.as_ref().map(|last| last.service.clone())),
            region: or_none(last.map(|last| last.region)),
        }),
    })
}
