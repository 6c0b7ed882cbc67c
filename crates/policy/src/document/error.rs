//! Why a document is refused, in AWS's words.
//!
//! The texts are AWS's as published error reports and the recorded answers of its API have them; where one is not known, the
//! general `Syntax errors in policy.` stands for it, and the variant's detail says what is wrong.

/// Why a document is none: IAM's `MalformedPolicyDocument`. Its text is AWS's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no JSON, or not of a policy's shape; what is wrong is in our words, for logs.
    #[error("Syntax errors in policy.")]
    Syntax(String),
    /// It is longer than anything that is read.
    #[error("Syntax errors in policy.")]
    TooLong,
    /// A managed policy in an older version of the language.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// AWS reads documents twice; this is what its older parser refuses: the case of `Effect`, dates, ARNs cut short.
    #[error("The policy failed legacy parsing")]
    Legacy(String),
    /// Two statements have one name.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid(String),
    /// A statement says neither `Action` nor `NotAction`.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// A statement says neither `Resource` nor `NotResource`.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// An action without a service before its colon.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    ActionWithoutVendor(String),
    /// An action with several colons.
    #[error("Actions/Condition can contain only one colon.")]
    ActionWithColons(String),
    /// The service of an action is not a name.
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    /// A resource that is no ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    NotAnArn(String),
    /// A resource's ARN of another partition.
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition {
        /// What stands after `arn:`.
        partition: String,
        /// The ARN, as AWS fills it up.
        resource: String,
    },
    /// A resource's ARN that does not name its service in full.
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    ResourceVendor(String),
    /// A resource of IAM, which is in no region, with one.
    #[error("IAM resource {0} cannot contain region information.")]
    IamRegion(String),
    /// A policy of an identity that says who.
    #[error("Policy document should not specify a principal.")]
    Principal,
    /// A policy of a resource that does not say who.
    #[error("Missing required field Principal")]
    NoPrincipal,
    /// A trust policy that says which resource.
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    /// A principal that cannot be one.
    #[error("Invalid principal in policy: \"{kind}\":\"{name}\"")]
    InvalidPrincipal {
        /// `AWS`, `SERVICE`, `FEDERATED` or `CANONICALUSER`.
        kind: &'static str,
        /// As it was written.
        name: String,
    },
    /// A trust policy with an action that is no way to assume a role.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole(String),
}

impl Error {
    pub(super) fn syntax(what: impl Into<String>) -> Self {
        Self::Syntax(what.into())
    }
}
