//! One reading of a log: transactions become records, and the place that is done is kept.
//!
//! What is read is handed on before anything more is read, so that a function that is slow slows the server's sender
//! and nothing piles up here, however large a transaction is.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use super::cell::{self, Cell, Row};
use super::connection::{LogStream, QueryError, lost, refused};
use super::event::{Event, Events, Gtid, Header, Kind, Rows};
use super::place::Place;
use super::reader::Reader;
use super::record::{Change, Origin, Transaction, What};
use super::setup::{self, JsonColumns, LOG_REFUSED, Prepared};
use super::statement::{self, Statement};
use super::table::Table;
use crate::place_kept::PlaceKept;
use crate::source::{Feed, Item, Trouble};

/// How often it is looked whether the server still speaks: it does every ten seconds.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// After so many of these without a word the connection is given up.
const SILENT_MAX: u32 = 6;
/// After so many it is asked how much of its log is still to be read.
const LAG_BEATS: u32 = 6;
/// What a rotation of the log begins a file with.
const FILE_BEGINS: u64 = 4;

/// What a reading needs besides the stream.
pub(super) struct Setting {
    pub(super) feed: Feed,
    pub(super) origin: Origin,
    pub(super) prepared: Prepared,
    pub(super) kept: PlaceKept,
}

/// What is asked of the server on a connection of its own while the log is read.
pub(super) trait Ask: Sync {
    /// Which columns hold JSON now.
    fn json_columns(&self) -> impl Future<Output = Result<JsonColumns, Trouble>> + Send;

    /// What is wrong with the log behind a place.
    fn look(&self, place: Place) -> impl Future<Output = Result<Option<String>, Trouble>> + Send;
}

/// A stream and what is known of it.
pub(super) struct Session {
    stream: LogStream,
    events: Events,
    setting: Setting,
    /// What numbers stand for; none is a table that nobody asked for.
    tables: HashMap<u64, Option<Table>>,
    /// Behind the last transaction that was read.
    place: Place,
    /// The transaction that is being read.
    open: Option<Open>,
    outbox: VecDeque<Item>,
    /// Whether tables may have changed since it was asked which columns hold JSON.
    is_redefined: bool,
    is_ill: bool,
    silent: u32,
    beats: u32,
}

struct Open {
    transaction: Transaction,
    gtid: Option<Gtid>,
    /// Changes of it so far.
    changes: u32,
    /// Whether it is one statement, which ends it.
    is_alone: bool,
    /// Whether a statement has said that more will come.
    is_begun: bool,
}

impl Session {
    pub(super) fn new(stream: LogStream, setting: Setting) -> Self {
        Self {
            stream,
            events: Events::new(setting.prepared.is_summed),
            place: setting.prepared.place.clone(),
            setting,
            tables: HashMap::new(),
            open: None,
            outbox: VecDeque::from([Item::Opened]),
            is_redefined: false,
            is_ill: false,
            silent: 0,
            beats: 0,
        }
    }

    /// Reads until it is told to stop or the stream ends.
    pub(super) async fn run(mut self, ask: &impl Ask) -> Result<(), Trouble> {
        let mut beat = tokio::time::interval(BEAT_EVERY);
        let items = self.setting.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            let feed = &mut self.setting.feed;
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = feed.stop.cancelled() => return self.keep().await,
                changed = feed.confirmed.changed() => match changed {
                    Ok(()) => self.keep().await?,
                    Err(_) => return Ok(()),
                },
                _ = beat.tick() => self.beat(ask).await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                packet = self.stream.next(), if !has_news => {
                    let packet = packet.map_err(|error| self.explain(error))?;
                    let packet = packet.ok_or_else(|| lost("the database ended its log"))?;
                    self.silent = 0;
                    self.hear(packet, ask).await?;
                }
            }
        }
    }

    /// Puts on disk up to where all is done.
    async fn keep(&mut self) -> Result<(), Trouble> {
        let confirmed = self.setting.feed.confirmed.borrow_and_update().clone();
        match confirmed {
            Some(position) => self.setting.kept.keep(&position.0).await,
            None => Ok(()),
        }
    }

    async fn beat(&mut self, ask: &impl Ask) -> Result<(), Trouble> {
        // While nothing is read nothing can be heard.
        if self.outbox.is_empty() {
            self.silent += 1;
        }
        if self.silent >= SILENT_MAX {
            return Err(lost("the database does not answer"));
        }
        self.beats += 1;
        if self.beats.is_multiple_of(LAG_BEATS) {
            let confirmed = self.setting.feed.confirmed.borrow().clone();
            let place = confirmed.map(|position| position.0.parse()).transpose()?;
            let place = place.unwrap_or_else(|| self.setting.prepared.place.clone());
            // It is asked again soon.
            let found = ask.look(place).await.unwrap_or_default();
            if found.is_some() || self.is_ill {
                self.is_ill = found.is_some();
                self.outbox.push_back(Item::Health(found));
            }
        }
        Ok(())
    }

    /// What the server says of a log that it does not send is made a sentence that says what to do.
    fn explain(&self, error: QueryError) -> Trouble {
        match error {
            QueryError::Refused(refusal) if refusal.code == LOG_REFUSED => {
                let text = refusal.message.to_ascii_lowercase();
                let is_gone = [
                    "purged",
                    "could not find",
                    "not in the master",
                    "impossible position",
                ]
                .iter()
                .any(|sign| text.contains(sign));
                match is_gone {
                    true => Trouble::new(format!(
                        "{} (the database says: {})",
                        setup::purged(&self.setting.prepared.place),
                        refusal.message
                    )),
                    false => refused(&refusal),
                }
            }
            error => error.into(),
        }
    }

    async fn hear(&mut self, packet: Bytes, ask: &impl Ask) -> Result<(), Trouble> {
        let (header, event) = self.events.read(packet)?;
        match event {
            Event::Rotate { file, at } => self.rotate(header, file, at),
            Event::Begin { gtid, is_alone } => self.begin(header, gtid, is_alone),
            Event::Query { schema, sql } => self.query(header, &schema, &sql),
            Event::Commit => self.commit(header),
            Event::Table { id, table } => {
                if std::mem::take(&mut self.is_redefined) {
                    self.setting.prepared.json = ask.json_columns().await?;
                }
                self.learn(id, table)?;
            }
            Event::Rows(rows) => self.rows(rows)?,
            Event::Other => {}
        }
        Ok(())
    }

    fn rotate(&mut self, header: Header, file: String, at: u64) {
        self.tables.clear();
        let is_here = file == self.place.file;
        if header.is_artificial && is_here {
            return;
        }
        // The log goes on in a file of which nothing is done yet.
        self.place.file = file;
        self.place.at = at.max(FILE_BEGINS);
        if self.open.is_none() && !header.is_artificial {
            self.mark();
        }
    }

    fn begin(&mut self, header: Header, gtid: Option<Gtid>, is_alone: bool) {
        let transaction = Transaction {
            era: self.place.era,
            file: self.place.file.clone(),
            at: header.next.into(),
            gtid: gtid.map(|gtid| format!("{}-{}-{}", gtid.domain, gtid.server, gtid.number)),
            secs: header.at_secs,
        };
        self.open = Some(Open {
            transaction,
            gtid,
            changes: 0,
            is_alone,
            is_begun: gtid.is_some() && !is_alone,
        });
    }

    fn query(&mut self, header: Header, schema: &str, sql: &str) {
        let statement = statement::read(sql);
        let is_alone = self.open.as_ref().is_some_and(|open| !open.is_begun);
        match statement {
            Statement::Begin => {
                if let Some(open) = &mut self.open {
                    (open.is_begun, open.is_alone) = (true, false);
                }
                return;
            }
            Statement::End => return self.commit(header),
            Statement::Mark => return,
            Statement::Truncate {
                schema: named,
                table,
            } => {
                self.truncate((named.unwrap_or_else(|| schema.to_owned()), table));
                self.is_redefined = true;
            }
            Statement::Write => self.miss(schema),
            Statement::Definition => self.is_redefined = true,
        }
        if is_alone {
            self.commit(header);
        }
    }

    fn commit(&mut self, header: Header) {
        let Some(open) = self.open.take() else {
            return;
        };
        if let Some((gtids, gtid)) = self.place.gtids.as_mut().zip(open.gtid) {
            gtids.reach(gtid);
        }
        // Offsets above 4 GiB are not told; behind such a transaction the log goes on in another file.
        if u64::from(header.next) > open.transaction.at {
            self.place.at = header.next.into();
            self.mark();
        }
    }

    fn mark(&mut self) {
        self.outbox.push_back(Item::Mark((&self.place).into()));
    }

    /// What a number stands for.
    fn learn(&mut self, id: u64, mut reader: Reader) -> Result<(), Trouble> {
        let unread = |_| lost("the server described a table in a way that cannot be read");
        let names = Table::names(&mut reader).map_err(unread)?;
        let table = match self.setting.prepared.tables.contains(&names) {
            true => Some(Table::read(names, reader).map_err(unread)?),
            false => None,
        };
        if let Some(table) = table.as_ref().filter(|table| !table.is_named) {
            return Err(Trouble::new(format!(
                "the binary log has changes of {}.{} without the names of its columns, from {} {} on: they were logged before \
                 binlog_row_metadata was FULL; delete the mapping and create it again with StartingPosition LATEST",
                table.schema, table.name, self.place.file, self.place.at
            )));
        }
        self.tables.insert(id, table);
        Ok(())
    }

    fn rows(&mut self, rows: Rows) -> Result<(), Trouble> {
        let unknown = || lost("the server sent changes of a table that it did not describe");
        // A last event of a statement may have no rows and name no table.
        if rows.data.is_empty() {
            return Ok(());
        }
        let Some(table) = self.tables.get(&rows.table).ok_or_else(unknown)? else {
            return Ok(());
        };
        let open = self.open.as_mut().ok_or_else(unknown)?;
        if rows.columns != table.columns.len() {
            return Err(unknown());
        }
        let prepared = &self.setting.prepared;
        let json = prepared
            .json
            .get(&(table.schema.clone(), table.name.clone()));
        let next = |reader: &mut Reader, mask: &Bytes| -> Result<Row, Trouble> {
            let row = cell::row(reader, &table.columns, mask, &prepared.charsets);
            let mut row = row.map_err(|_| {
                lost(format!(
                    "a row of {}.{} cannot be read",
                    table.schema, table.name
                ))
            })?;
            for (cell, column) in row.iter_mut().zip(&table.columns) {
                if json.is_some_and(|json| json.contains(&column.name)) {
                    *cell = cell.take().map(as_json);
                }
            }
            Ok(row)
        };
        let mut reader = Reader::new(rows.data);
        while !reader.is_empty() {
            let left = reader.len();
            let what = match rows.what {
                Kind::Insert => What::Insert(next(&mut reader, &rows.new)?),
                Kind::Update => {
                    What::Update(next(&mut reader, &rows.old)?, next(&mut reader, &rows.new)?)
                }
                Kind::Delete => What::Delete(next(&mut reader, &rows.old)?),
            };
            let change = Change {
                table,
                transaction: &open.transaction,
                place: open.changes,
                what,
            };
            open.changes = open.changes.saturating_add(1);
            let record = change.record(&self.setting.origin);
            self.outbox.push_back(Item::Record(record));
            // Rows without columns would have no end.
            if reader.len() == left {
                return Err(unknown());
            }
        }
        Ok(())
    }

    fn truncate(&mut self, names: (String, String)) {
        let names = self.setting.prepared.tables.get(&names).cloned();
        let (Some((schema, name)), Some(open)) = (names, &mut self.open) else {
            return;
        };
        let table = Table {
            schema,
            name,
            ..Table::default()
        };
        let change = Change {
            table: &table,
            transaction: &open.transaction,
            place: open.changes,
            what: What::Truncate,
        };
        open.changes += 1;
        let record = change.record(&self.setting.origin);
        self.outbox.push_back(Item::Record(record));
    }

    /// A session of the server logs statements, of which nobody can say what rows they changed.
    fn miss(&mut self, schema: &str) {
        if self
            .setting
            .prepared
            .tables
            .iter()
            .any(|(of, _)| of == schema)
        {
            self.is_ill = true;
            let text = format!(
                "a statement in {schema} was logged as such, so that the rows that it changed are not heard of: \
                 no session may set binlog_format to other than ROW"
            );
            self.outbox.push_back(Item::Health(Some(text)));
        }
    }
}

/// A text that is JSON, as JSON.
fn as_json(cell: Cell) -> Cell {
    match cell {
        Cell::Text(text) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => {
            Cell::Json(text)
        }
        cell => cell,
    }
}
