//! What a statement of the log means to us. Rows are logged as rows; statements begin and end transactions, change what
//! tables are like, or empty them.

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// A transaction begins.
    Begin,
    /// It ends.
    End,
    /// Something in it that neither ends it nor changes a table.
    Mark,
    /// A table is empty now.
    Truncate {
        schema: Option<String>,
        table: String,
    },
    /// It changed rows, which were not logged as rows.
    Write,
    /// Tables may be others from here on.
    Definition,
}

/// Reads a statement as far as it must be.
pub(super) fn read(sql: &str) -> Statement {
    let mut words = Words(sql);
    let first = words.next().map(|word| word.to_ascii_uppercase());
    match first.as_deref() {
        Some("BEGIN") => Statement::Begin,
        Some("COMMIT") => Statement::End,
        Some("ROLLBACK") => match words.next() {
            None => Statement::End,
            Some(_) => Statement::Mark,
        },
        Some("SAVEPOINT" | "RELEASE") => Statement::Mark,
        Some("XA") => match words
            .next()
            .map(|word| word.to_ascii_uppercase())
            .as_deref()
        {
            Some("START" | "BEGIN") => Statement::Begin,
            Some("END" | "PREPARE") => Statement::Mark,
            _ => Statement::End,
        },
        Some("TRUNCATE") => truncate(words),
        Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD") => Statement::Write,
        _ => Statement::Definition,
    }
}

fn truncate(mut words: Words<'_>) -> Statement {
    let mut name = words.next();
    if name
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("TABLE"))
    {
        name = words.next();
    }
    let Some(first) = name else {
        return Statement::Definition;
    };
    let (schema, table) = match words.next().as_deref() {
        Some(".") => (Some(first), words.next()),
        _ => (None, Some(first)),
    };
    match table {
        Some(table) => Statement::Truncate { schema, table },
        None => Statement::Definition,
    }
}

/// Words, names without their quotes, and signs.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn skip(&mut self) {
        loop {
            let text = self.0.trim_start();
            self.0 = match text {
                _ if text.starts_with("/*") => text.split_once("*/").map_or("", |(_, rest)| rest),
                _ if text.starts_with("-- ") || text.starts_with('#') => {
                    text.split_once('\n').map_or("", |(_, rest)| rest)
                }
                _ => text,
            };
            if self.0.len() == text.len() {
                return;
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.skip();
        let first = self.0.chars().next()?;
        if first == '`' || first == '"' {
            let mut name = String::new();
            let mut rest = &self.0[1..];
            loop {
                let (part, behind) = rest.split_once(first).unwrap_or((rest, ""));
                name.push_str(part);
                // Twice is once, and not the end.
                match behind.strip_prefix(first) {
                    Some(behind) => {
                        name.push(first);
                        rest = behind;
                    }
                    None => {
                        self.0 = behind;
                        return Some(name);
                    }
                }
            }
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = match is_part(first) {
            true => self.0.find(|c| !is_part(c)).unwrap_or(self.0.len()),
            false => first.len_utf8(),
        };
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table_that_was_emptied_is_known_however_it_is_written() {
        let named = |schema: Option<&str>, table: &str| Statement::Truncate {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
        };
        for (sql, expected) in [
            ("TRUNCATE orders", named(None, "orders")),
            ("truncate table `or``ders`", named(None, "or`ders")),
            (
                "/* it */ TRUNCATE -- is\n TABLE shop . `orders` /* all */",
                named(Some("shop"), "orders"),
            ),
            ("TRUNCATE `a``b`.c", named(Some("a`b"), "c")),
            ("TRUNCATE", Statement::Definition),
        ] {
            assert_eq!(read(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_begins_ends_and_changes_is_known() {
        for (sql, expected) in [
            ("BEGIN", Statement::Begin),
            ("XA START 'a'", Statement::Begin),
            ("XA END 'a'", Statement::Mark),
            ("XA COMMIT 'a'", Statement::End),
            ("COMMIT", Statement::End),
            ("ROLLBACK", Statement::End),
            ("ROLLBACK TO `a`", Statement::Mark),
            ("SAVEPOINT `a`", Statement::Mark),
            ("insert into t values (1)", Statement::Write),
            ("ALTER TABLE t ADD x int", Statement::Definition),
            ("", Statement::Definition),
        ] {
            assert_eq!(read(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_has_a_meaning(sql in "[TRUNCAE`\". /*#\\-\n☺a]{0,30}") {
            let _ = read(&sql);
            let _ = read(&format!("TRUNCATE {sql}"));
        }
    }
}
