//! What is known of one request beside who asks for what: the values of condition keys.

use jiff::Timestamp;

use crate::keys;
use crate::principal::{Kind, Principal};

/// The values of a request's condition keys. Keys are the same in any case, as on AWS; a key without values counts
/// as missing.
///
/// Who evaluates requests decides what a key may say: nothing here checks that `aws:SourceIp` is an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// By key in lower case, sorted.
    entries: Vec<(Box<str>, Vec<String>)>,
}

impl Context {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of who asks: the keys `aws:Principal…`, [`keys::USER_ID`] and [`keys::USER_NAME`], as far as the kind of
    /// principal has them on AWS. A unique id must be known for [`keys::USER_ID`] of users and roles.
    pub fn of(principal: &Principal) -> Self {
        let (arn, id) = (principal.arn(), principal.unique_id());
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let account = principal.account().unwrap_or_default();
        let signed = |kind: &str, arn: &str, id: Option<String>| {
            let mut context = Self::new()
                .with(keys::PRINCIPAL_TYPE, kind)
                .with(keys::PRINCIPAL_ARN, arn)
                .with(keys::PRINCIPAL_ACCOUNT, account)
                .with(keys::PRINCIPAL_IS_AWS_SERVICE, "false");
            context.set(keys::USER_ID, id.into_iter().collect());
            context
        };
        match principal.kind() {
            Kind::Anonymous => Self::new().with(keys::PRINCIPAL_TYPE, "Anonymous"),
            Kind::Root => signed("Account", arn, Some(account.to_owned())),
            Kind::User => signed("User", arn, id.map(str::to_owned)).with(keys::USER_NAME, name),
            Kind::RoleSession => {
                let role = principal.parent().unwrap_or(arn);
                signed("AssumedRole", role, id.map(|id| format!("{id}:{name}")))
            }
            Kind::FederatedUser => signed("FederatedUser", arn, Some(format!("{account}:{name}"))),
            Kind::Service => Self::new()
                .with(keys::PRINCIPAL_IS_AWS_SERVICE, "true")
                .with(keys::PRINCIPAL_SERVICE_NAME, arn)
                .with_all(keys::PRINCIPAL_SERVICE_NAMES_LIST, [arn]),
            Kind::Provider => Self::new().with(keys::FEDERATED_PROVIDER, arn),
        }
    }

    /// With one value of a key, instead of those it had.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, vec![value.into()]);
        self
    }

    /// With the values of a multivalued key, such as [`keys::TAG_KEYS`].
    #[must_use]
    pub fn with_all<V: Into<String>>(
        mut self,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.set(key, values.into_iter().map(Into::into).collect());
        self
    }

    /// With the time of the request: [`keys::CURRENT_TIME`] and [`keys::EPOCH_TIME`].
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        self.with(keys::CURRENT_TIME, now.to_string())
            .with(keys::EPOCH_TIME, now.as_second().to_string())
    }

    /// Sets a key's values; none removes it.
    pub fn set(&mut self, key: &str, values: Vec<String>) {
        let key: Box<str> = key.to_lowercase().into();
        match (self.find(&key), values.is_empty()) {
            (Ok(at), true) => drop(self.entries.remove(at)),
            (Ok(at), false) => self.entries[at].1 = values,
            (Err(_), true) => {}
            (Err(at), false) => self.entries.insert(at, (key, values)),
        }
    }

    /// The values of a key; none when it is missing.
    pub fn get(&self, key: &str) -> &[String] {
        self.lookup(&key.to_lowercase())
    }

    /// The values of a key that is in lower case already.
    pub(crate) fn lookup(&self, key: &str) -> &[String] {
        self.find(key).map_or(&[], |at| &self.entries[at].1)
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(of, _)| (**of).cmp(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_in_any_case() {
        let context = Context::new()
            .with("aws:SourceIp", "192.0.2.1")
            .with("AWS:sourceip", "192.0.2.2");
        assert_eq!(context.get("aws:SOURCEIP"), ["192.0.2.2"]);
        assert!(context.get("aws:SourceArn").is_empty());
    }

    #[test]
    fn a_key_without_values_is_missing() {
        let empty = Context::new().with("k", "v").with_all::<String>("k", []);
        assert_eq!(empty, Context::new());
    }

    #[test]
    fn who_asks_is_known_by_its_kind() {
        let user = Principal::user("arn:aws:iam::111122223333:user/team/ada").unwrap();
        let context = Context::of(&user.with_unique_id("AIDAEXAMPLEEXAMPLE22"));
        assert_eq!(context.get(keys::USER_NAME), ["ada"]);
        assert_eq!(context.get(keys::USER_ID), ["AIDAEXAMPLEEXAMPLE22"]);
        assert_eq!(context.get(keys::PRINCIPAL_ACCOUNT), ["111122223333"]);
        let role = "arn:aws:iam::111122223333:role/team/r";
        let session = Principal::role_session(role, "work").unwrap();
        let context = Context::of(&session.with_unique_id("AROAEXAMPLE"));
        assert_eq!(context.get(keys::PRINCIPAL_ARN), [role]);
        assert_eq!(context.get(keys::USER_ID), ["AROAEXAMPLE:work"]);
        assert!(context.get(keys::USER_NAME).is_empty());
        let context = Context::of(&Principal::service("s3.amazonaws.com"));
        assert_eq!(context.get(keys::PRINCIPAL_IS_AWS_SERVICE), ["true"]);
        assert!(context.get(keys::PRINCIPAL_ARN).is_empty());
    }

    #[test]
    fn the_time_is_two_keys() {
        let context = Context::new().at(Timestamp::from_second(1_600_000_000).unwrap());
        assert_eq!(context.get(keys::CURRENT_TIME), ["2020-09-13T12:26:40Z"]);
        assert_eq!(context.get(keys::EPOCH_TIME), ["1600000000"]);
    }
}
