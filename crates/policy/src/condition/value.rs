//! Values of conditions that are more than texts: numbers, dates, networks.

use std::cmp::Ordering;
use std::net::IpAddr;

use jiff::civil;
use jiff::tz::TimeZone;

/// A number, exact when it is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    whole: Option<i64>,
    real: f64,
}

/// A point in time, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i128);

/// An address or a range in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    /// IPv4 in the last 32 bits.
    bits: u128,
    mask: u128,
    is_v4: bool,
}

impl Number {
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if !text.bytes().all(is_of_number) {
            return None;
        }
        let real: f64 = text.parse().ok()?;
        real.is_finite().then_some(Self {
            whole: text.parse().ok(),
            real,
        })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.whole, other.whole) {
            (Some(own), Some(other)) => own.partial_cmp(&other),
            _ => self.real.partial_cmp(&other.real),
        }
    }
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

impl Instant {
    /// Reads seconds since 1970, or one of the forms of W3C's note on dates and times: a year, a month, a day, or a time of one
    /// with or without seconds and their fraction, in UTC unless it says otherwise.
    pub(super) fn read(text: &str) -> Option<Self> {
        if !text.contains(['-', 'T', 't', ':']) && text.len() != 4 {
            return Self::read_epoch(text);
        }
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = parts.next().map_or(Some(1), |text| number(text, 2))?;
        let day = parts.next().map_or(Some(1), |text| number(text, 2))?;
        if parts.next().is_some() {
            return None;
        }
        let (year, month, day) = (
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        );
        let date = civil::Date::new(year, month, day).ok()?;
        let midnight = TimeZone::UTC
            .to_timestamp(date.to_datetime(civil::Time::midnight()))
            .ok()?;
        let of_day = time.map_or(Some(0), read_time)?;
        Some(Self(midnight.as_nanosecond() + of_day))
    }

    fn read_epoch(text: &str) -> Option<Self> {
        let seconds: i64 = text.parse().ok()?;
        (seconds >= 0).then_some(Self(i128::from(seconds) * NANOS_PER_SECOND))
    }
}

/// Reads a time with its zone, as nanoseconds since midnight in UTC.
fn read_time(text: &str) -> Option<i128> {
    let zone_at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = text.split_at(zone_at);
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, read_fraction(fraction)?),
        None => (time, 0),
    };
    let mut parts = time.split(':');
    let hour = number(parts.next()?, 2).filter(|hour| *hour <= 23)?;
    let minute = parts.next().map_or(Some(0), |text| number(text, 2))?;
    let second = parts.next().map_or(Some(0), |text| number(text, 2))?;
    if minute > 59 || second > 59 || parts.next().is_some() {
        return None;
    }
    let seconds = i128::from(hour * 3_600 + minute * 60 + second) - i128::from(read_zone(zone)?);
    Some(seconds * NANOS_PER_SECOND + i128::from(fraction))
}

/// Reads digits after a point as nanoseconds.
fn read_fraction(text: &str) -> Option<i64> {
    let is_fraction = (1..=9).contains(&text.len());
    let missing = 9_u32.checked_sub(u32::try_from(text.len()).ok()?)?;
    is_fraction
        .then(|| number(text, text.len()))?
        .map(|digits| digits * 10_i64.pow(missing))
}

/// Reads `Z`, `+hh:mm`, `-hh:mm` or nothing, as seconds.
fn read_zone(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (text.len() == 1).then_some(0),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (number(hours, 2)?, number(minutes, 2)?),
        None if rest.len() == 4 && rest.is_ascii() => {
            (number(&rest[..2], 2)?, number(&rest[2..], 2)?)
        }
        None => (number(rest, 2)?, 0),
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Reads exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

impl Network {
    /// Reads an address, or one with the length of its prefix.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(text) => (1..=3)
                .contains(&text.len())
                .then(|| number(text, text.len()))??,
            None => width,
        };
        let host_bits = u32::try_from(width - length).ok()?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            bits: bits(address) & mask,
            mask,
            is_v4: address.is_ipv4(),
        })
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits(address) & self.mask == self.bits
    }
}

/// The address that a request came from; one of IPv4 in IPv6 is the one of IPv4.
pub(super) fn read_address(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

pub(super) fn read_bool(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form() {
        let instant = |text| Instant::read(text).map(|Instant(nanos)| nanos);
        let new_year = 1_577_836_800 * NANOS_PER_SECOND;
        for text in [
            "2020",
            "2020-01",
            "2020-01-01",
            "2020-01-01T00:00Z",
            "2020-01-01T00:00:00Z",
            "2020-01-01t00:00:00z",
            "2020-01-01T01:30:00+01:30",
            "2019-12-31T23:00:00-0100",
            "2020-01-01T00:00:00",
            "1577836800",
        ] {
            assert_eq!(instant(text), Some(new_year), "{text}");
        }
        assert_eq!(
            instant("2020-01-01T00:00:00.25Z"),
            Some(new_year + 250_000_000)
        );
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "sdfdsf",
            "234-13",
            "2016-13-01",
            "2016-12-13t2:00:00.593194+1",
            "2016-12-13T02:00:00.1999999999+10:59",
            "9223372036854775808",
            "-1",
            "2020-01-01-01",
            "2020-01-01T24:00Z",
            "2020-02-30",
            "2020-01-01T00:00:00Zx",
            "2020-01-01T00:00:00+é",
            "2020-01-01T00:00:00.Z",
        ] {
            assert_eq!(Instant::read(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_compared_exactly() {
        let number = |text| Number::read(text).unwrap();
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("1.0") == number("1") && number("-2.5") < number("1e1"));
        for text in ["", "one", "NaN", "inf", "1e999", "0x1", " 1"] {
            assert!(Number::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn networks_have_their_addresses() {
        let has = |network, address| {
            let address = read_address(address).unwrap();
            Network::read(network).unwrap().has(address)
        };
        assert!(has("203.0.113.0/24", "203.0.113.255") && !has("203.0.113.0/24", "203.0.114.0"));
        assert!(has("203.0.113.7/24", "203.0.113.1") && has("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(
            has("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1") && has("0.0.0.0/0", "1.2.3.4")
        );
        assert!(
            !has("0.0.0.0/0", "2001:db8::1")
                && has("::/0", "2001:db8::1")
                && !has("192.0.2.1", "192.0.2.2")
        );
        for text in [
            "",
            "1.2.3",
            "1.2.3.4/",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.4/+1",
            "1.2.3.4/0024",
            "*",
        ] {
            assert_eq!(Network::read(text), None, "{text}");
        }
    }
}
