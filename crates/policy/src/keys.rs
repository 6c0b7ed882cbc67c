//! Condition keys, as AWS writes them: the global ones and those of Lambda, STS and IAM.
//!
//! Sources: "AWS global condition context keys" in the IAM user guide; "Actions, resources, and condition keys for AWS
//! Lambda" in the service authorization reference.

/// When the request was made, in ISO 8601.
pub const CURRENT_TIME: &str = "aws:CurrentTime";
/// When the request was made, in seconds since 1970.
pub const EPOCH_TIME: &str = "aws:EpochTime";
/// The ARN of the user, the role (not the session) or the root user that asks.
pub const PRINCIPAL_ARN: &str = "aws:PrincipalArn";
/// The account of who asks.
pub const PRINCIPAL_ACCOUNT: &str = "aws:PrincipalAccount";
/// `Account`, `User`, `AssumedRole`, `FederatedUser` or `Anonymous`.
pub const PRINCIPAL_TYPE: &str = "aws:PrincipalType";
/// `true` when a service asks with its own credentials.
pub const PRINCIPAL_IS_AWS_SERVICE: &str = "aws:PrincipalIsAWSService";
/// The name of the service that asks, such as `s3.amazonaws.com`.
pub const PRINCIPAL_SERVICE_NAME: &str = "aws:PrincipalServiceName";
/// All names of the service that asks. Multivalued.
pub const PRINCIPAL_SERVICE_NAMES_LIST: &str = "aws:PrincipalServiceNamesList";
/// The unique id of who asks; of a session `role-id:session-name`.
pub const USER_ID: &str = "aws:userid";
/// The name of the user that asks; users only.
pub const USER_NAME: &str = "aws:username";
/// When temporary credentials were issued; missing with long-term ones.
pub const TOKEN_ISSUE_TIME: &str = "aws:TokenIssueTime";
/// Whether who asks proved a second factor; missing with long-term credentials.
pub const MULTI_FACTOR_AUTH_PRESENT: &str = "aws:MultiFactorAuthPresent";
/// The seconds since the second factor was proved.
pub const MULTI_FACTOR_AUTH_AGE: &str = "aws:MultiFactorAuthAge";
/// The provider through which a web identity signed in.
pub const FEDERATED_PROVIDER: &str = "aws:FederatedProvider";
/// The source identity that was set when a role was assumed.
pub const SOURCE_IDENTITY: &str = "aws:SourceIdentity";
/// The ARN of the function whose role asks.
pub const LAMBDA_SOURCE_FUNCTION_ARN: &str = "lambda:SourceFunctionArn";
/// The resource on whose behalf a service asks.
pub const SOURCE_ARN: &str = "aws:SourceArn";
/// The account of the resource on whose behalf a service asks.
pub const SOURCE_ACCOUNT: &str = "aws:SourceAccount";
/// The address that the request came from.
pub const SOURCE_IP: &str = "aws:SourceIp";
/// Whether the request came over TLS.
pub const SECURE_TRANSPORT: &str = "aws:SecureTransport";
/// What the client calls itself; anybody can say anything.
pub const USER_AGENT: &str = "aws:UserAgent";
/// What the client says it came from; anybody can say anything.
pub const REFERER: &str = "aws:referer";
/// The region that the request is for.
pub const REQUESTED_REGION: &str = "aws:RequestedRegion";
/// The account that owns the resource.
pub const RESOURCE_ACCOUNT: &str = "aws:ResourceAccount";
/// The keys of the tags in the request. Multivalued.
pub const TAG_KEYS: &str = "aws:TagKeys";
/// The services through which the request came. Multivalued.
pub const CALLED_VIA: &str = "aws:CalledVia";
/// The first of the services through which the request came.
pub const CALLED_VIA_FIRST: &str = "aws:CalledViaFirst";
/// The last of the services through which the request came.
pub const CALLED_VIA_LAST: &str = "aws:CalledViaLast";
/// Whether a service asks with the credentials of who asked it.
pub const VIA_AWS_SERVICE: &str = "aws:ViaAWSService";

/// The function that a mapping is for, of `lambda:CreateEventSourceMapping` and its like.
pub const LAMBDA_FUNCTION_ARN: &str = "lambda:FunctionArn";
/// How a function URL asks who calls: `AWS_IAM` or `NONE`.
pub const LAMBDA_FUNCTION_URL_AUTH_TYPE: &str = "lambda:FunctionUrlAuthType";
/// Whether the function is invoked through its URL.
pub const LAMBDA_INVOKED_VIA_FUNCTION_URL: &str = "lambda:InvokedViaFunctionUrl";
/// Whom `lambda:AddPermission` lets in.
pub const LAMBDA_PRINCIPAL: &str = "lambda:Principal";
/// The layers of a function. Multivalued.
pub const LAMBDA_LAYER: &str = "lambda:Layer";
/// The code signing configuration of a function.
pub const LAMBDA_CODE_SIGNING_CONFIG_ARN: &str = "lambda:CodeSigningConfigArn";
/// The token that a service which is no AWS service must show.
pub const LAMBDA_EVENT_SOURCE_TOKEN: &str = "lambda:EventSourceToken";
/// The subnets of a function. Multivalued.
pub const LAMBDA_SUBNET_IDS: &str = "lambda:SubnetIds";
/// The security groups of a function. Multivalued.
pub const LAMBDA_SECURITY_GROUP_IDS: &str = "lambda:SecurityGroupIds";
/// The VPC of a function.
pub const LAMBDA_VPC_IDS: &str = "lambda:VpcIds";

/// What an assumer shows that a third party was told.
pub const STS_EXTERNAL_ID: &str = "sts:ExternalId";
/// The name that an assumer gives its session.
pub const STS_ROLE_SESSION_NAME: &str = "sts:RoleSessionName";
/// The service that a role is passed to, of `iam:PassRole`.
pub const IAM_PASSED_TO_SERVICE: &str = "iam:PassedToService";
/// The policy that is attached or detached.
pub const IAM_POLICY_ARN: &str = "iam:PolicyARN";
/// The boundary that a user or role is given.
pub const IAM_PERMISSIONS_BOUNDARY: &str = "iam:PermissionsBoundary";

/// `aws:PrincipalTag/<tag>`: a tag of who asks.
pub fn principal_tag(tag: &str) -> String {
    format!("aws:PrincipalTag/{tag}")
}

/// `aws:ResourceTag/<tag>`: a tag of the resource.
pub fn resource_tag(tag: &str) -> String {
    format!("aws:ResourceTag/{tag}")
}

/// `aws:RequestTag/<tag>`: a tag that the request sets.
pub fn request_tag(tag: &str) -> String {
    format!("aws:RequestTag/{tag}")
}
