//! Removes the rows of an account, database by database.

use kiln_types::{AccountId, Timestamp};
use rusqlite::Connection;

use super::tables::{Of, TABLES, Whose};
use super::{find, write};
use crate::database::Database;
use crate::error::{Doing, Error};
use crate::handle::Store;
use crate::queue::Selection;

/// Rows removed in one transaction, so that others come in between.
const PART_MAX: i64 = 5_000;

const LOGS: [&str; 2] = [
    "DELETE FROM log_event WHERE (group_id, time, seq) IN
        (SELECT group_id, time, seq FROM log_event
         WHERE group_id IN (SELECT id FROM log_group WHERE account = ?1) LIMIT ?2)",
    // With its streams.
    "DELETE FROM log_group WHERE id IN (SELECT id FROM log_group WHERE account = ?1 LIMIT ?2)",
];

const USAGE: [&str; 2] = [
    "DELETE FROM usage WHERE seq IN (SELECT seq FROM usage WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM provisioned_usage WHERE (account, name, version, started) IN
        (SELECT account, name, version, started FROM provisioned_usage WHERE account = ?1 LIMIT ?2)",
];

/// What nothing is counted of.
const QUEUE: [&str; 8] = [
    "DELETE FROM schedule_document WHERE id IN
        (SELECT id FROM schedule JOIN schedule_document USING (id) WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM schedule WHERE id IN (SELECT id FROM schedule WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM schedule_group WHERE account = ?1 AND ?2 > 0",
    "DELETE FROM schedule_token WHERE (account, token) IN
        (SELECT account, token FROM schedule_token WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM published WHERE (account, topic, digest) IN
        (SELECT account, topic, digest FROM published WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM published_last WHERE account = ?1 AND ?2 > 0",
    "DELETE FROM message_move WHERE id IN (SELECT id FROM message_move WHERE account = ?1 LIMIT ?2)",
    "DELETE FROM replay WHERE id IN (SELECT id FROM replay WHERE account = ?1 LIMIT ?2)",
];

impl Store {
    /// Removes them all; of what is in memory, too.
    pub(super) async fn remove_rows(&self, account: &AccountId) -> Result<(), Error> {
        self.remove_from_queue(account).await?;
        // What waits to be written was noted before the account was closed.
        self.logs().flush().await?;
        for (of, statements) in [(Of::Logs, &LOGS[..]), (Of::Usage, &USAGE[..])] {
            let databases = self.databases();
            let found = databases.iter().find(|(known, _)| *known == of);
            let (_, database) = found.expect("there is one of each");
            in_parts(database, account, statements).await?;
        }
        self.remove_from_meta(account).await
    }

    async fn remove_from_queue(&self, account: &AccountId) -> Result<(), Error> {
        let now = self.clock().timestamp();
        let queue = self.queue();
        queue.erase(account).await?;
        let all_dead = Selection {
            account: account.clone(),
            function: None,
            request_id: None,
            died_before: Timestamp::from_millis(i64::MAX),
        };
        queue.purge(all_dead).await?;
        self.messages().erase(account).await?;
        self.archives().erase(account, now).await?;
        self.objects().erase(account).await?;
        in_parts(queue.database(), account, &QUEUE).await
    }

    /// All of `meta.db` at once: whoever has read a part of it finds the rest as well, or nothing.
    async fn remove_from_meta(&self, account: &AccountId) -> Result<(), Error> {
        let (id, vault) = (account.clone(), self.vault().clone());
        let now = self.clock().timestamp();
        let work = move |to: &Connection| {
            for (of, table, whose) in TABLES {
                let delete = match whose {
                    _ if *of != Of::Meta => continue,
                    Whose::Column("account") => format!("DELETE FROM {table} WHERE account = ?1"),
                    Whose::Counted(_) => format!(
                        "DELETE FROM {table} WHERE mapping IN
                         (SELECT id FROM event_source_mapping WHERE account = ?1)"
                    ),
                    _ => continue,
                };
                to.execute(&delete, [id.as_str()]).doing("erase rows")?;
            }
            let destroyed = vault.destroy(to, &id)?;
            if let Some(mut progress) = find(to, &id)? {
                progress.destroyed(&destroyed, now);
                write(to, &id, &progress)?;
            }
            Ok::<_, Error>(destroyed)
        };
        let (store, id) = (self.clone(), account.clone());
        let forget = move |destroyed: &Vec<String>| store.forget(&id, destroyed);
        let meta = self.meta();
        meta.write_then("erase rows", work, forget).await?;
        Ok(())
    }

    /// Forgets what is in memory of an account that is on disk no more.
    fn forget(&self, account: &AccountId, destroyed: &[String]) {
        self.functions_kept().forget(account);
        self.layers().forget(account);
        self.mappings().forget(account);
        self.apis().forget(account);
        self.buses().forget(account);
        self.topics().forget(account);
        self.keys().forget(account);
        self.identities().forget(account);
        self.secrets().forget(account);
        self.parameters().forget(account);
        self.signing().forget(account);
        self.logs().forget(account);
        self.tenants().forget(account);
        self.vault().forget(destroyed);
    }
}

/// Does each statement until it does nothing any more.
async fn in_parts(
    database: &Database,
    account: &AccountId,
    statements: &'static [&'static str],
) -> Result<(), Error> {
    for statement in statements {
        loop {
            let id = account.clone();
            let work = move |to: &Connection| {
                let by = rusqlite::params![id.as_str(), PART_MAX];
                to.execute(statement, by).doing("erase rows")
            };
            if database.write::<_, Error>("erase rows", work).await? == 0 {
                break;
            }
        }
    }
    Ok(())
}
