//! `SetSubscriptionAttributes`: sets an attribute of a subscription; without a value it is as if it were never set.

use std::collections::BTreeMap;

use super::{attributes, find};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::SetSubscriptionAttributesInput as Input;
use crate::sns::refusal::{invalid, no_subscription};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    attributes::check_name(&input.attribute_name)?;
    let found = find(context, &input.subscription_arn)?;
    let value = input.attribute_value.unwrap_or_default();
    let given = BTreeMap::from([(input.attribute_name, value)]);
    let (id, around) = (found.id, context.clone());
    let topics = context.deps.store.topics();
    let changed = topics.subscribe(&found.topic, move |all| {
        let present = all.iter().find(|one| one.id == id);
        let mut changed = present.cloned().ok_or_else(no_subscription)?;
        attributes::set(&around, &mut changed, &given).map_err(invalid)?;
        Ok::<_, ApiError>(changed)
    });
    changed.await?;
    Ok(())
}
