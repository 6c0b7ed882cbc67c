//! What operations on functions need to be allowed.
//!
//! A qualifier counts where the action is about a version or an alias: invocations, permissions, provisioned concurrency. Of all
//! others the function itself is the resource.
//!
//! Source: "Actions, resources, and condition keys for AWS Lambda" in the service authorization reference.

use kiln_policy::keys;
use kiln_types::{EventSource, Function, LayerVersionArn, MappingId};

use super::generated::Operation;
use super::target::Target;
use crate::access::{Guarded, Members, Need};
use crate::secretsmanager;

/// What it takes to mount a file system.
const MOUNT: &str = "elasticfilesystem:ClientMount";
/// Whom roles of functions are given to.
const SERVICE: &str = "lambda.amazonaws.com";

impl Guarded for Operation {
    const SERVICE: &'static str = "lambda";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            GetAccountSettings
            | ListFunctions
            | ListLayers
            | ListLayerVersions
            | CreateCodeSigningConfig
            | ListCodeSigningConfigs
            | ListEventSourceMappings => vec![of.need("*")],
            GetCodeSigningConfig
            | UpdateCodeSigningConfig
            | DeleteCodeSigningConfig
            | ListFunctionsByCodeSigningConfig => {
                vec![of.need(of.text_or_empty("CodeSigningConfigArn"))]
            }
            PutFunctionCodeSigningConfig => vec![
                signed(of),
                of.need(of.text_or_empty("CodeSigningConfigArn")),
            ],
            Invoke | InvokeWithResponseStream => {
                vec![of.need_as("InvokeFunction", function(of, true))]
            }
            InvokeAsync => vec![of.need(function(of, true))],
            CreateFunction | UpdateFunctionConfiguration => made_of(of),
            AddPermission | RemovePermission => vec![permission(of)],
            PutResourcePolicy | GetResourcePolicy | DeleteResourcePolicy => {
                vec![of.need(named_by_arn(of))]
            }
            PutProvisionedConcurrencyConfig
            | GetProvisionedConcurrencyConfig
            | DeleteProvisionedConcurrencyConfig => vec![of.need(function(of, true))],
            CreateFunctionUrlConfig
            | UpdateFunctionUrlConfig
            | GetFunctionUrlConfig
            | DeleteFunctionUrlConfig => vec![url(of)],
            PutFunctionEventInvokeConfig | UpdateFunctionEventInvokeConfig => {
                let role = role_of(of);
                let mut needs = vec![of.need(function(of, false))];
                for outcome in ["OnSuccess", "OnFailure"] {
                    needs.extend(destination(of, outcome, role.as_deref()));
                }
                needs
            }
            CreateEventSourceMapping | UpdateEventSourceMapping => listening(self, of),
            GetEventSourceMapping | DeleteEventSourceMapping => vec![mapping(of)],
            TagResource | UntagResource | ListTags => vec![of.need(tagged(of))],
            UpdateFunctionCode => {
                let own = of.need(function(of, false));
                [Some(own), code(of, None)].into_iter().flatten().collect()
            }
            PublishLayerVersion => {
                let own = of.need(layer(of, false));
                [Some(own), code(of, Some("Content"))]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            GetLayerVersion
            | DeleteLayerVersion
            | GetLayerVersionPolicy
            | AddLayerVersionPermission
            | RemoveLayerVersionPermission => {
                vec![of.need(layer(of, true))]
            }
            GetLayerVersionByArn => {
                vec![of.need_as("GetLayerVersion", layer_arn(of.text_or_empty("Arn")))]
            }
            _ if of.text("FunctionName").is_some() => vec![of.need(function(of, false))],
            _ => vec![of.need("*")],
        }
    }
}

/// The ARN of the function that is named, with its qualifier where that counts. What names none gets none either.
fn function(of: &Members<'_>, is_qualified: bool) -> String {
    let name = of.text_or_empty("FunctionName");
    match Target::read(of.context, name, of.text("Qualifier")) {
        Ok(target) if is_qualified => target.qualified_arn(),
        Ok(target) => target.arn.to_string(),
        Err(_) => of.arn(format_args!("function:{name}")),
    }
}

fn found(of: &Members<'_>) -> Option<(Target, std::sync::Arc<Function>)> {
    let name = of.text("FunctionName")?;
    let target = Target::read(of.context, name, of.text("Qualifier")).ok()?;
    let function = target.any_function(of.context).ok()?;
    Some((target, function))
}

/// A function with its settings: its role is given to it, its layers are used, its dead letters are sent.
fn made_of(of: &Members<'_>) -> Vec<Need> {
    let role = of.text("Role");
    let layers = of.texts("Layers");
    let layers: Vec<String> = layers.iter().map(|arn| layer_arn(arn)).collect();
    let list = |name: &str| -> Vec<String> {
        let config = of.member("VpcConfig").and_then(|config| config.get(name));
        let values = config.and_then(|values| values.as_array());
        let texts = values.into_iter().flatten();
        texts
            .filter_map(|value| Some(value.as_str()?.to_owned()))
            .collect()
    };
    let made = of
        .need(function(of, false))
        .with(
            keys::LAMBDA_CODE_SIGNING_CONFIG_ARN,
            of.text("CodeSigningConfigArn"),
        )
        .with_all(keys::LAMBDA_LAYER, layers.clone())
        .with_all(keys::LAMBDA_SUBNET_IDS, list("SubnetIds"))
        .with_all(keys::LAMBDA_SECURITY_GROUP_IDS, list("SecurityGroupIds"));
    let mut needs = vec![made];
    needs.extend(of.pass_role(role, SERVICE));
    needs.extend(
        layers
            .into_iter()
            .map(|arn| of.need_as("GetLayerVersion", arn)),
    );
    let acts = role.map(str::to_owned).or_else(|| role_of(of));
    let dead_letters = of.text_in("DeadLetterConfig", "TargetArn");
    let sent = dead_letters.and_then(Need::to_send);
    needs.extend(sent.map(|need| need.or_role(acts.as_deref())));
    needs.extend(code(of, Some("Code")));
    let mounted = of.list("FileSystemConfigs").iter();
    let mounted = mounted.filter_map(|mount| mount.get("Arn")?.as_str());
    needs.extend(mounted.map(|arn| Need::new(MOUNT, arn).or_role(acts.as_deref())));
    needs.extend(logged(of).map(|need| need.or_role(acts.as_deref())));
    needs
}

/// That a group is written which is not the function's own.
fn logged(of: &Members<'_>) -> Option<Need> {
    let group = of.text_in("LoggingConfig", "LogGroup")?;
    let own = found(of).map(|(_, function)| function.id.name.to_string());
    let own = own.or_else(|| of.text("FunctionName").map(str::to_owned));
    if own.is_some_and(|own| group.strip_prefix("/aws/lambda/") == Some(&own)) {
        return None;
    }
    let (region, account) = (&of.context.config.region, &of.context.caller.account);
    let arn = format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:");
    Some(Need::new("logs:PutLogEvents", arn))
}

/// Code that comes from a bucket is read there in the caller's name.
fn code(of: &Members<'_>, structure: Option<&str>) -> Option<Need> {
    let text = |name: &str| match structure {
        Some(structure) => of.text_in(structure, name),
        None => of.text(name),
    };
    let (bucket, key) = (text("S3Bucket")?, text("S3Key")?);
    let action = match text("S3ObjectVersion") {
        Some(_) => "s3:GetObjectVersion",
        None => "s3:GetObject",
    };
    Some(Need::new(action, format!("arn:aws:s3:::{bucket}/{key}")))
}

/// A function that is to have a code-signing configuration.
fn signed(of: &Members<'_>) -> Need {
    of.need(function(of, false)).with(
        keys::LAMBDA_CODE_SIGNING_CONFIG_ARN,
        of.text("CodeSigningConfigArn"),
    )
}

fn permission(of: &Members<'_>) -> Need {
    let principal = of.text("Principal");
    of.need(function(of, true))
        .with(keys::LAMBDA_PRINCIPAL, principal)
        .with(
            keys::LAMBDA_FUNCTION_URL_AUTH_TYPE,
            of.text("FunctionUrlAuthType"),
        )
}

fn url(of: &Members<'_>) -> Need {
    let arn = function(of, false);
    let present = found(of).and_then(|(target, function)| {
        let url = function.urls.get(&target.read_qualifier()?)?;
        Some(super::url::auth_name(url.auth))
    });
    let auth = of.text("AuthType").or(present);
    of.need(arn.clone())
        .with(keys::LAMBDA_FUNCTION_ARN, Some(arn))
        .with(keys::LAMBDA_FUNCTION_URL_AUTH_TYPE, auth)
}

/// That what comes of an invocation is sent on, as the function's role or the caller may.
fn destination(of: &Members<'_>, outcome: &str, role: Option<&str>) -> Option<Need> {
    let outcome = of.member("DestinationConfig")?.get(outcome)?;
    let need = Need::to_send(outcome.get("Destination")?.as_str()?)?;
    Some(need.or_role(role))
}

/// A mapping reads its source as the role of its function may, or the caller. Its secrets the caller itself must be allowed to
/// read: it says to which server they are sent.
fn listening(operation: Operation, of: &Members<'_>) -> Vec<Need> {
    let role = role_of(of);
    let new = of.text("FunctionName").map(|_| function(of, true));
    let (mut needs, source) = match operation {
        Operation::CreateEventSourceMapping => {
            let made = of.need("*").with(keys::LAMBDA_FUNCTION_ARN, new);
            (vec![made], of.text("EventSourceArn").map(str::to_owned))
        }
        _ => {
            // Whoever gives it another function must be allowed to of both.
            let later = mapping(of);
            let later = new.map(|arn| later.clone().with(keys::LAMBDA_FUNCTION_ARN, Some(arn)));
            let needs = [Some(mapping(of)), later.clone()].into_iter().flatten();
            (needs.collect(), later.and_then(|_| queue_of(of)))
        }
    };
    let queue = source.filter(|arn| arn.split(':').nth(2) == Some("sqs"));
    if let Some(queue) = queue {
        for action in [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        ] {
            needs.push(Need::new(action, queue.as_str()).or_role(role.as_deref()));
        }
    }
    let access = of.list("SourceAccessConfigurations").iter();
    let secrets = access.filter_map(|access| access.get("URI")?.as_str());
    needs.extend(secrets.map(|arn| secretsmanager::to_read(of.context, arn)));
    needs.extend(destination(of, "OnFailure", role.as_deref()));
    needs
}

/// The queue that a mapping reads already.
fn queue_of(of: &Members<'_>) -> Option<String> {
    let id: MappingId = of.text("UUID")?.parse().ok()?;
    match &of.context.deps.store.mappings().get(id)?.source {
        EventSource::Queue(arn) => Some(arn.to_string()),
        _ => None,
    }
}

fn mapping(of: &Members<'_>) -> Need {
    let uuid = of.text_or_empty("UUID");
    let id = uuid.parse::<MappingId>().ok();
    let found = id.and_then(|id| of.context.deps.store.mappings().get(id));
    let function = found.map(|mapping| mapping.function.to_string());
    let uuid = id.map_or_else(|| uuid.to_owned(), |id| id.to_string());
    of.need(of.arn(format_args!("event-source-mapping:{uuid}")))
        .with(keys::LAMBDA_FUNCTION_ARN, function)
}

/// What has tags, as the operations read its ARN.
fn tagged(of: &Members<'_>) -> String {
    let arn = of.text_or_empty("Resource");
    let mapping = arn.rsplit_once("event-source-mapping:");
    if let Some(Ok(id)) = mapping.map(|(_, uuid)| uuid.parse::<MappingId>()) {
        return of.arn(format_args!("event-source-mapping:{id}"));
    }
    match Target::read(of.context, arn, None) {
        Ok(target) if arn.contains(":function:") => target.arn.to_string(),
        _ => arn.to_owned(),
    }
}

/// The function, version or alias whose ARN is given, however that is spelled.
fn named_by_arn(of: &Members<'_>) -> String {
    let arn = of.text_or_empty("ResourceArn");
    match Target::read(of.context, arn, None) {
        Ok(target) if arn.contains(":function:") => target.qualified_arn(),
        _ => arn.to_owned(),
    }
}

/// A layer is named by its name or its ARN.
fn layer(of: &Members<'_>, has_version: bool) -> String {
    let name = of.text_or_empty("LayerName");
    let arn = match name.starts_with("arn:") {
        true => name.to_owned(),
        false => of.arn(format_args!("layer:{name}")),
    };
    match of.member("VersionNumber").filter(|_| has_version) {
        Some(version) => layer_arn(&format!("{arn}:{version}")),
        None => arn,
    }
}

/// The ARN of a layer's version, however its number is written.
fn layer_arn(arn: &str) -> String {
    let read = arn.parse::<LayerVersionArn>();
    read.map_or_else(|_| arn.to_owned(), |arn| arn.to_string())
}

/// The role of the function that is named.
fn role_of(of: &Members<'_>) -> Option<String> {
    let (_, function) = found(of)?;
    Some(function.latest.role.clone())
}
