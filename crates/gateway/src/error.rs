//! What can go wrong: for the server that runs us ([`Error`]) and for a caller ([`ApiError`]).
//!
//! This is the one file that maps our words to AWS's exceptions. How an exception travels
//! depends on the protocol and is in [`crate::wire::fault`].

use std::borrow::Cow;
use std::path::PathBuf;

/// Why the gateway could not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener gave an error that another attempt does not cure.
    #[error("accept a connection")]
    Accept(#[source] std::io::Error),
    /// A certificate or its key cannot be used.
    #[error("use {file} for TLS: {why}", file = file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The library for TLS does not do what is wanted of it.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    /// What was kept of an earlier certificate cannot be read.
    #[error("read the certificate that was kept")]
    Kept(#[source] kiln_store::Error),
}

/// The result of an operation.
pub(crate) type Result<T> = std::result::Result<T, ApiError>;

/// What a caller is told instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Which exception.
    pub(crate) exception: Exception,
    /// AWS's words, or ours where AWS has none.
    pub(crate) message: Cow<'static, str>,
    /// `Reason`, which only throttling has.
    pub(crate) reason: Option<&'static str>,
    /// The `Retry-After` header in seconds.
    pub(crate) retry_after_secs: Option<u64>,
}

impl ApiError {
    /// An exception with its message.
    pub(crate) fn new(exception: Exception, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            exception,
            message: message.into(),
            reason: None,
            retry_after_secs: None,
        }
    }

    /// The same with a `Reason`.
    pub(crate) fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same with a `Retry-After` header.
    pub(crate) fn with_retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// An operation that Kiln does not have yet. AWS's SDKs raise it under this name and, as it is
    /// neither throttling nor a failure of the server's, do not try again.
    pub(crate) fn not_implemented(what: impl std::fmt::Display) -> Self {
        Self::new(
            Exception::NotImplemented,
            format!("Kiln does not have {what} yet."),
        )
    }

    /// A failure of ours, which the caller may try again.
    pub(crate) fn internal() -> Self {
        Self::new(
            Exception::Service,
            "Kiln could not finish the request; try again.",
        )
    }
}

/// How an exception's JSON document names its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKey {
    /// `Message`, beside `Type`.
    Upper,
    /// `message`, beside `Type`.
    Lower,
    /// `message` alone: what comes from AWS's common front end rather than from the service.
    Front,
}

macro_rules! exceptions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $key:ident;)*) => {
        /// Every exception that Kiln raises.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Exception {
            $($(#[$doc])* $variant,)*
        }

        impl Exception {
            /// The name on the wire.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Exception::$variant => $name,)*
                }
            }

            /// The status in the REST protocol.
            pub(crate) fn status(self) -> u16 {
                match self {
                    $(Exception::$variant => $status,)*
                }
            }

            /// How its JSON document names its message.
            pub(crate) fn message_key(self) -> MessageKey {
                match self {
                    $(Exception::$variant => MessageKey::$key,)*
                }
            }
        }
    };
}

exceptions! {
    /// There is no such identity or policy.
    NoSuchEntity = "NoSuchEntity", 404, Front;
    /// There is such an identity or policy.
    EntityAlreadyExists = "EntityAlreadyExists", 409, Front;
    /// What should be removed is in use, or not empty.
    DeleteConflict = "DeleteConflict", 409, Front;
    /// There are as many identities of a kind as there may be, or one would be too large.
    QuotaExceeded = "LimitExceeded", 409, Front;
    /// A policy's document is none.
    MalformedPolicyDocument = "MalformedPolicyDocument", 400, Front;
    /// A policy cannot be evaluated.
    PolicyEvaluation = "PolicyEvaluation", 500, Front;
    /// The policies of a session are too large together.
    PackedPolicyTooLarge = "PackedPolicyTooLarge", 400, Front;
    /// What identities are asked for cannot be.
    InvalidInput = "InvalidInput", 400, Front;
    /// A resource has as many tags as it may.
    TagLimitExceeded = "TagLimitExceeded", 400, Front;
    /// A topic has as many subscriptions as it may.
    SubscriptionLimitExceeded = "SubscriptionLimitExceeded", 403, Front;
    /// There are as many topics as there may be.
    TopicLimitExceeded = "TopicLimitExceeded", 403, Front;
    /// There is no such topic, to be tagged.
    TaggedNotFound = "ResourceNotFound", 404, Front;
    /// What is published has an attribute that is none.
    ParameterValueInvalid = "ParameterValueInvalid", 400, Front;
    /// Two entries of a batch that is published have the same id.
    PublishIdsNotDistinct = "BatchEntryIdsNotDistinct", 400, Front;
    /// The messages of a batch that is published are too large together.
    PublishTooLong = "BatchRequestTooLong", 400, Front;
    /// A batch that is published has no entries.
    PublishEmpty = "EmptyBatchRequest", 400, Front;
    /// The id of an entry of a batch that is published is none.
    PublishIdInvalid = "InvalidBatchEntryId", 400, Front;
    /// A batch that is published has too many entries.
    PublishTooMany = "TooManyEntriesInBatchRequest", 400, Front;
    /// Too much is published at once.
    Throttled = "Throttled", 429, Front;
    /// Two entries of a batch have the same id.
    BatchEntryIdsNotDistinct = "BatchEntryIdsNotDistinct", 400, Front;
    /// The messages of a batch are too large together.
    BatchRequestTooLong = "BatchRequestTooLong", 400, Front;
    /// A batch has no entries.
    EmptyBatchRequest = "EmptyBatchRequest", 400, Front;
    /// The queue address is none.
    InvalidAddress = "InvalidAddress", 404, Front;
    /// A queue has no such attribute.
    InvalidAttributeName = "InvalidAttributeName", 400, Front;
    /// A queue's attribute cannot have this value.
    InvalidAttributeValue = "InvalidAttributeValue", 400, Front;
    /// The id of an entry of a batch is none.
    InvalidBatchEntryId = "InvalidBatchEntryId", 400, Front;
    /// A message's body holds what no message may.
    InvalidMessageContents = "InvalidMessageContents", 400, Front;
    /// A parameter is missing.
    MissingRequiredParameter = "MissingRequiredParameterException", 400, Front;
    /// More than the service allows.
    OverLimit = "OverLimit", 403, Front;
    /// There is no such queue.
    QueueDoesNotExist = "QueueDoesNotExist", 400, Front;
    /// There is such a queue, and it is another.
    QueueNameExists = "QueueNameExists", 400, Front;
    /// The receipt of a message is none.
    ReceiptHandleIsInvalid = "ReceiptHandleIsInvalid", 404, Front;
    /// A batch has too many entries.
    TooManyEntriesInBatchRequest = "TooManyEntriesInBatchRequest", 400, Front;
    /// The operation does not do this.
    UnsupportedOperation = "UnsupportedOperation", 400, Front;
    /// The caller may not do this, as the Simple Notification Service says it.
    AuthorizationError = "AuthorizationError", 403, Front;
    /// The caller may not do this.
    AccessDenied = "AccessDeniedException", 403, Front;
    /// What API Gateway is asked for cannot be.
    BadRequest = "BadRequestException", 400, Front;
    /// There is no such code-signing configuration.
    CodeSigningConfigNotFound = "CodeSigningConfigNotFoundException", 404, Upper;
    /// Nobody signed the code whose signatures are accepted.
    CodeVerificationFailed = "CodeVerificationFailedException", 400, Upper;
    /// The code has a signature and is not what was signed.
    InvalidCodeSignature = "InvalidCodeSignatureException", 400, Upper;
    /// The account's code storage is full.
    CodeStorageExceeded = "CodeStorageExceededException", 400, Lower;
    /// Another part of the API stands in the way, or the name is taken.
    Conflict = "ConflictException", 409, Front;
    /// The function's file system cannot be mounted.
    EfsMountFailure = "EFSMountFailureException", 403, Upper;
    /// A hook failed after the snapshot was restored.
    SnapStart = "SnapStartException", 400, Upper;
    /// The snapshot could not be restored in time.
    SnapStartTimeout = "SnapStartTimeoutException", 408, Upper;
    /// A version is being initialised for its snapshot.
    SnapStartNotReady = "SnapStartNotReadyException", 409, Upper;
    /// The credentials were temporary, and are over.
    ExpiredToken = "ExpiredTokenException", 403, Front;
    /// The signature lacks a part.
    IncompleteSignature = "IncompleteSignatureException", 400, Front;
    /// A log operation's parameter is wrong.
    InvalidParameter = "InvalidParameterException", 400, Lower;
    /// A parameter is wrong.
    InvalidParameterValue = "InvalidParameterValueException", 400, Lower;
    /// The event is not JSON.
    InvalidRequestContent = "InvalidRequestContentException", 400, Lower;
    /// The signature does not match, is out of its time or of its scope.
    InvalidSignature = "InvalidSignatureException", 403, Front;
    /// There is no signature.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 403, Front;
    /// API Gateway has no such API, or the API no such part.
    NotFound = "NotFoundException", 404, Front;
    /// Kiln does not have this operation yet. Not an exception of AWS's.
    NotImplemented = "NotImplementedException", 501, Front;
    /// The resource policy would grow too large.
    PolicyLengthExceeded = "PolicyLengthExceededException", 400, Lower;
    /// The revision is not the latest.
    PreconditionFailed = "PreconditionFailedException", 412, Lower;
    /// No instances are kept ready under this name.
    ProvisionedConcurrencyConfigNotFound = "ProvisionedConcurrencyConfigNotFoundException", 404, Lower;
    /// An invocation in a loop was stopped.
    RecursiveInvocation = "RecursiveInvocationException", 400, Upper;
    /// The request is larger than the operation takes.
    RequestEntityTooLarge = "RequestEntityTooLargeException", 413, Lower;
    /// The request did not arrive in time.
    RequestTimeout = "RequestTimeoutException", 408, Front;
    /// There is such a log group.
    ResourceAlreadyExists = "ResourceAlreadyExistsException", 400, Lower;
    /// It exists already or is being changed.
    ResourceConflict = "ResourceConflictException", 409, Lower;
    /// It is being changed.
    ResourceInUse = "ResourceInUseException", 400, Upper;
    /// It does not exist.
    ResourceNotFound = "ResourceNotFoundException", 404, Upper;
    /// The request cannot be read.
    Serialization = "SerializationException", 400, Front;
    /// The account has as many as it may.
    ServiceQuotaExceeded = "ServiceQuotaExceededException", 402, Upper;
    /// Kiln failed.
    Service = "ServiceException", 500, Upper;
    /// Kiln cannot take the request now.
    ServiceUnavailable = "ServiceUnavailableException", 503, Front;
    /// Too many at once or too fast.
    TooManyRequests = "TooManyRequestsException", 429, Lower;
    /// The service has no operation of this name or at this path.
    UnknownOperation = "UnknownOperationException", 404, Front;
    /// The access key or the session token is not one of ours.
    UnrecognizedClient = "UnrecognizedClientException", 403, Front;
    /// A replay is over.
    IllegalStatus = "IllegalStatusException", 400, Front;
    /// A text is no event pattern.
    InvalidEventPattern = "InvalidEventPatternException", 400, Front;
    /// There are as many as there may be.
    LimitExceeded = "LimitExceededException", 400, Front;
    /// The state of a secret does not allow it.
    InvalidRequest = "InvalidRequestException", 400, Front;
    /// There is such a secret, or such a version of it.
    ResourceExists = "ResourceExistsException", 400, Front;
    /// What a page of secrets should go on from is no page's end.
    BadNextToken = "InvalidNextTokenException", 400, Front;
    /// A resource policy's document is none.
    MalformedResourcePolicy = "MalformedPolicyDocumentException", 400, Front;
    /// A resource policy would let everybody in.
    PublicPolicy = "PublicPolicyException", 400, Front;
    /// A pattern for parameters is none.
    InvalidAllowedPattern = "InvalidAllowedPatternException", 400, Front;
    /// There is nothing to filter by of this name.
    InvalidFilterKey = "InvalidFilterKey", 400, Front;
    /// One cannot filter like this.
    InvalidFilterOption = "InvalidFilterOption", 400, Front;
    /// One cannot filter by this.
    InvalidFilterValue = "InvalidFilterValue", 400, Front;
    /// What a page of parameters should go on from is no page's end.
    InvalidNextToken = "InvalidNextToken", 400, Front;
    /// There is nothing of this name that has tags.
    InvalidResourceId = "InvalidResourceId", 400, Front;
    /// Nothing of this kind has tags here.
    InvalidResourceType = "InvalidResourceType", 400, Front;
    /// The path of a parameter has too many levels.
    HierarchyLevelLimitExceeded = "HierarchyLevelLimitExceededException", 400, Front;
    /// There is such a parameter.
    ParameterAlreadyExists = "ParameterAlreadyExists", 400, Front;
    /// There are as many parameters as there may be.
    ParameterLimitExceeded = "ParameterLimitExceeded", 400, Front;
    /// The oldest version of a parameter cannot go for another.
    ParameterMaxVersionLimitExceeded = "ParameterMaxVersionLimitExceeded", 400, Front;
    /// There is no such parameter.
    ParameterNotFound = "ParameterNotFound", 400, Front;
    /// A parameter would not match its pattern.
    ParameterPatternMismatch = "ParameterPatternMismatchException", 400, Front;
    /// A version of a parameter has as many labels as it may.
    ParameterVersionLabelLimitExceeded = "ParameterVersionLabelLimitExceeded", 400, Front;
    /// A parameter has no such version.
    ParameterVersionNotFound = "ParameterVersionNotFound", 400, Front;
    /// A parameter has as many tags as it may.
    TooManyTags = "TooManyTagsError", 400, Front;
    /// Members break the model's constraints.
    Validation = "ValidationException", 400, Front;
}
