//! What functions said of callers, kept for as long as their authorizers say.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_types::Moment;
use sha2::{Digest, Sha256};

use super::judgement::Judgement;

/// Judgements that are kept; with one more, the oldest is not.
const JUDGEMENTS_MAX: usize = 10_000;
/// The largest result of a function that is kept. A larger one counts once.
pub(super) const RESULT_BYTES_MAX: usize = 8 * 1024;

/// Judgements by what they were made of.
#[derive(Debug, Default)]
pub(crate) struct Judgements {
    kept: Mutex<Kept>,
}

/// What a judgement was made of, without the secrets in it: a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Basis([u8; 32]);

#[derive(Debug, Default)]
struct Kept {
    judgements: HashMap<Basis, Entry>,
    /// In the order in which they were made.
    ages: BTreeMap<u64, Basis>,
    made: u64,
}

#[derive(Debug)]
struct Entry {
    judgement: Arc<Judgement>,
    at: Moment,
    number: u64,
}

impl Basis {
    /// The basis of these parts, in this order.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts run together.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl Judgements {
    /// The judgement of a basis, unless it is older than `age_max`.
    pub(super) fn get(
        &self,
        basis: &Basis,
        age_max: Duration,
        now: Moment,
    ) -> Option<Arc<Judgement>> {
        let kept = self.kept.lock().expect("no holder panics");
        let entry = kept.judgements.get(basis)?;
        (now.since(entry.at) < age_max).then(|| entry.judgement.clone())
    }

    /// Keeps a judgement.
    pub(super) fn put(&self, basis: Basis, judgement: Arc<Judgement>, now: Moment) {
        let mut kept = self.kept.lock().expect("no holder panics");
        kept.made += 1;
        let entry = Entry {
            judgement,
            at: now,
            number: kept.made,
        };
        let number = entry.number;
        if let Some(before) = kept.judgements.insert(basis, entry) {
            kept.ages.remove(&before.number);
        }
        kept.ages.insert(number, basis);
        if kept.judgements.len() > JUDGEMENTS_MAX
            && let Some((_, oldest)) = kept.ages.pop_first()
        {
            kept.judgements.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    fn at(secs: u64) -> Moment {
        Moment::default() + Duration::from_secs(secs)
    }

    fn judgement() -> Arc<Judgement> {
        let said = br#"{"isAuthorized": true}"#;
        Arc::new(Judgement::read(said, true).unwrap())
    }

    #[test]
    fn a_judgement_is_kept_for_its_time() {
        let judgements = Judgements::default();
        let (one, two) = (Basis::of(["a", "bc"]), Basis::of(["ab", "c"]));
        judgements.put(one, judgement(), at(1));
        assert!(judgements.get(&one, TTL, at(300)).is_some());
        assert!(judgements.get(&one, TTL, at(301)).is_none());
        assert!(judgements.get(&one, Duration::ZERO, at(1)).is_none());
        assert!(judgements.get(&two, TTL, at(1)).is_none());
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let judgements = Judgements::default();
        let basis = |number: usize| Basis::of([number.to_string().as_str()]);
        judgements.put(basis(0), judgement(), at(0));
        judgements.put(basis(1), judgement(), at(0));
        // Made once more, the first is the younger one.
        judgements.put(basis(0), judgement(), at(0));
        for number in 2..=JUDGEMENTS_MAX {
            judgements.put(basis(number), judgement(), at(0));
        }
        assert!(judgements.get(&basis(1), TTL, at(0)).is_none());
        assert!(judgements.get(&basis(0), TTL, at(0)).is_some());
        let kept = judgements.kept.lock().unwrap();
        assert_eq!(
            (kept.judgements.len(), kept.ages.len()),
            (JUDGEMENTS_MAX, JUDGEMENTS_MAX)
        );
    }
}
