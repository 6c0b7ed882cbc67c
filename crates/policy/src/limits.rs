//! How big documents may be to be read at all. What may be kept is for whoever keeps it to say.

/// The longest text that is read, in bytes: what IAM's API lets a `PolicyDocument` be
/// (`policyDocumentType` in its service model). A longer one is refused before it is parsed.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;
