//! Samples of what an account has, taken before it is erased, to be looked for afterwards.

use std::collections::BTreeSet;

use kiln_types::AccountId;
use rusqlite::Connection;

use super::tables::Of;
use crate::error::Error;
use crate::handle::Store;

/// Bytes of a sample; shorter ones are found anywhere.
const BYTES_MIN: usize = 16;
const BYTES_MAX: usize = 48;

/// What is sampled of each database; each gives texts or bytes.
const SAMPLES: [(Of, &str); 8] = [
    (Of::Meta, "SELECT id FROM access_key WHERE account = ?1 LIMIT 4"),
    (Of::Meta, "SELECT sha256 FROM package WHERE account = ?1 LIMIT 4"),
    (
        Of::Usage,
        "SELECT request_id FROM usage WHERE account = ?1 ORDER BY seq DESC LIMIT 4",
    ),
    (
        Of::Logs,
        "SELECT message FROM log_event WHERE group_id IN (SELECT id FROM log_group WHERE account = ?1)
         ORDER BY length(message) DESC LIMIT 4",
    ),
    (
        Of::Logs,
        "SELECT name FROM log_stream WHERE group_id IN (SELECT id FROM log_group WHERE account = ?1)
         LIMIT 2",
    ),
    (
        Of::Queue,
        "SELECT body FROM event WHERE body IS NOT NULL
         AND (id >> 49) IN (SELECT no FROM lane WHERE account = ?1) LIMIT 2",
    ),
    (
        Of::Queue,
        "SELECT m.body FROM message_queue q JOIN message_lane l ON l.epoch = q.epoch
         JOIN message m ON m.id BETWEEN l.id << ?2 AND ((l.id + 1) << ?2) - 1
         WHERE q.account = ?1 AND m.body IS NOT NULL LIMIT 4",
    ),
    (
        Of::Queue,
        "SELECT body FROM dead WHERE account = ?1 AND body IS NOT NULL LIMIT 2",
    ),
];

impl Store {
    /// The samples, in hexadecimal.
    pub(super) async fn markers_of(&self, account: &AccountId) -> Result<BTreeSet<String>, Error> {
        let mut found = BTreeSet::new();
        for (of, database) in self.databases() {
            for (_, select) in SAMPLES.iter().filter(|(known, _)| *known == of) {
                let id = account.clone();
                let read = move |from: &Connection| sample(from, select, &id);
                found.extend(database.read("sample what an account has", read).await?);
            }
        }
        Ok(found)
    }
}

fn sample(from: &Connection, select: &str, account: &AccountId) -> rusqlite::Result<Vec<String>> {
    let mut select = from.prepare(select)?;
    let id = account.as_str();
    let bits = crate::messages::NUMBER_BITS;
    let read = |row: &rusqlite::Row<'_>| {
        let value = row.get_ref(0)?;
        Ok(value.as_bytes().unwrap_or_default().to_vec())
    };
    let rows: Vec<Vec<u8>> = match select.parameter_count() {
        1 => select
            .query_map([id], read)?
            .collect::<rusqlite::Result<_>>()?,
        _ => select
            .query_map(rusqlite::params![id, bits], read)?
            .collect::<rusqlite::Result<_>>()?,
    };
    let long = rows.into_iter().filter(|bytes| bytes.len() >= BYTES_MIN);
    Ok(long
        .map(|bytes| hex::encode(&bytes[..bytes.len().min(BYTES_MAX)]))
        .collect())
}

/// The bytes of a sample.
pub(super) fn of_hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_down_and_read_back() {
        let bytes = [0, 1, 0x7f, 0xff];
        assert_eq!(hex::encode(bytes), "00017fff");
        assert_eq!(of_hex("00017fff"), bytes);
    }
}
