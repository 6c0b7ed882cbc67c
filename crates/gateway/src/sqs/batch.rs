//! What the batch operations have in common: entries with ids, each with a result of its own.

use std::collections::HashSet;

use super::generated::BatchResultErrorEntry;
use crate::error::{ApiError, Exception, Result};
use crate::wire::fault;

/// Entries of a batch.
pub(super) const ENTRIES_MAX: usize = 10;
/// Characters of an entry's id.
const ID_LENGTH_MAX: usize = 80;

/// Refuses a batch whose ids are none, or not distinct, or too many.
pub(super) fn check<'a>(
    operation: &str,
    ids: impl ExactSizeIterator<Item = &'a str>,
) -> Result<()> {
    let count = ids.len();
    if count == 0 {
        let message =
            format!("There should be at least one {operation}RequestEntry in the request.");
        return Err(ApiError::new(Exception::EmptyBatchRequest, message));
    }
    if count > ENTRIES_MAX {
        let message = format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}."
        );
        return Err(ApiError::new(
            Exception::TooManyEntriesInBatchRequest,
            message,
        ));
    }
    let mut seen = HashSet::new();
    for id in ids {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=ID_LENGTH_MAX).contains(&id.len()) || !id.bytes().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and \
                           underscores. It can be at most 80 letters long.";
            return Err(ApiError::new(Exception::InvalidBatchEntryId, message));
        }
        if !seen.insert(id) {
            let message = format!("Id {id} repeated.");
            return Err(ApiError::new(Exception::BatchEntryIdsNotDistinct, message));
        }
    }
    Ok(())
}

/// The entry that failed.
pub(super) fn failed(id: String, error: &ApiError) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        sender_fault: error.exception.status() < 500,
        code: fault::entry_code(error.exception).to_owned(),
        message: Some(error.message.to_string()),
    }
}

/// Does with all that are right what takes them together, and says of each what came of it.
pub(super) struct Sorted<I, D> {
    /// Those that are right, with what they ask for.
    pub(super) right: Vec<(I, D)>,
    /// Those that are not.
    pub(super) failed: Vec<BatchResultErrorEntry>,
}

impl<D> Sorted<String, D> {
    /// Reads all entries.
    pub(super) fn read<E>(
        entries: Vec<E>,
        id: impl Fn(&E) -> String,
        read: impl Fn(E) -> Result<D>,
    ) -> Self {
        let mut sorted = Self {
            right: Vec::new(),
            failed: Vec::new(),
        };
        for entry in entries {
            let id = id(&entry);
            match read(entry) {
                Ok(asked) => sorted.right.push((id, asked)),
                Err(error) => sorted.failed.push(failed(id, &error)),
            }
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(ids: &[&str]) -> (Exception, String) {
        let error = check("SendMessageBatch", ids.iter().copied()).unwrap_err();
        (error.exception, error.message.into_owned())
    }

    #[test]
    fn batches_are_refused_in_the_words_of_aws() {
        assert!(check("SendMessageBatch", ["a", "B-_9"].into_iter()).is_ok());
        let (exception, message) = refused(&[]);
        assert_eq!(exception, Exception::EmptyBatchRequest);
        let expected = "There should be at least one SendMessageBatchRequestEntry in the request.";
        assert_eq!(message, expected);
        let (exception, message) = refused(&["x"; 20]);
        assert_eq!(exception, Exception::TooManyEntriesInBatchRequest);
        assert_eq!(
            message,
            "Maximum number of entries per request are 10. You have sent 20."
        );
        assert_eq!(
            refused(&["a", "a"]),
            (
                Exception::BatchEntryIdsNotDistinct,
                "Id a repeated.".to_owned()
            )
        );
        for id in ["", "a:b", &"a".repeat(81)] {
            assert_eq!(refused(&[id]).0, Exception::InvalidBatchEntryId);
        }
    }
}
