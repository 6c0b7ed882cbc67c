//! What a signature says: who signs which content, when, and until when that is good.

use kiln_types::{ProfileArn, Sha256, Timestamp};

/// Longest text of a statement.
pub const STATEMENT_BYTES_MAX: usize = 2_048;
/// Its first line, with the version of the format.
const FIRST_LINE: &str = "kiln code signature 1";
const JOB_LENGTH: std::ops::RangeInclusive<usize> = 1..=64;

/// A statement. As text it is six lines, each with a name and a value:
///
/// ```text
/// kiln code signature 1
/// profile arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e
/// job 7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11
/// signed 2026-11-28T18:00:00Z
/// expires 2027-11-28T18:00:00Z
/// content 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who signs.
    pub profile: ProfileArn,
    /// Names the act of signing.
    pub job: String,
    /// When, in whole seconds.
    pub signed: Timestamp,
    /// From when on it is not good for a deployment; none: `never`.
    pub expires: Option<Timestamp>,
    /// The digest of the content.
    pub content: Sha256,
}

/// It is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the statement of its signature cannot be read: {0}")]
pub struct Unreadable(&'static str);

impl Statement {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let (profile, job, content) = (&self.profile, &self.job, &self.content);
        let signed = self.signed.to_seconds();
        let expires = self.expires.map(Timestamp::to_seconds);
        let expires = expires.as_deref().unwrap_or("never");
        format!(
            "{FIRST_LINE}\nprofile {profile}\njob {job}\nsigned {signed}\nexpires {expires}\ncontent {content}\n"
        )
    }

    /// Reads the text. Only what is written exactly so is read: what is signed has one meaning.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        if text.len() > STATEMENT_BYTES_MAX {
            return Err(Unreadable("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| Unreadable("it is not UTF-8"))?;
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(Unreadable("its first line is another"));
        }
        let mut value = |name: &str, why: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.strip_prefix(' '));
            value.ok_or(Unreadable(why))
        };
        let profile = value("profile", "it has no profile")?;
        let job = value("job", "it has no job")?;
        let signed = value("signed", "it does not say when it was signed")?;
        let expires = value("expires", "it does not say when it expires")?;
        let content = value("content", "it has no content")?;
        let is_of_job = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        if !JOB_LENGTH.contains(&job.len()) || !job.bytes().all(is_of_job) {
            return Err(Unreadable("its job is none"));
        }
        let statement = Self {
            profile: profile
                .parse()
                .map_err(|_| Unreadable("its profile is none"))?,
            job: job.to_owned(),
            signed: time(signed)?,
            expires: match expires {
                "never" => None,
                expires => Some(time(expires)?),
            },
            content: content
                .parse()
                .map_err(|_| Unreadable("its content is no digest"))?,
        };
        match statement.to_text() == text {
            true => Ok(statement),
            false => Err(Unreadable("it is written in another way")),
        }
    }
}

fn time(text: &str) -> Result<Timestamp, Unreadable> {
    let time = text.parse::<jiff::Timestamp>();
    let time = time.map_err(|_| Unreadable("it has a time that is none"))?;
    Ok(Timestamp::from_millis(time.as_second() * 1_000))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample() -> Statement {
        let profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e";
        Statement {
            profile: profile.parse().unwrap(),
            job: "7f5f2a0c-1c47".to_owned(),
            signed: Timestamp::from_millis(1_795_888_800_000),
            expires: Some(Timestamp::from_millis(1_827_424_800_000)),
            content: Sha256::from_bytes([7; 32]),
        }
    }

    #[test]
    fn a_statement_is_six_lines() {
        let expected = "kiln code signature 1\n\
            profile arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e\n\
            job 7f5f2a0c-1c47\n\
            signed 2026-11-28T18:00:00Z\n\
            expires 2027-11-28T18:00:00Z\n\
            content 0707070707070707070707070707070707070707070707070707070707070707\n";
        assert_eq!(sample().to_text(), expected);
        assert_eq!(Statement::parse(expected.as_bytes()), Ok(sample()));
        let for_ever = Statement {
            expires: None,
            ..sample()
        };
        let text = for_ever.to_text();
        assert!(text.contains("\nexpires never\n"));
        assert_eq!(Statement::parse(text.as_bytes()), Ok(for_ever));
    }

    #[test]
    fn what_is_written_in_another_way_is_refused() {
        let good = sample().to_text();
        for (from, to) in [
            ("signature 1", "signature 2"),
            ("profile arn", "profile  arn"),
            ("/ci/", "/c/"),
            ("job 7f", "job 7/"),
            ("18:00:00Z\nexpires", "18:00:00.5Z\nexpires"),
            ("2027-", "later-"),
            ("2027-11-28T18:00:00Z", "2027-11-28T19:00:00+01:00"),
            ("content 07", "content x7"),
            ("07\n", "07"),
            ("07\n", "07\nmore\n"),
            ("\n", "\r\n"),
            ("job", "Job"),
        ] {
            let other = good.replace(from, to);
            assert_ne!(other, good, "{from}");
            assert!(Statement::parse(other.as_bytes()).is_err(), "{other}");
        }
        assert!(Statement::parse(&[0xff]).is_err());
        assert!(Statement::parse(&[b'a'; STATEMENT_BYTES_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Statement::parse(&bytes);
        }
    }
}
