//! `AWS::Serverless::Function`.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::role::{self, Inline};
use super::{Macro, Made, Reason, code, events, is_function, publish, resolve};

/// Properties that the Lambda function has as they are.
const SAME: &[&str] = &[
    "Architectures",
    "CodeSigningConfigArn",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionName",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "TenancyConfig",
    "Timeout",
    "VpcConfig",
];

/// The others.
const OWN: &[&str] = &[
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "CodeUri",
    "DeadLetterQueue",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "FunctionUrlConfig",
    "ImageUri",
    "InlineCode",
    "PermissionsBoundary",
    "Policies",
    "PropagateTags",
    "ProvisionedConcurrencyConfig",
    "RolePath",
    "SourceKMSKeyArn",
    "Tags",
    "Tracing",
    "VersionDeletionPolicy",
    "VersionDescription",
];

/// The kinds of what is made that have tags of this form.
const TAGGED: &[&str] = &[
    "AWS::IAM::Role",
    "AWS::Lambda::Function",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
];

/// What events and URLs are connected with: the function, or the alias that is published.
pub(super) struct Target {
    pub(super) function: String,
    alias: Option<(String, String)>,
}

impl Target {
    /// For properties that take a name or an ARN.
    pub(super) fn name(&self) -> Json {
        json!({"Ref": self.alias.as_ref().map_or(&self.function, |(logical_id, _)| logical_id)})
    }

    /// The ARN.
    pub(super) fn arn(&self) -> Json {
        match &self.alias {
            Some((logical_id, _)) => json!({"Ref": logical_id}),
            None => json!({"Fn::GetAtt": [self.function, "Arn"]}),
        }
    }

    /// The variable of `Fn::Sub` that is the ARN.
    pub(super) fn variable(&self) -> String {
        match &self.alias {
            Some((logical_id, _)) => format!("${{{logical_id}}}"),
            None => format!("${{{}.Arn}}", self.function),
        }
    }
}

pub(super) fn transform(of: &Macro<'_>, made: &mut Made) -> Result<(), Reason> {
    let names: Vec<&str> = SAME.iter().chain(OWN).copied().collect();
    of.allow(&names)?;
    check_deployment(of)?;
    let before = made.resources.len();
    let mut properties = lambda(of)?;
    let mut target = Target {
        function: of.name.clone(),
        alias: None,
    };
    if let Some(name) = of.resolved("AutoPublishAlias")? {
        target.alias = Some(publish::publish(of, &name, &mut properties, made)?);
    } else if of.get("ProvisionedConcurrencyConfig").is_some() {
        return Err(
            "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function"
                .to_owned(),
        );
    }
    if let Some(config) = of.get("FunctionUrlConfig") {
        url(of, config, &target, made)?;
    }
    let mut inline = Vec::new();
    if let Some(queue) = of.get("DeadLetterQueue") {
        inline.push(dead_letters(queue)?);
    }
    if let Some(config) = of.get("EventInvokeConfig") {
        event_invoke(of, config, &target, &mut inline, made)?;
    }
    let managed = events::transform(of, &target, made)?;
    match of.get("Role") {
        None => {
            properties.insert(
                "Role".to_owned(),
                json!({"Fn::GetAtt": [format!("{}Role", of.name), "Arn"]}),
            );
            role::make(of, inline, managed, made)?;
        }
        Some(role)
            if role
                .get("Fn::If")
                .is_some_and(|branches| branches.to_string().contains("AWS::NoValue")) =>
        {
            return Err("Role with AWS::NoValue in a branch of Fn::If is not supported by Kiln: give a role in both".to_owned());
        }
        Some(_) => {}
    }
    let mut function = of.attributes.clone();
    function.insert("Type".to_owned(), "AWS::Lambda::Function".into());
    function.insert("Properties".to_owned(), properties.into());
    made.insert(of.name.clone(), Json::Object(function));
    propagate_tags(of, before, made)
}

/// Kiln shifts the alias at once, which is one of the ways that there are; the others are CodeDeploy's.
fn check_deployment(of: &Macro<'_>) -> Result<(), Reason> {
    let Some(preference) = of.get("DeploymentPreference") else {
        return Ok(());
    };
    let is_off = preference
        .get("Enabled")
        .is_some_and(|enabled| *enabled == Json::Bool(false) || *enabled == "false");
    let kind = preference.get("Type").map(|kind| resolve(kind, of.values));
    let at_once = kind.is_none_or(|kind| kind == "AllAtOnce");
    let is_plain = preference.get("Hooks").is_none() && preference.get("Alarms").is_none();
    if is_off || (at_once && is_plain) {
        return Ok(());
    }
    Err("DeploymentPreference is supported by Kiln as AllAtOnce without Hooks and Alarms: anything else needs CodeDeploy".to_owned())
}

fn lambda(of: &Macro<'_>) -> Result<JsonMap<String, Json>, Reason> {
    let mut properties = JsonMap::new();
    for name in SAME {
        if let Some(value) = of.get(name) {
            properties.insert((*name).to_owned(), value.clone());
        }
    }
    properties.insert("Code".to_owned(), code::of(of)?);
    properties.insert("Tags".to_owned(), tags(of)?);
    if is_traced(of) {
        properties.insert(
            "TracingConfig".to_owned(),
            json!({"Mode": of.get("Tracing")}),
        );
    }
    if let Some(queue) = of.get("DeadLetterQueue") {
        properties.insert(
            "DeadLetterConfig".to_owned(),
            json!({"TargetArn": queue.get("TargetArn")}),
        );
    }
    Ok(properties)
}

/// The tags of a function: a map becomes a list, after the tag that tells SAM's functions.
pub(super) fn tags(of: &Macro<'_>) -> Result<Json, Reason> {
    let mut list = vec![json!({"Key": "lambda:createdBy", "Value": "SAM"})];
    list.extend(own_tags(of)?);
    Ok(list.into())
}

fn own_tags(of: &Macro<'_>) -> Result<Vec<Json>, Reason> {
    match of.get("Tags") {
        None => Ok(Vec::new()),
        Some(Json::Object(tags)) => Ok(tags
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect()),
        Some(_) => Err("Tags must be a map of keys and values.".to_owned()),
    }
}

pub(super) fn is_traced(of: &Macro<'_>) -> bool {
    of.get("Tracing")
        .is_some_and(|mode| resolve(mode, of.values) != "Disabled")
}

/// With `PropagateTags`, what is made has the function's tags in place of those that it has.
fn propagate_tags(of: &Macro<'_>, before: usize, made: &mut Made) -> Result<(), Reason> {
    let wanted = of
        .get("PropagateTags")
        .is_some_and(|is| *is == Json::Bool(true) || *is == "true");
    let tags = own_tags(of)?;
    if !wanted || tags.is_empty() {
        return Ok(());
    }
    for (_, resource) in made.resources.iter_mut().skip(before) {
        if TAGGED.iter().any(|kind| resource["Type"] == *kind) {
            resource["Properties"]["Tags"] = tags.clone().into();
        }
    }
    Ok(())
}

fn url(of: &Macro<'_>, config: &Json, target: &Target, made: &mut Made) -> Result<(), Reason> {
    let auth = config.get("AuthType").unwrap_or(&Json::Null);
    if !is_function(auth) && auth != "AWS_IAM" && auth != "NONE" {
        return Err(
            "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.".to_owned(),
        );
    }
    let properties = json!({
        "TargetFunctionArn": target.name(),
        "AuthType": auth,
        "Cors": config.get("Cors"),
        "InvokeMode": config.get("InvokeMode"),
    });
    made.add(
        of,
        &format!("{}Url", of.name),
        "AWS::Lambda::Url",
        properties,
    );
    if auth != "NONE" {
        return Ok(());
    }
    let by_url = json!({
        "Action": "lambda:InvokeFunctionUrl", "FunctionName": target.name(), "Principal": "*", "FunctionUrlAuthType": "NONE",
    });
    made.add(
        of,
        &format!("{}UrlPublicPermissions", of.name),
        "AWS::Lambda::Permission",
        by_url,
    );
    let invoke = json!({
        "Action": "lambda:InvokeFunction", "FunctionName": target.name(), "Principal": "*", "InvokedViaFunctionUrl": true,
    });
    made.add(
        of,
        &format!("{}URLInvokeAllowPublicAccess", of.name),
        "AWS::Lambda::Permission",
        invoke,
    );
    Ok(())
}

fn dead_letters(queue: &Json) -> Result<Inline, Reason> {
    let action = match queue.get("Type").and_then(Json::as_str) {
        Some("SQS") => "sqs:SendMessage",
        Some("SNS") => "sns:Publish",
        _ => {
            return Err(
                "'DeadLetterQueue' requires Type of SNS or SQS to be specified.".to_owned(),
            );
        }
    };
    let Some(arn) = queue.get("TargetArn") else {
        return Err(
            "'DeadLetterQueue' requires Type and TargetArn properties to be specified.".to_owned(),
        );
    };
    let document = json!({"Version": "2012-10-17", "Statement": [{"Action": action, "Resource": arn, "Effect": "Allow"}]});
    let name = "DeadLetterQueuePolicy".to_owned();
    Ok(Inline { name, document })
}

fn event_invoke(
    of: &Macro<'_>,
    config: &Json,
    target: &Target,
    inline: &mut Vec<Inline>,
    made: &mut Made,
) -> Result<(), Reason> {
    let logical_id = format!("{}EventInvokeConfig", of.name);
    let mut destinations = JsonMap::new();
    for which in ["OnSuccess", "OnFailure"] {
        let Some(wanted) = config
            .pointer(&format!("/DestinationConfig/{which}"))
            .filter(|wanted| !wanted.is_null())
        else {
            continue;
        };
        let arn = destination(of, wanted, &format!("{logical_id}{which}"), inline, made)?;
        destinations.insert(which.to_owned(), json!({"Destination": arn}));
    }
    let qualifier = target.alias.as_ref().map_or("$LATEST", |(_, name)| name);
    let resolved = |name: &str| config.get(name).map(|value| resolve(value, of.values));
    let properties = json!({
        "FunctionName": {"Ref": of.name},
        "Qualifier": qualifier,
        "DestinationConfig": destinations,
        "MaximumEventAgeInSeconds": resolved("MaximumEventAgeInSeconds"),
        "MaximumRetryAttempts": resolved("MaximumRetryAttempts"),
    });
    made.add(
        of,
        &logical_id,
        "AWS::Lambda::EventInvokeConfig",
        properties,
    );
    if let Some(resource) = made.resources.get_mut(&logical_id) {
        if let Some(metadata) = of.attributes.get("Metadata") {
            resource["Metadata"] = metadata.clone();
        }
        if let Some((alias, _)) = &target.alias {
            resource["DependsOn"] = json!([alias]);
        }
    }
    Ok(())
}

/// Where a function's events are told of; a queue or a topic is made if none is named.
fn destination(
    of: &Macro<'_>,
    wanted: &Json,
    logical_id: &str,
    inline: &mut Vec<Inline>,
    made: &mut Made,
) -> Result<Json, Reason> {
    let kind = wanted
        .get("Type")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let arn = match (wanted.get("Destination"), kind) {
        (Some(arn), _) => arn.clone(),
        (None, "SQS") => {
            let queue = format!("{logical_id}Queue");
            made.add(of, &queue, "AWS::SQS::Queue", json!({}));
            made.renamed
                .insert(format!("{}.DestinationQueue", of.name), queue.clone());
            json!({"Fn::GetAtt": [queue, "Arn"]})
        }
        (None, "SNS") => {
            let topic = format!("{logical_id}Topic");
            made.add(of, &topic, "AWS::SNS::Topic", json!({}));
            made.renamed
                .insert(format!("{}.DestinationTopic", of.name), topic.clone());
            json!({"Ref": topic})
        }
        _ => return Err("Destination is required if Type is not [SQS, SNS]".to_owned()),
    };
    let policy =
        |name: &str, action: &str| Inline::allow(format!("{logical_id}{name}Policy"), action, &arn);
    inline.push(match kind {
        "SQS" => policy("SQS", "sqs:SendMessage"),
        "SNS" => policy("SNS", "sns:publish"),
        "EventBridge" => policy("EventBridge", "events:PutEvents"),
        "Lambda" => policy("Lambda", "lambda:InvokeFunction"),
        "S3Bucket" => Inline {
            name: format!("{logical_id}S3Policy"),
            document: json!({"Statement": [
                {"Action": "s3:PutObject", "Effect": "Allow", "Resource": {"Fn::Join": ["/", [arn, "*"]]}},
                {"Action": "s3:ListBucket", "Effect": "Allow", "Resource": arn},
            ]}),
        },
        _ => return Err(format!("'Type: {kind}' must be one of [SQS, SNS, EventBridge, Lambda, S3Bucket]")),
    });
    Ok(arn)
}
