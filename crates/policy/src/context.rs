//! What is known of one request beside who asks for what: the values of condition keys.

use jiff::Timestamp;

use crate::keys;

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
    fn the_time_is_two_keys() {
        let context = Context::new().at(Timestamp::from_second(1_600_000_000).unwrap());
        assert_eq!(context.get(keys::CURRENT_TIME), ["2020-09-13T12:26:40Z"]);
        assert_eq!(context.get(keys::EPOCH_TIME), ["1600000000"]);
    }
}
