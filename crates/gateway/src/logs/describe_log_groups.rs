//! `DescribeLogGroups`: the account's log groups by name.
//!
//! AWS differs: a name pattern is matched on one page of groups at a time, so a page may hold
//! fewer groups than asked for and still have a successor; linked accounts do not exist.

use kiln_store::Page;

use super::generated::{
    DescribeLogGroupsRequest as Input, DescribeLogGroupsResponse as Output, LogGroup,
};
use super::group::{arn, invalid, limit, refusal};
use super::up_to_date;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let prefix = input.log_group_name_prefix.unwrap_or_default();
    let page = Page {
        token: input.next_token,
        limit: limit(input.limit, 50),
    };
    let account = &context.caller.account;
    let found = up_to_date(context)
        .await?
        .groups(account, &prefix, page)
        .await
        .map_err(refusal)?;
    let pattern = input.log_group_name_pattern.unwrap_or_default();
    let class = input.log_group_class.as_deref().unwrap_or("STANDARD");
    let identifiers = input.log_group_identifiers;
    let wanted = |group: &&kiln_store::LogGroup| {
        let arn = arn(context, &group.name);
        let named = |name: &String| *name == group.name || *name == arn;
        group.name.contains(&pattern)
            && class == "STANDARD"
            && identifiers
                .as_ref()
                .is_none_or(|list| list.iter().any(named))
    };
    let groups = found
        .items
        .iter()
        .filter(wanted)
        .map(|group| render(context, group));
    Ok(Output {
        log_groups: Some(groups.collect()),
        next_token: found.next,
    })
}

fn render(context: &Context, group: &kiln_store::LogGroup) -> LogGroup {
    let log_group_arn = arn(context, &group.name);
    LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created.as_millis()),
        retention_in_days: group.retention_days.map(i64::from),
        metric_filter_count: Some(0),
        arn: Some(format!("{log_group_arn}:*")),
        stored_bytes: Some(group.stored_bytes as i64),
        log_group_class: Some("STANDARD".to_owned()),
        log_group_arn: Some(log_group_arn),
        data_protection_status: group.is_protected.then(|| "ACTIVATED".to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;

    async fn names(fixture: &Fixture, input: Input) -> Vec<String> {
        let output = handle(&fixture.context, input).await.unwrap();
        output
            .log_groups
            .unwrap()
            .into_iter()
            .filter_map(|group| group.log_group_name)
            .collect()
    }

    #[tokio::test]
    async fn groups_are_found_by_prefix_and_by_pattern() {
        let fixture = Fixture::new().await;
        for group in ["/aws/lambda/a", "/aws/lambda/b", "/other"] {
            write(&fixture, group, "s", &["hello"]);
        }
        assert_eq!(names(&fixture, Input::default()).await.len(), 3);
        let prefix = Input {
            log_group_name_prefix: Some("/aws".into()),
            ..Default::default()
        };
        assert_eq!(
            names(&fixture, prefix).await,
            ["/aws/lambda/a", "/aws/lambda/b"]
        );
        let pattern = Input {
            log_group_name_pattern: Some("the".into()),
            ..Default::default()
        };
        assert_eq!(names(&fixture, pattern).await, ["/other"]);
        let both = Input {
            log_group_name_prefix: Some("/".into()),
            log_group_name_pattern: Some("a".into()),
            ..Default::default()
        };
        let refused = handle(&fixture.context, both).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameter);
    }

    #[tokio::test]
    async fn a_group_is_shown_with_its_size_and_arns() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["hello"]);
        let output = handle(&fixture.context, Input::default()).await.unwrap();
        let group = &output.log_groups.unwrap()[0];
        assert_eq!(
            group.arn.as_deref(),
            Some("arn:aws:logs:us-east-1:000000000000:log-group:/g:*")
        );
        assert_eq!(
            group.log_group_arn.as_deref(),
            Some("arn:aws:logs:us-east-1:000000000000:log-group:/g")
        );
        assert_eq!(group.stored_bytes, Some(5 + 26));
    }

    #[tokio::test]
    async fn pages_follow_each_other() {
        let fixture = Fixture::new().await;
        for group in ["a", "b", "c"] {
            write(&fixture, group, "s", &["x"]);
        }
        let first = Input {
            limit: Some(2),
            ..Default::default()
        };
        let first = handle(&fixture.context, first).await.unwrap();
        let rest = Input {
            next_token: first.next_token,
            ..Default::default()
        };
        assert_eq!(names(&fixture, rest).await, ["c"]);
        let bad = Input {
            next_token: Some("?".into()),
            ..Default::default()
        };
        let refused = handle(&fixture.context, bad).await.unwrap_err();
        assert_eq!(refused.message, "The specified nextToken is invalid.");
    }
}
