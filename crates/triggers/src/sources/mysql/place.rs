//! Places in a server's log.
//!
//! A place is known in two ways. By its file and the offset in it, of which every later one is greater; and with MariaDB by
//! its GTID position, by which any server of the same history finds it again. When a server's files are no longer those that
//! were read before, another era begins, so that ids of records grow whatever the files are called.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::event::Gtid;
use crate::record::Position;
use crate::source::Trouble;

/// A place behind a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Counts histories of files.
    pub(super) era: u32,
    /// The server's own number, or what it calls itself: whose files they are.
    pub(super) server: String,
    pub(super) file: String,
    pub(super) at: u64,
    /// Up to where all is before this place; none of a server without such.
    pub(super) gtids: Option<Gtids>,
}

/// The last transaction of each domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gtids(BTreeMap<u32, (u32, u64)>);

impl Place {
    /// What it is ordered by.
    pub(super) fn order(&self) -> (u32, u64, u64) {
        (self.era, number(&self.file), self.at)
    }

    /// The same place as the first of another history.
    pub(super) fn in_next_era(self, server: String, file: String, at: u64) -> Self {
        Self {
            era: self.era + 1,
            server,
            file,
            at,
            gtids: self.gtids,
        }
    }
}

/// A file's number: what stands behind the last point of its name.
pub(super) fn number(file: &str) -> u64 {
    let suffix = file.rsplit('.').next().unwrap_or_default();
    suffix.parse().unwrap_or(0)
}

impl Gtids {
    pub(super) fn reach(&mut self, gtid: Gtid) {
        self.0.insert(gtid.domain, (gtid.server, gtid.number));
    }
}

/// As the server writes it: `0-1-42,1-1-7`.
impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (domain, (server, number))) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{domain}-{server}-{number}")?;
        }
        Ok(())
    }
}

impl FromStr for Gtids {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let one = |text: &str| {
            let mut parts = text.trim().splitn(3, '-');
            let domain = parts.next()?.parse().ok()?;
            let server = parts.next()?.parse().ok()?;
            Some((domain, (server, parts.next()?.parse().ok()?)))
        };
        let all = text.split(',').filter(|part| !part.trim().is_empty());
        let read: Option<_> = all.map(one).collect();
        let wrong = || Trouble::new(format!("'{text}' is no GTID position"));
        read.map(Self).ok_or_else(wrong)
    }
}

/// `<era> <server> <file> <at> [<gtids>]`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            era,
            server,
            file,
            at,
            gtids,
        } = self;
        write!(f, "{era} {server} {file} {at}")?;
        match gtids {
            Some(gtids) => write!(f, " ={gtids}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Place {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let read = || {
            let (era, rest) = text.split_once(' ')?;
            let (server, rest) = rest.split_once(' ')?;
            let (rest, gtids) = match rest.rsplit_once(" =") {
                Some((rest, gtids)) => (rest, Some(gtids.parse().ok()?)),
                None => (rest, None),
            };
            let (file, at) = rest.rsplit_once(' ')?;
            Some(Self {
                era: era.parse().ok()?,
                server: server.to_owned(),
                file: file.to_owned(),
                at: at.parse().ok()?,
                gtids,
            })
        };
        read().ok_or_else(|| Trouble::new(format!("'{text}' is no place in a binary log")))
    }
}

impl From<&Place> for Position {
    fn from(place: &Place) -> Self {
        Position(place.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(era: u32, file: &str, at: u64, gtids: Option<&str>) -> Place {
        Place {
            era,
            server: "1".to_owned(),
            file: file.to_owned(),
            at,
            gtids: gtids.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn a_place_reads_back_as_written() {
        for place in [
            place(1, "mariadb-bin.000003", 4_711, Some("0-1-42,7-2-9")),
            place(1, "log with space.000003", 4, Some("")),
            place(0, "binlog.1000000", 157, None),
        ] {
            assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
        for text in ["", "1 2 3", "a b c 4", "1 1 f 4 =x"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn later_places_are_greater_in_any_file_and_era() {
        let places = [
            place(0, "a.999999", 900, None),
            place(0, "a.1000000", 4, None),
            place(0, "a.1000000", 5, None),
            place(0, "a.1000000", 5, None).in_next_era("2".to_owned(), "b.000001".to_owned(), 4),
        ];
        assert!(places.is_sorted_by(|one, other| one.order() < other.order()));
    }

    #[test]
    fn a_position_keeps_the_last_of_each_domain() {
        let mut gtids: Gtids = "0-1-42,1-1-7".parse().unwrap();
        for (domain, number) in [(0, 43), (2, 1)] {
            gtids.reach(Gtid {
                domain,
                server: 5,
                number,
            });
        }
        assert_eq!(gtids.to_string(), "0-5-43,1-1-7,2-5-1");
    }
}
