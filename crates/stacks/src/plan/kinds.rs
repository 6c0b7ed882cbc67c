//! The types of resources that Kiln has, and what an update of each takes.
//!
//! Of each: the properties of which another value takes another resource ("Update requires: Replacement" in the
//! CloudFormation template reference), and the property that gives it a name of its own.

/// A type: its name, what replaces it, its name's property.
type Row = (&'static str, &'static [&'static str], Option<&'static str>);

const KINDS: &[Row] = &[
    ("AWS::ApiGatewayV2::Api", &["ProtocolType"], None),
    ("AWS::ApiGatewayV2::Authorizer", &["ApiId"], None),
    ("AWS::ApiGatewayV2::Deployment", &["ApiId"], None),
    ("AWS::ApiGatewayV2::Integration", &["ApiId"], None),
    ("AWS::ApiGatewayV2::Route", &["ApiId"], None),
    (
        "AWS::ApiGatewayV2::Stage",
        &["ApiId", "StageName"],
        Some("StageName"),
    ),
    // What the CDK says of itself in every stack: there is nothing to make.
    ("AWS::CDK::Metadata", &[], None),
    ("AWS::Events::EventBus", &["Name"], Some("Name")),
    ("AWS::Events::Rule", &["Name", "EventBusName"], Some("Name")),
    (
        "AWS::IAM::ManagedPolicy",
        &["Description", "ManagedPolicyName", "Path"],
        Some("ManagedPolicyName"),
    ),
    ("AWS::IAM::Policy", &[], None),
    ("AWS::IAM::Role", &["Path", "RoleName"], Some("RoleName")),
    ("AWS::IAM::User", &["UserName"], Some("UserName")),
    ("AWS::Lambda::Alias", &["FunctionName", "Name"], None),
    (
        "AWS::Lambda::EventInvokeConfig",
        &["FunctionName", "Qualifier"],
        None,
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        &[
            "EventSourceArn",
            "SelfManagedEventSource",
            "StartingPosition",
            "StartingPositionTimestamp",
        ],
        None,
    ),
    (
        "AWS::Lambda::Function",
        &["FunctionName", "PackageType", "TenancyConfig"],
        Some("FunctionName"),
    ),
    (
        "AWS::Lambda::LayerVersion",
        &[
            "CompatibleArchitectures",
            "CompatibleRuntimes",
            "Content",
            "Description",
            "LayerName",
            "LicenseInfo",
        ],
        None,
    ),
    (
        "AWS::Lambda::LayerVersionPermission",
        &["Action", "LayerVersionArn", "OrganizationId", "Principal"],
        None,
    ),
    (
        "AWS::Lambda::Permission",
        &[
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        ],
        None,
    ),
    (
        "AWS::Lambda::Url",
        &["Qualifier", "TargetFunctionArn"],
        None,
    ),
    (
        "AWS::Lambda::Version",
        &[
            "CodeSha256",
            "Description",
            "FunctionName",
            "ProvisionedConcurrencyConfig",
            "RuntimePolicy",
        ],
        None,
    ),
    (
        "AWS::Logs::LogGroup",
        &["LogGroupName"],
        Some("LogGroupName"),
    ),
    (
        "AWS::S3::Bucket",
        &["BucketName", "BucketNamePrefix", "BucketNamespace"],
        Some("BucketName"),
    ),
    ("AWS::S3::BucketPolicy", &["Bucket"], None),
    (
        "AWS::SNS::Subscription",
        &["Endpoint", "Protocol", "TopicArn"],
        None,
    ),
    (
        "AWS::SNS::Topic",
        &["FifoTopic", "TopicName"],
        Some("TopicName"),
    ),
    ("AWS::SNS::TopicPolicy", &[], None),
    (
        "AWS::SQS::Queue",
        &["FifoQueue", "QueueName"],
        Some("QueueName"),
    ),
    ("AWS::SQS::QueuePolicy", &[], None),
    ("AWS::SSM::Parameter", &["Name"], Some("Name")),
    ("AWS::Scheduler::Schedule", &["Name"], Some("Name")),
    ("AWS::Scheduler::ScheduleGroup", &["Name"], Some("Name")),
    ("AWS::SecretsManager::Secret", &["Name"], Some("Name")),
];

/// Whether Kiln has resources of a type.
pub fn is_supported(kind: &str) -> bool {
    row(kind).is_some()
}

/// The properties of which another value takes another resource.
pub(super) fn replaced_by(kind: &str) -> &'static [&'static str] {
    row(kind).map_or(&[], |row| row.1)
}

/// The property that gives a resource a name which no other can have.
pub(super) fn name_of(kind: &str) -> Option<&'static str> {
    row(kind).and_then(|row| row.2)
}

fn row(kind: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.0 == kind)
}
