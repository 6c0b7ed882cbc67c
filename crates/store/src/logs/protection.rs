//! What is masked in events before they are written: a group's data protection policy, as CloudWatch Logs has them.
//!
//! AWS differs: what a policy names is masked before it is kept, and can be seen by nobody afterwards; findings are not reported.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::{Clock, Moment, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::LogError;
use crate::error::Doing;

mod document;
mod identifier;

pub use document::InvalidProtection;
use identifier::Identifier;
pub use identifier::MANAGED as MANAGED_IDENTIFIERS;

/// The columns, as a migration of `logs.db`.
pub(super) const COLUMNS: &str = "
    ALTER TABLE log_group ADD COLUMN protection TEXT;
    ALTER TABLE log_group ADD COLUMN protection_changed INTEGER;
";

/// For how long an account's messages are searched, of each [`PERIOD`]. What comes then is masked whole: the thread that writes is
/// everybody's, and a pattern can be such that each search takes as long as the message is.
const TIME_MAX: Duration = Duration::from_millis(100);
const PERIOD: Duration = Duration::from_secs(1);

/// What is masked in a group's events.
#[derive(Debug)]
pub struct DataProtection {
    /// The policy as it was given.
    pub document: String,
    identifiers: Vec<Identifier>,
}

/// A group's policy, and since when it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptProtection {
    /// The document.
    pub document: String,
    /// When it was set.
    pub changed: Timestamp,
}

/// The policies of all groups that have one, ready for use. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Protections(Arc<RwLock<ByGroup>>);

type ByGroup = HashMap<(AccountId, String), Arc<DataProtection>>;

impl DataProtection {
    /// What a policy's document says.
    pub fn parse(text: &str) -> Result<Self, InvalidProtection> {
        Ok(Self {
            document: text.to_owned(),
            identifiers: document::identifiers(text)?,
        })
    }

    /// Of a document that cannot be read: nothing gets through that somebody wanted masked.
    fn of_everything(document: String) -> Self {
        Self {
            document,
            identifiers: vec![Identifier::everything()],
        }
    }

    /// A message with `*` for each character of what is masked; of all of it, when the time `is_over` before that is known.
    pub fn mask<'t>(&self, message: &'t str, is_over: impl Fn() -> bool) -> Cow<'t, str> {
        let search = AssertUnwindSafe(|| self.find(message, is_over));
        match catch_unwind(search) {
            Ok(Some(found)) if found.is_empty() => Cow::Borrowed(message),
            Ok(Some(found)) => Cow::Owned(masked(message, found)),
            Ok(None) | Err(_) => Cow::Owned("*".repeat(message.chars().count())),
        }
    }

    /// Where there is something to mask; none when there was not the time to know.
    fn find(&self, message: &str, is_over: impl Fn() -> bool) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        for identifier in &self.identifiers {
            if is_over() {
                return None;
            }
            for (count, (range, is_meant)) in identifier.find(message).enumerate() {
                // Matches that are near are many.
                if count % 16 == 15 && is_over() {
                    return None;
                }
                if is_meant {
                    found.push(range);
                }
            }
        }
        Some(found)
    }
}

fn masked(message: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|range| range.start);
    let (mut masked, mut at) = (String::with_capacity(message.len()), 0);
    for range in found {
        let start = range.start.max(at);
        if start >= range.end {
            continue;
        }
        masked.push_str(&message[at..start]);
        let count = message[start..range.end].chars().count();
        masked.extend(std::iter::repeat_n('*', count));
        at = range.end;
    }
    masked.push_str(&message[at..]);
    masked
}

/// How long the messages of accounts have been searched since a moment.
#[derive(Default)]
pub(super) struct Spent {
    since: Moment,
    of: HashMap<AccountId, Duration>,
}

impl Spent {
    /// Gives each account its time for each period that has gone by; who spent more still owes it.
    fn forgive(&mut self, now: Moment) {
        let periods = now.since(self.since).as_millis() / PERIOD.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if periods == 0 {
            return;
        }
        self.since = self.since + PERIOD.saturating_mul(periods);
        let given = TIME_MAX.saturating_mul(periods);
        for spent in self.of.values_mut() {
            *spent = spent.saturating_sub(given);
        }
        self.of.retain(|_, spent| !spent.is_zero());
    }

    /// Masks a message of an account's, in the time that it has left.
    pub(super) fn mask<'t>(
        &mut self,
        clock: &dyn Clock,
        account: &AccountId,
        protection: &DataProtection,
        message: &'t str,
    ) -> Cow<'t, str> {
        let begun = clock.now();
        self.forgive(begun);
        let spent = self.of.entry(account.clone()).or_default();
        let left = TIME_MAX.saturating_sub(*spent);
        let masked = protection.mask(message, || clock.now().since(begun) >= left);
        *spent += clock.now().since(begun);
        masked
    }
}

impl Protections {
    /// All that are kept.
    pub(super) fn load(from: &Connection) -> rusqlite::Result<Self> {
        let select = "SELECT account, name, protection FROM log_group WHERE protection IS NOT NULL";
        let mut select = from.prepare(select)?;
        let rows = select.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
        })?;
        let mut all = HashMap::new();
        for row in rows {
            let (account, group, document): (_, String, String) = row?;
            let Ok(account) = account.parse() else {
                continue;
            };
            let protection = DataProtection::parse(&document).unwrap_or_else(|error| {
                tracing::error!(group, %error, "a data protection policy cannot be read: all that is logged there is masked");
                DataProtection::of_everything(document)
            });
            all.insert((account, group), Arc::new(protection));
        }
        Ok(Self(Arc::new(RwLock::new(all))))
    }

    pub(super) fn of(&self, account: &AccountId, group: &str) -> Option<Arc<DataProtection>> {
        let all = self.0.read().expect("no holder panics");
        // Most servers have none, and a key costs two allocations.
        if all.is_empty() {
            return None;
        }
        all.get(&(account.clone(), group.to_owned())).cloned()
    }

    pub(super) fn forget(&self, account: &AccountId) {
        let mut all = self.0.write().expect("no holder panics");
        all.retain(|(of, _), _| of != account);
    }

    pub(super) fn set(
        &self,
        account: AccountId,
        group: String,
        protection: Option<Arc<DataProtection>>,
    ) {
        let mut all = self.0.write().expect("no holder panics");
        match protection {
            Some(protection) => all.insert((account, group), protection),
            None => all.remove(&(account, group)),
        };
    }
}

pub(super) fn keep(
    to: &Connection,
    account: &AccountId,
    name: &str,
    kept: Option<&KeptProtection>,
) -> Result<(), LogError> {
    let update = "UPDATE log_group SET protection = ?3, protection_changed = ?4
                  WHERE account = ?1 AND name = ?2";
    let document = kept.map(|kept| kept.document.as_str());
    let changed = kept.map(|kept| kept.changed.as_millis());
    let updated = to.execute(update, params![account.as_str(), name, document, changed]);
    match updated.doing("set data protection policy")? {
        0 => Err(LogError::NoSuchGroup(name.to_owned())),
        _ => Ok(()),
    }
}

pub(super) fn read(
    from: &Connection,
    account: &AccountId,
    name: &str,
) -> rusqlite::Result<Option<Option<KeptProtection>>> {
    let select =
        "SELECT protection, protection_changed FROM log_group WHERE account = ?1 AND name = ?2";
    let row = from.query_row(select, [account.as_str(), name], |row| {
        Ok((
            row.get::<_, Option<String>>(0)?,
            row.get::<_, Option<i64>>(1)?,
        ))
    });
    let kept = |(document, changed): (Option<_>, Option<_>)| {
        Some(KeptProtection {
            document: document?,
            changed: Timestamp::from_millis(changed.unwrap_or_default()),
        })
    };
    Ok(row.optional()?.map(kept))
}

#[cfg(test)]
mod tests {
    use kiln_types::ManualClock;
    use serde_json::json;

    use super::*;

    fn protection(identifiers: &[&str]) -> DataProtection {
        let document = json!({
            "Name": "p",
            "Version": "2021-06-01",
            "Configuration": {"CustomDataIdentifier": [{"Name": "Order", "Regex": r"ORD-\d{4}"}]},
            "Statement": [
                {"DataIdentifier": identifiers, "Operation": {"Audit": {"FindingsDestination": {}}}},
                {"DataIdentifier": identifiers, "Operation": {"Deidentify": {"MaskConfig": {}}}},
            ],
        });
        DataProtection::parse(&document.to_string()).unwrap()
    }

    #[test]
    fn what_is_found_is_masked_character_by_character_and_nothing_else() {
        let email = "arn:aws:dataprotection::aws:data-identifier/EmailAddress";
        let both = protection(&[email, "Order"]);
        for (message, masked) in [
            ("nothing here", "nothing here"),
            (
                "of ada@example.org, ORD-1234",
                "of ***************, ********",
            ),
            ("ORD-1234ORD-5678", "****************"),
            ("ä da@example.org", "ä **************"),
            ("", ""),
        ] {
            assert_eq!(both.mask(message, || false), masked);
        }
    }

    #[test]
    fn what_overlaps_is_masked_once() {
        let ip = "arn:aws:dataprotection::aws:data-identifier/IpAddress";
        let email = "arn:aws:dataprotection::aws:data-identifier/EmailAddress";
        let both = protection(&[ip, email]);
        assert_eq!(
            both.mask("x 10.0.0.1@a.org y", || false),
            "x ************** y"
        );
    }

    #[test]
    fn a_policy_that_cannot_be_read_lets_nothing_through() {
        let all = DataProtection::of_everything("{".to_owned());
        assert_eq!(all.mask("a\nbü", || false), "****");
    }

    #[test]
    fn who_has_no_time_left_has_everything_masked_and_nobody_else_has() {
        let (order, clock) = (protection(&["Order"]), ManualClock::default());
        let (one, two): (AccountId, AccountId) = (
            "111111111111".parse().unwrap(),
            "222222222222".parse().unwrap(),
        );
        let mut spent = Spent {
            since: clock.now(),
            of: [(one.clone(), TIME_MAX)].into(),
        };
        assert_eq!(spent.mask(&clock, &one, &order, "ab"), "**");
        assert_eq!(spent.mask(&clock, &two, &order, "ab"), "ab");
        // Who took three periods' time waits for three.
        spent.of.insert(one.clone(), TIME_MAX * 3);
        spent.forgive(clock.now() + PERIOD * 2);
        assert_eq!(spent.of[&one], TIME_MAX);
        spent.forgive(clock.now() + PERIOD * 3);
        assert!(!spent.of.contains_key(&one));
    }
}
