//! AWS's own managed policies, as far as tools that deploy functions name them.
//!
//! AWS differs: there are these and no others. Their ids and dates are Kiln's, and what they allow is what AWS's allow of the
//! services that Kiln has; `ReadOnlyAccess` says that in fewer words.

use kiln_types::iam::{PolicyArn, PolicyOwner};

/// The one version that each has.
pub(super) const VERSION: &str = "v1";
/// When each is said to have been made.
pub(super) const CREATED: &str = "2026-11-28T00:00:00Z";

/// One of them.
#[derive(Debug)]
pub(crate) struct AwsPolicy {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    /// What it says.
    pub(crate) document: &'static str,
}

impl AwsPolicy {
    /// Its ARN.
    pub(crate) fn arn(&self) -> PolicyArn {
        PolicyArn {
            owner: PolicyOwner::Aws,
            path: self.path.parse().expect("a test reads every path"),
            name: self.name.parse().expect("a test reads every name"),
        }
    }
}

/// The policy with an ARN, if it is one of these.
pub(crate) fn find(arn: &PolicyArn) -> Option<&'static AwsPolicy> {
    if arn.owner != PolicyOwner::Aws {
        return None;
    }
    let mut all = ALL.iter();
    all.find(|policy| policy.name == arn.name.as_str() && policy.path == arn.path.as_str())
}

/// Whether it is AWS's, and not among these.
pub(super) fn is_missing(arn: &PolicyArn) -> bool {
    arn.owner == PolicyOwner::Aws && find(arn).is_none()
}

macro_rules! policies {
    ($($id:literal $path:literal $name:literal)*) => {
        /// All of them.
        pub(crate) static ALL: &[AwsPolicy] = &[$(AwsPolicy {
            path: $path,
            name: $name,
            id: $id,
            document: include_str!(concat!("aws_managed/", $name, ".json")),
        }),*];
    };
}

policies! {
    "ANPAKILNAWSMANAGED001" "/" "AdministratorAccess"
    "ANPAKILNAWSMANAGED002" "/" "PowerUserAccess"
    "ANPAKILNAWSMANAGED003" "/" "ReadOnlyAccess"
    "ANPAKILNAWSMANAGED004" "/" "IAMFullAccess"
    "ANPAKILNAWSMANAGED005" "/" "AmazonS3FullAccess"
    "ANPAKILNAWSMANAGED006" "/" "AmazonS3ReadOnlyAccess"
    "ANPAKILNAWSMANAGED007" "/" "AmazonSQSFullAccess"
    "ANPAKILNAWSMANAGED008" "/" "AmazonSNSFullAccess"
    "ANPAKILNAWSMANAGED009" "/" "AWSLambda_FullAccess"
    "ANPAKILNAWSMANAGED010" "/" "AWSLambda_ReadOnlyAccess"
    "ANPAKILNAWSMANAGED011" "/" "CloudWatchLogsFullAccess"
    "ANPAKILNAWSMANAGED012" "/" "AWSXRayDaemonWriteAccess"
    "ANPAKILNAWSMANAGED013" "/service-role/" "AWSLambdaBasicExecutionRole"
    "ANPAKILNAWSMANAGED014" "/service-role/" "AWSLambdaSQSQueueExecutionRole"
    "ANPAKILNAWSMANAGED015" "/service-role/" "AWSLambdaVPCAccessExecutionRole"
    "ANPAKILNAWSMANAGED016" "/service-role/" "AWSLambdaRole"
}

#[cfg(test)]
mod tests {
    use kiln_policy::{Policy, PolicyKind};

    use super::*;

    #[test]
    fn each_is_a_policy_and_is_found_by_its_arn() {
        for policy in ALL {
            let found = find(&policy.arn()).unwrap();
            assert_eq!(found.id, policy.id);
            assert_eq!(policy.id.len(), 21);
            let read = Policy::parse(PolicyKind::Managed, policy.document);
            assert!(read.is_ok(), "{}: {read:?}", policy.name);
        }
        let other: PolicyArn = "arn:aws:iam::aws:policy/AWSLambdaRole".parse().unwrap();
        assert!(is_missing(&other), "it is filed elsewhere");
    }
}
