//! Lengths of time as people write them: `90s`, `10m`, `24h`, `7d`.

use std::time::Duration;

/// Reads a whole number and a unit; without a unit it is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || format!("'{text}' is not a length of time such as 90s, 10m, 24h or 7d");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// The moment that long before `now_ms`, not before 1970.
pub(crate) fn before(now_ms: i64, duration: Duration) -> i64 {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_sub(millis).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let seconds = |text| parse(text).unwrap().as_secs();
        assert_eq!(seconds("45"), 45);
        assert_eq!(seconds("90s"), 90);
        assert_eq!(seconds("10m"), 600);
        assert_eq!(seconds("24h"), 86_400);
        assert_eq!(seconds("7d"), 604_800);
        assert_eq!(seconds("2w"), 1_209_600);
    }

    #[test]
    fn what_is_no_length_of_time_is_refused_with_an_example() {
        for wrong in [
            "",
            "m",
            "10x",
            "-5m",
            "1.5h",
            "10 m",
            "99999999999999999999w",
        ] {
            assert!(parse(wrong).unwrap_err().contains("10m"), "{wrong}");
        }
    }

    #[test]
    fn looking_back_stops_at_1970() {
        assert_eq!(before(10_000, Duration::from_secs(3)), 7_000);
        assert_eq!(before(10_000, Duration::from_secs(30)), 0);
        assert_eq!(before(10_000, Duration::MAX), 0);
    }
}
