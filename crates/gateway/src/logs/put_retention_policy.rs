//! `PutRetentionPolicy`: sets for how many days a group's events are kept.
//!
//! Events past it are removed within twenty minutes.

use super::generated::PutRetentionPolicyRequest as Input;
use super::group::{invalid, refusal};
use crate::context::Context;
use crate::error::Result;

/// The days that AWS takes (API reference, `PutRetentionPolicy`).
const DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let given = input.retention_in_days;
    let Some(days) = DAYS.into_iter().find(|days| i64::from(*days) == given) else {
        let days = DAYS.map(|days| days.to_string()).join(", ");
        return Err(invalid(format!(
            "retentionInDays is {given}; it must be one of {days}."
        )));
    };
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    let set = logs.set_retention(account, &input.log_group_name, Some(days));
    set.await.map_err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;
    use crate::logs::{delete_retention_policy, describe_log_groups};

    fn put(group: &str, days: i64) -> Input {
        Input {
            log_group_name: group.into(),
            retention_in_days: days,
        }
    }

    async fn shown(fixture: &Fixture) -> Option<i64> {
        let groups = describe_log_groups::handle(&fixture.context, Default::default()).await;
        groups.unwrap().log_groups.unwrap()[0].retention_in_days
    }

    #[tokio::test]
    async fn retention_is_shown_until_it_is_taken_away() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["x"]);
        handle(&fixture.context, put("/g", 14)).await.unwrap();
        assert_eq!(shown(&fixture).await, Some(14));
        let delete = delete_retention_policy::Input {
            log_group_name: "/g".into(),
        };
        let deleted = delete_retention_policy::handle(&fixture.context, delete);
        deleted.await.unwrap();
        assert_eq!(shown(&fixture).await, None);
    }

    #[tokio::test]
    async fn days_that_aws_does_not_take_and_groups_that_are_not_there_are_refused() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["x"]);
        for days in [0, 2, -1, 1 << 40] {
            let refused = handle(&fixture.context, put("/g", days)).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameter, "{days}");
        }
        let refused = handle(&fixture.context, put("/h", 1)).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert_eq!(shown(&fixture).await, None);
    }
}
