//! How a certificate stands with the time.

use jiff::SignedDuration;
use kiln_types::Timestamp;
use tracing::warn;

use super::validity::Validity;

/// How long before its end a certificate of months should have been renewed, which is done a month before.
const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);
/// The part of its time that one of days or hours may have left, whose renewal is due after two thirds.
const SOON_PART: i32 = 10;

/// What clients think of a certificate, as far as its dates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Valid, or of unknown dates.
    Good,
    /// Not valid before this.
    NotYet(jiff::Timestamp),
    /// Valid until this, which is soon.
    EndsSoon(jiff::Timestamp),
    /// Not valid since this.
    Ended(jiff::Timestamp),
    /// There is none yet.
    Missing,
}

/// Who puts a new certificate in the place of one that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    /// Whoever writes the files.
    ByFiles,
    /// Kiln itself.
    ByAuthority,
}

impl Standing {
    pub(super) fn of(validity: Option<Validity>, now: Timestamp) -> Self {
        let Some(validity) = validity else {
            return Standing::Good;
        };
        let now = now.to_jiff();
        let Validity {
            not_before,
            not_after,
        } = validity;
        let soon = SOON.min(not_after.duration_since(not_before) / SOON_PART);
        if now < not_before {
            Standing::NotYet(not_before)
        } else if now > not_after {
            Standing::Ended(not_after)
        } else if not_after.duration_since(now) < soon {
            Standing::EndsSoon(not_after)
        } else {
            Standing::Good
        }
    }

    /// In one word, for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Standing::Good => "good",
            Standing::NotYet(_) => "notYet",
            Standing::EndsSoon(_) => "endsSoon",
            Standing::Ended(_) => "ended",
            Standing::Missing => "missing",
        }
    }

    /// Warns where somebody should do something.
    pub(super) fn tell(self, renewed: Renewed) {
        match self {
            // While there is none, each order that fails says so.
            Standing::Good | Standing::Missing => {}
            Standing::EndsSoon(until) if renewed == Renewed::ByAuthority => warn!(
                %until,
                "the TLS certificate ends soon, and was not renewed yet: what was said of the last order tells why"
            ),
            Standing::Ended(until) if renewed == Renewed::ByAuthority => warn!(
                %until,
                "the TLS certificate is no longer valid: clients refuse it until a new one is issued"
            ),
            Standing::NotYet(since) => warn!(
                %since,
                "the TLS certificate is not valid yet: clients refuse it; is this machine's clock right?"
            ),
            Standing::EndsSoon(until) => warn!(
                %until,
                "the TLS certificate ends soon: put a new one in its place, which is used from then on"
            ),
            Standing::Ended(until) => warn!(
                %until,
                "the TLS certificate is no longer valid: clients refuse it; put a new one in its place"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_stands_by_its_dates() {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (first, last) = (time("2026-01-02T00:00:00Z"), time("2026-04-02T00:00:00Z"));
        let validity = Validity {
            not_before: first,
            not_after: last,
        };
        let stands = |now: &str| {
            let now = Timestamp::from_millis(time(now).as_millisecond());
            Standing::of(Some(validity), now)
        };
        assert_eq!(stands("2026-01-01T23:59:59Z"), Standing::NotYet(first));
        assert_eq!(stands("2026-01-02T00:00:00Z"), Standing::Good);
        assert_eq!(stands("2026-03-29T23:59:59Z"), Standing::Good);
        assert_eq!(stands("2026-03-30T00:00:01Z"), Standing::EndsSoon(last));
        assert_eq!(stands("2026-04-02T00:00:00Z"), Standing::EndsSoon(last));
        assert_eq!(stands("2026-04-02T00:00:01Z"), Standing::Ended(last));
    }

    #[test]
    fn a_certificate_of_a_day_ends_soon_in_its_last_hours_only() {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (first, last) = (time("2026-01-02T00:00:00Z"), time("2026-01-03T00:00:00Z"));
        let validity = Validity {
            not_before: first,
            not_after: last,
        };
        for (now, expected) in [
            ("2026-01-02T00:00:00Z", Standing::Good),
            ("2026-01-02T21:00:00Z", Standing::Good),
            ("2026-01-02T22:00:00Z", Standing::EndsSoon(last)),
        ] {
            let millis = Timestamp::from_millis(time(now).as_millisecond());
            assert_eq!(Standing::of(Some(validity), millis), expected, "{now}");
        }
    }
}
