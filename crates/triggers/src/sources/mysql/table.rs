//! What a table is like at a place in the log: its columns with their names, types and key, as the log itself says it
//! with `binlog_row_metadata = FULL`, so that it is right whatever became of the table since.

use bytes::Bytes;

use super::reader::{Reader, Short, bit, bit_from_left};

/// Types by the numbers that the protocol has for them.
pub(super) mod kind {
    pub(in super::super) const TINY: u8 = 1;
    pub(in super::super) const SHORT: u8 = 2;
    pub(in super::super) const LONG: u8 = 3;
    pub(in super::super) const FLOAT: u8 = 4;
    pub(in super::super) const DOUBLE: u8 = 5;
    pub(in super::super) const TIMESTAMP: u8 = 7;
    pub(in super::super) const LONGLONG: u8 = 8;
    pub(in super::super) const INT24: u8 = 9;
    pub(in super::super) const DATE: u8 = 10;
    pub(in super::super) const TIME: u8 = 11;
    pub(in super::super) const DATETIME: u8 = 12;
    pub(in super::super) const YEAR: u8 = 13;
    pub(in super::super) const NEWDATE: u8 = 14;
    pub(in super::super) const VARCHAR: u8 = 15;
    pub(in super::super) const BIT: u8 = 16;
    pub(in super::super) const TIMESTAMP2: u8 = 17;
    pub(in super::super) const DATETIME2: u8 = 18;
    pub(in super::super) const TIME2: u8 = 19;
    pub(in super::super) const BLOB_COMPRESSED: u8 = 140;
    pub(in super::super) const VARCHAR_COMPRESSED: u8 = 141;
    pub(in super::super) const VECTOR: u8 = 242;
    pub(in super::super) const JSON: u8 = 245;
    pub(in super::super) const NEWDECIMAL: u8 = 246;
    pub(in super::super) const ENUM: u8 = 247;
    pub(in super::super) const SET: u8 = 248;
    pub(in super::super) const BLOB: u8 = 252;
    pub(in super::super) const VAR_STRING: u8 = 253;
    pub(in super::super) const STRING: u8 = 254;
    pub(in super::super) const GEOMETRY: u8 = 255;
}

use kind as k;

/// Digits of a second's fraction, at most.
const FRACTION_DIGITS_MAX: u8 = 6;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The primary key's columns, in the key's order.
    pub(super) key: Vec<usize>,
    /// Whether the log says what the columns are called.
    pub(super) is_named: bool,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: u8,
    /// What else the type says, two bytes at most.
    pub(super) meta: [u8; 2],
    pub(super) is_unsigned: bool,
    /// Of texts: the number of their collation.
    pub(super) collation: u32,
    /// Of enums and sets: their members.
    pub(super) members: Vec<Bytes>,
}

impl Column {
    fn is_numeric(&self) -> bool {
        let kinds = [
            k::TINY,
            k::SHORT,
            k::INT24,
            k::LONG,
            k::LONGLONG,
            k::NEWDECIMAL,
            k::FLOAT,
            k::DOUBLE,
            k::YEAR,
        ];
        kinds.contains(&self.kind)
    }

    fn is_text(&self) -> bool {
        let kinds = [
            k::STRING,
            k::VAR_STRING,
            k::VARCHAR,
            k::BLOB,
            k::BLOB_COMPRESSED,
            k::VARCHAR_COMPRESSED,
        ];
        kinds.contains(&self.kind)
    }

    fn is_choice(&self) -> bool {
        [k::ENUM, k::SET].contains(&self.kind)
    }
}

impl Table {
    /// Reads of a table's description, behind its number and flags, which schema and which table it is of.
    pub(super) fn names(reader: &mut Reader) -> Result<(String, String), Short> {
        let schema_bytes = usize::from(reader.u8()?);
        let schema = reader.take(schema_bytes)?;
        reader.take(1)?;
        let name_bytes = usize::from(reader.u8()?);
        let name = reader.take(name_bytes)?;
        reader.take(1)?;
        Ok((text(&schema), text(&name)))
    }

    /// Reads the rest of it.
    pub(super) fn read(names: (String, String), mut reader: Reader) -> Result<Self, Short> {
        let (schema, name) = names;
        let count = reader.count()?;
        let kinds = reader.take(count)?;
        let mut meta = Reader::new(reader.prefixed()?);
        let columns = kinds.iter().map(|kind| column(*kind, &mut meta));
        let mut table = Self {
            schema,
            name,
            columns: columns.collect::<Result<_, _>>()?,
            key: Vec::new(),
            is_named: false,
        };
        reader.take(count.div_ceil(8))?;
        while !reader.is_empty() {
            let field = reader.u8()?;
            let value = reader.prefixed()?;
            table.learn(field, value)?;
        }
        Ok(table)
    }

    /// Takes what is said beside the types.
    fn learn(&mut self, field: u8, value: Bytes) -> Result<(), Short> {
        let mut reader = Reader::new(value.clone());
        match field {
            1 => {
                let numeric = self.columns.iter_mut().filter(|column| column.is_numeric());
                for (at, column) in numeric.enumerate() {
                    column.is_unsigned = bit_from_left(&value, at);
                }
            }
            2 => self.learn_default_collation(reader, Column::is_text)?,
            3 => self.learn_collations(reader, Column::is_text)?,
            4 => {
                for column in &mut self.columns {
                    column.name = text(&reader.prefixed()?);
                }
                self.is_named = true;
            }
            5 => self.learn_members(reader, k::SET)?,
            6 => self.learn_members(reader, k::ENUM)?,
            8 | 9 => {
                while !reader.is_empty() {
                    let column = reader.count()?;
                    if column >= self.columns.len() {
                        return Err(Short);
                    }
                    self.key.push(column);
                    // How much of it the key has.
                    if field == 9 {
                        reader.count()?;
                    }
                }
            }
            10 => self.learn_default_collation(reader, Column::is_choice)?,
            11 => self.learn_collations(reader, Column::is_choice)?,
            // Kinds of geometries, visibility, dimensions of vectors.
            _ => {}
        }
        Ok(())
    }

    /// One for all, and those that have another.
    fn learn_default_collation(
        &mut self,
        mut reader: Reader,
        is_meant: fn(&Column) -> bool,
    ) -> Result<(), Short> {
        let default = reader.count()? as u32;
        let mut others = Vec::new();
        while !reader.is_empty() {
            others.push((reader.count()?, reader.count()? as u32));
        }
        let meant = self.columns.iter_mut().filter(|column| is_meant(column));
        for (at, column) in meant.enumerate() {
            let other = others.iter().find(|(place, _)| *place == at);
            column.collation = other.map_or(default, |(_, collation)| *collation);
        }
        Ok(())
    }

    fn learn_collations(
        &mut self,
        mut reader: Reader,
        is_meant: fn(&Column) -> bool,
    ) -> Result<(), Short> {
        for column in self.columns.iter_mut().filter(|column| is_meant(column)) {
            column.collation = reader.count()? as u32;
        }
        Ok(())
    }

    fn learn_members(&mut self, mut reader: Reader, kind: u8) -> Result<(), Short> {
        for column in self.columns.iter_mut().filter(|column| column.kind == kind) {
            for _ in 0..reader.count()? {
                column.members.push(reader.prefixed()?);
            }
        }
        Ok(())
    }
}

fn column(kind: u8, meta: &mut Reader) -> Result<Column, Short> {
    let bytes = match kind {
        k::VARCHAR | k::VAR_STRING | k::VARCHAR_COMPRESSED | k::BIT | k::NEWDECIMAL => 2,
        k::ENUM | k::SET | k::STRING => 2,
        k::FLOAT | k::DOUBLE | k::TIMESTAMP2 | k::DATETIME2 | k::TIME2 => 1,
        k::BLOB | k::BLOB_COMPRESSED | k::GEOMETRY | k::JSON | k::VECTOR => 1,
        _ => 0,
    };
    let said = meta.take(bytes)?;
    let mut column = Column {
        kind,
        ..Column::default()
    };
    column.meta[..bytes].copy_from_slice(&said);
    let has_fraction = [k::TIMESTAMP2, k::DATETIME2, k::TIME2].contains(&kind);
    if has_fraction && column.meta[0] > FRACTION_DIGITS_MAX {
        return Err(Short);
    }
    // Enums and sets stand there as strings.
    if kind == k::STRING && [k::ENUM, k::SET].contains(&column.meta[0]) {
        column.kind = column.meta[0];
    }
    Ok(column)
}

/// Which columns a row has, of those that its table has.
pub(super) fn present(columns: &[Column], mask: &[u8]) -> Vec<usize> {
    (0..columns.len()).filter(|at| bit(mask, *at)).collect()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
