//! The role that SAM makes for a function which has none.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{Macro, Made, Reason, function, is_function, policies};

/// Managed policies of AWS that may be named instead of given by their ARNs, and their paths.
const MANAGED: &[(&str, &str)] = &[
    ("AWSLambdaBasicExecutionRole", "service-role/"),
    ("AWSLambdaDynamoDBExecutionRole", "service-role/"),
    ("AWSLambdaENIManagementAccess", "service-role/"),
    ("AWSLambdaKinesisExecutionRole", "service-role/"),
    ("AWSLambdaMSKExecutionRole", "service-role/"),
    ("AWSLambdaRole", "service-role/"),
    ("AWSLambdaSQSQueueExecutionRole", "service-role/"),
    ("AWSLambdaVPCAccessExecutionRole", "service-role/"),
    ("AWSLambdaExecute", ""),
    ("AWSLambdaInvocation-DynamoDB", ""),
    ("AWSLambda_FullAccess", ""),
    ("AWSLambda_ReadOnlyAccess", ""),
    ("AWSXRayDaemonWriteAccess", ""),
    ("AWSXrayWriteOnlyAccess", ""),
    ("AdministratorAccess", ""),
    ("AmazonDynamoDBFullAccess", ""),
    ("AmazonDynamoDBReadOnlyAccess", ""),
    ("AmazonEventBridgeFullAccess", ""),
    ("AmazonS3FullAccess", ""),
    ("AmazonS3ReadOnlyAccess", ""),
    ("AmazonSNSFullAccess", ""),
    ("AmazonSNSReadOnlyAccess", ""),
    ("AmazonSQSFullAccess", ""),
    ("AmazonSQSReadOnlyAccess", ""),
    ("AmazonSSMFullAccess", ""),
    ("AmazonSSMReadOnlyAccess", ""),
    ("CloudWatchFullAccess", ""),
    ("CloudWatchLambdaInsightsExecutionRolePolicy", ""),
    ("CloudWatchLogsFullAccess", ""),
    ("PowerUserAccess", ""),
    ("ReadOnlyAccess", ""),
    ("SecretsManagerReadWrite", ""),
];

/// Entries of `Policies`; a role has at most 20 managed policies in AWS.
const POLICIES_MAX: usize = 200;

/// A policy that a role has inline.
pub(super) struct Inline {
    pub(super) name: String,
    pub(super) document: Json,
}

impl Inline {
    /// One statement that allows an action.
    pub(super) fn allow(name: String, action: &str, resource: &Json) -> Inline {
        let document =
            json!({"Statement": [{"Action": action, "Effect": "Allow", "Resource": resource}]});
        Inline { name, document }
    }

    pub(super) fn to_json(&self) -> Json {
        json!({"PolicyName": self.name, "PolicyDocument": self.document})
    }
}

/// Who may take a role.
pub(super) fn trust(service: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [service]}}],
    })
}

/// Makes the role of a function: what it needs by its own properties, by those of its events (`more`), and what its
/// `Policies` give it.
pub(super) fn make(
    of: &Macro<'_>,
    inline: Vec<Inline>,
    more: Vec<Json>,
    made: &mut Made,
) -> Result<(), Reason> {
    let mut managed = vec![arn("service-role/AWSLambdaBasicExecutionRole")];
    if function::is_traced(of) {
        managed.push(arn("AWSXrayWriteOnlyAccess"));
    }
    if of.get("VpcConfig").is_some() {
        managed.push(arn("service-role/AWSLambdaVPCAccessExecutionRole"));
    }
    let role = format!("{}Role", of.name);
    let mut policies: Vec<Json> = inline.iter().map(Inline::to_json).collect();
    let list = match of.get("Policies") {
        None => Vec::new(),
        Some(Json::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    if list.len() > POLICIES_MAX {
        return Err(format!("Policies must be at most {POLICIES_MAX}"));
    }
    for (at, policy) in list.iter().enumerate() {
        match read(policy)? {
            Policy::Managed(arn) if managed.contains(&arn) => {}
            Policy::Managed(arn) => managed.push(arn),
            Policy::Inline(document) => {
                let name = format!("{role}Policy{at}");
                policies.push(Inline { name, document }.to_json());
            }
            Policy::Nothing => {}
        }
    }
    for arn in more {
        if !managed.contains(&arn) {
            managed.push(arn);
        }
    }
    let properties = json!({
        "AssumeRolePolicyDocument": of.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(|| trust("lambda.amazonaws.com")),
        "ManagedPolicyArns": managed,
        "Path": of.get("RolePath"),
        "PermissionsBoundary": of.get("PermissionsBoundary"),
        "Policies": if policies.is_empty() { Json::Null } else { policies.into() },
        "Tags": function::tags(of)?,
    });
    made.add(of, &role, "AWS::IAM::Role", properties);
    Ok(())
}

/// The ARN of a managed policy of AWS.
pub(super) fn arn(path: &str) -> Json {
    format!("arn:aws:iam::aws:policy/{path}").into()
}

enum Policy {
    Managed(Json),
    Inline(Json),
    Nothing,
}

/// What one of `Policies` is: a name, an ARN, a document, or a template with its parameters.
fn read(policy: &Json) -> Result<Policy, Reason> {
    match policy {
        Json::String(name) => {
            let known = MANAGED.iter().find(|(managed, _)| managed == name);
            let policy = match known {
                Some((name, path)) => arn(&format!("{path}{name}")),
                None => policy.clone(),
            };
            Ok(Policy::Managed(policy))
        }
        Json::Object(map) if map.contains_key("Statement") => Ok(Policy::Inline(policy.clone())),
        Json::Object(map) if map.get("Ref") == Some(&"AWS::NoValue".into()) => Ok(Policy::Nothing),
        Json::Object(_) if is_function(policy) => with_function(policy),
        Json::Object(map) if map.len() == 1 => template(map),
        _ => Err("Policies must be names or ARNs of managed policies, policy templates, or documents with Statement".to_owned()),
    }
}

/// A managed policy by a function, or a document in either branch of `Fn::If`.
fn with_function(policy: &Json) -> Result<Policy, Reason> {
    let branches = policy.get("Fn::If").and_then(Json::as_array);
    let is_document = |branch: &Json| branch.as_object().is_some() && !is_function(branch);
    match branches.map(Vec::as_slice) {
        Some([_, then, otherwise]) if is_document(then) || is_document(otherwise) => {
            Err("Fn::If in Policies is supported by Kiln for managed policies alone: put it into a Statement".to_owned())
        }
        _ => Ok(Policy::Managed(policy.clone())),
    }
}

fn template(map: &JsonMap<String, Json>) -> Result<Policy, Reason> {
    let (name, given) = map.iter().next().ok_or("Policies has an empty map")?;
    Ok(Policy::Inline(policies::policy(name, given)?))
}
