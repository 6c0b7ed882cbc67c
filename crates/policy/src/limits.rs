//! How big documents may be: what is read at all, and AWS's quotas for what is kept.

use crate::document::Error;

/// The longest text that is read, in bytes: what IAM's API lets a `PolicyDocument` be
/// (`policyDocumentType` in its service model). A longer one is refused before it is parsed.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;

/// A quota of IAM for the size of documents, in characters that are not white space.
///
/// Source: "IAM and AWS STS quotas" in the IAM user guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// One version of a managed policy: 6,144.
    Managed,
    /// A role's trust policy: 2,048. AWS raises it to 4,096 on request.
    Trust,
    /// All inline policies of one user together: 2,048.
    InlineUser,
    /// All inline policies of one role together: 10,240.
    InlineRole,
    /// All inline policies of one group together: 5,120.
    InlineGroup,
}

impl Quota {
    /// The most characters, white space not counted.
    pub fn size_max(self) -> usize {
        match self {
            Self::Managed => 6_144,
            Self::Trust | Self::InlineUser => 2_048,
            Self::InlineRole => 10_240,
            Self::InlineGroup => 5_120,
        }
    }

    /// Refuses a size ([`counted_size`]; of inline policies the sum) above the quota. `owner` is the name of the user,
    /// role or group, which AWS's text for inline policies has.
    pub fn admit(self, size: usize, owner: &str) -> Result<(), Error> {
        if size <= self.size_max() {
            return Ok(());
        }
        Err(Error::OverQuota {
            quota: self,
            owner: owner.to_owned(),
        })
    }
}

/// The size of a document as IAM's quotas count it: characters, without white space.
pub fn counted_size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_does_not_count() {
        assert_eq!(counted_size("{ \"Version\" :\n\t\"2012-10-17\" }"), 24);
    }

    #[test]
    fn what_is_over_a_quota_is_refused_in_iams_words() {
        assert_eq!(Quota::Managed.admit(6_144, ""), Ok(()));
        let text = |quota: Quota, owner| {
            let error = quota.admit(quota.size_max() + 1, owner).unwrap_err();
            assert_eq!(error.code(), "LimitExceeded");
            error.to_string()
        };
        assert_eq!(
            text(Quota::Managed, ""),
            "Cannot exceed quota for PolicySize: 6144"
        );
        assert_eq!(
            text(Quota::Trust, ""),
            "Cannot exceed quota for ACLSizePerRole: 2048"
        );
        assert_eq!(
            text(Quota::InlineRole, "resize"),
            "Maximum policy size of 10240 bytes exceeded for role resize"
        );
    }
}
