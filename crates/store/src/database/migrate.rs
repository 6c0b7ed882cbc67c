//! Brings a database file to the format of this build, and refuses newer ones.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::error::{Doing, Error};

/// `migrations[n]` leads from format n to format n + 1; format 0 is an empty file.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), Error> {
    let known = migrations.len() as u32;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("read database format")?;
    let found = format(&transaction).doing("read database format")?;
    if found > known {
        return Err(Error::Newer {
            file: path.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    for migration in &migrations[found as usize..] {
        transaction
            .execute_batch(migration)
            .doing("migrate database")?;
    }
    let record = "INSERT INTO format (id, version) VALUES (1, ?1)
                  ON CONFLICT (id) DO UPDATE SET version = excluded.version";
    transaction
        .execute(record, [known])
        .doing("record database format")?;
    transaction.commit().doing("migrate database")
}

fn format(connection: &Connection) -> rusqlite::Result<u32> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS format (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL
        ) STRICT",
    )?;
    let version = connection.query_row("SELECT version FROM format", [], |row| row.get(0));
    Ok(version.optional()?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE thing (name TEXT NOT NULL) STRICT";
    const SECOND: &str = "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7";

    #[test]
    fn later_migrations_are_applied_once_to_what_is_there() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("x.db"), &[FIRST]).unwrap();
        connection
            .execute("INSERT INTO thing (name) VALUES ('old')", [])
            .unwrap();
        for _ in 0..2 {
            migrate(&mut connection, Path::new("x.db"), &[FIRST, SECOND]).unwrap();
        }
        let size: i64 = connection
            .query_row("SELECT size FROM thing", [], |row| row.get(0))
            .unwrap();
        assert_eq!(size, 7);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("x.db"), &[FIRST, SECOND]).unwrap();
        let refused = migrate(&mut connection, Path::new("x.db"), &[FIRST]);
        assert!(
            matches!(
                refused,
                Err(Error::Newer {
                    found: 2,
                    known: 1,
                    ..
                })
            ),
            "{refused:?}"
        );
        assert_eq!(format(&connection).unwrap(), 2);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("x.db"), &[FIRST]).unwrap();
        let failed = migrate(
            &mut connection,
            Path::new("x.db"),
            &[FIRST, SECOND, "nonsense"],
        );
        assert!(failed.is_err());
        assert_eq!(format(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT size FROM thing").is_err());
    }
}
