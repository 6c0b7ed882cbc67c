//! HTTP APIs: those of the template and the implicit one, as documents of OpenAPI to which events add routes.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::events::Event;
use super::{Macro, Made, Reason, authorizers, is_function, resolve};
use crate::evaluate::cost_of;
use crate::values::Values;

/// The logical id of the API that events without one are routed by.
const IMPLICIT: &str = "ServerlessHttpApi";
/// The same of events of type `Api`.
const IMPLICIT_REST: &str = "ServerlessRestApi";
/// The path and the stage that are for everything.
const DEFAULT: &str = "$default";

/// An API that is being put together.
pub(super) struct Api {
    /// Its properties: of `AWS::Serverless::HttpApi`, or `Api`.
    properties: JsonMap<String, Json>,
    /// The attributes that its resources have.
    attributes: JsonMap<String, Json>,
    paths: JsonMap<String, Json>,
    /// Whether it stands for a REST API: a stage of its own, payloads of version 1.0.
    is_rest: bool,
}

/// Where a route goes.
struct Route<'a> {
    logical_id: &'a str,
    path: &'a str,
    method: &'a str,
    is_rest: bool,
}

/// Begins an API of the template.
pub(super) fn open(of: &Macro<'_>, made: &mut Made) -> Result<(), Reason> {
    let is_rest = of.kind == "Api";
    if is_rest {
        refuse_rest(of)?;
    } else {
        of.allow(&[
            "AccessLogSettings",
            "Auth",
            "CorsConfiguration",
            "DefaultRouteSettings",
            "DefinitionBody",
            "Description",
            "DisableExecuteApiEndpoint",
            "FailOnWarnings",
            "Name",
            "PropagateTags",
            "RouteSettings",
            "StageName",
            "StageVariables",
            "Tags",
        ])?;
    }
    let stage = of.resolved("StageName")?;
    if is_rest && stage.is_none() {
        return Err("Missing required property 'StageName'.".to_owned());
    }
    if of.get("DefinitionBody").is_some() && of.get("Auth").is_some() {
        return Err("DefinitionBody with Auth is not supported by Kiln: write security into the DefinitionBody".to_owned());
    }
    let paths = match of.get("DefinitionBody") {
        None => JsonMap::new(),
        Some(body) if is_function(body) => {
            return Err("DefinitionBody must be a document: Kiln does not fetch any".to_owned());
        }
        Some(body) => body
            .get("paths")
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default(),
    };
    let api = Api {
        properties: of.properties.clone(),
        attributes: of.attributes.clone(),
        paths,
        is_rest,
    };
    made.apis.insert(of.name.clone(), api);
    Ok(())
}

/// Refuses what only a REST API has: an authorizer that is passed over would let in anybody.
fn refuse_rest(of: &Macro<'_>) -> Result<(), Reason> {
    let allowed = of.allow(&["Description", "Name", "OpenApiVersion", "StageName", "Tags"]);
    allowed.map_err(|reason| {
        format!("{reason}: Kiln has HTTP APIs and no REST APIs; AWS::Serverless::HttpApi may have what this needs")
    })
}

/// A route of an event of type `HttpApi`.
pub(super) fn route(event: &Event<'_>, made: &mut Made) -> Result<(), Reason> {
    let path = event
        .get("Path")
        .map_or(Ok(DEFAULT), |path| text(path, "Path"))?;
    let method = event
        .get("Method")
        .map_or(Ok("any"), |method| text(method, "Method"))?
        .to_lowercase();
    let logical_id = match event.get("ApiId") {
        None => IMPLICIT.to_owned(),
        Some(id) => api_of(id, "ApiId", made)?,
    };
    // SAM gives no second permission to a function that has them all; it does not look for aliases.
    let function = event.target.variable();
    let has_default = function.ends_with(".Arn}")
        && made
            .apis
            .get(&logical_id)
            .and_then(|api| api.paths.get(DEFAULT))
            .is_some_and(|operations| operations.to_string().contains(&function));
    let security = event.get("Auth");
    let properties = match made.apis.get(&logical_id) {
        Some(api) => &api.properties,
        None => &made.implicit,
    };
    let auth = properties.get("Auth");
    let authorized = authorizers::of_route(security, auth)?;
    let mut integration = integration(event, "2.0");
    if let Some(version) = event.get("PayloadFormatVersion") {
        integration["payloadFormatVersion"] = version.clone();
    }
    if let Some(timeout) = event.get("TimeoutInMillis") {
        integration["timeoutInMillis"] = timeout.clone();
    }
    let mut operation = json!({"x-amazon-apigateway-integration": integration, "responses": {}});
    if path == DEFAULT {
        operation["isDefaultRoute"] = true.into();
    }
    if let Some(security) = authorized {
        operation["security"] = json!([security]);
    }
    let route = Route {
        logical_id: &logical_id,
        path,
        method: &method,
        is_rest: false,
    };
    add_operation(event, &route, operation, made)?;
    if path != DEFAULT && has_default {
        return Ok(());
    }
    let resource = match path {
        DEFAULT => "*".to_owned(),
        _ => format!("{}{}", verb(&method), permitted(path)),
    };
    permission(event, "Permission", &logical_id, &resource, made);
    Ok(())
}

/// A route of an event of type `Api`.
pub(super) fn rest_route(event: &Event<'_>, made: &mut Made) -> Result<(), Reason> {
    for name in [
        "ApiKeyRequired",
        "Auth",
        "RequestModel",
        "RequestParameters",
        "ResponseTransferMode",
    ] {
        if event.get(name).is_some() {
            return Err(format!(
                "{name} needs a REST API, and Kiln has HTTP APIs alone: use an event of type HttpApi"
            ));
        }
    }
    let path = text(event.needed("Path")?, "Path")?;
    let method = text(event.needed("Method")?, "Method")?.to_lowercase();
    let logical_id = match event.get("RestApiId") {
        None => IMPLICIT_REST.to_owned(),
        Some(id) => api_of(id, "RestApiId", made)?,
    };
    let operation =
        json!({"x-amazon-apigateway-integration": integration(event, "1.0"), "responses": {}});
    let route = Route {
        logical_id: &logical_id,
        path,
        method: &method,
        is_rest: true,
    };
    add_operation(event, &route, operation, made)?;
    let stage = made
        .apis
        .get(&logical_id)
        .and_then(|api| api.properties.get("StageName"))
        .and_then(Json::as_str);
    let suffix: String = stage
        .unwrap_or("Stage")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let resource = format!("{}{}", verb(&method), permitted(path));
    permission(
        event,
        &format!("Permission{suffix}"),
        &logical_id,
        &resource,
        made,
    );
    Ok(())
}

/// Makes the resources of all APIs.
pub(super) fn close(values: &Values, made: &mut Made) {
    for (logical_id, api) in std::mem::take(&mut made.apis) {
        let kind = if api.is_rest { "Api" } else { "HttpApi" };
        let of = Macro {
            name: logical_id,
            kind: kind.to_owned(),
            properties: api.properties,
            attributes: api.attributes,
            values,
        };
        let allowed = if api.is_rest {
            refuse_rest(&of)
        } else {
            Ok(())
        };
        if let Err(reason) = allowed.and_then(|()| finish(&of, api.paths, made)) {
            made.refuse(&of.name, &reason);
        }
    }
}

fn finish(of: &Macro<'_>, paths: JsonMap<String, Json>, made: &mut Made) -> Result<(), Reason> {
    let mut tags = JsonMap::from_iter([("httpapi:createdBy".to_owned(), json!("SAM"))]);
    if let Some(Json::Object(own)) = of.get("Tags") {
        tags.extend(own.clone());
    }
    let body = document(of, paths, &tags)?;
    let properties = json!({"Body": body, "FailOnWarnings": of.get("FailOnWarnings")});
    made.add(of, &of.name, "AWS::ApiGatewayV2::Api", properties);
    if let Some(depends_on) = of.attributes.get("DependsOn")
        && let Some(resource) = made.resources.get_mut(&of.name)
    {
        resource["DependsOn"] = depends_on.clone();
    }
    stage(of, &tags, made);
    Ok(())
}

/// The document of OpenAPI that an API is made by.
fn document(
    of: &Macro<'_>,
    paths: JsonMap<String, Json>,
    tags: &JsonMap<String, Json>,
) -> Result<Json, Reason> {
    let mut body = match of.get("DefinitionBody") {
        Some(body) => body.clone(),
        None => {
            json!({"openapi": "3.0.1", "info": {"version": "1.0", "title": {"Ref": "AWS::StackName"}}})
        }
    };
    if !body.is_object() {
        return Err("DefinitionBody must be a document of OpenAPI".to_owned());
    }
    body["paths"] = paths.into();
    body["tags"] = tags
        .iter()
        .map(|(name, value)| json!({"name": name, "x-amazon-apigateway-tag-value": value}))
        .collect();
    for (property, member) in [("Name", "title"), ("Description", "description")] {
        if let Some(value) = of.get(property) {
            let info = body
                .as_object_mut()
                .map(|body| body.entry("info").or_insert_with(|| json!({})));
            if let Some(info) = info.and_then(Json::as_object_mut) {
                info.insert(member.to_owned(), value.clone());
            }
        }
    }
    if let Some(cors) = of.get("CorsConfiguration").and_then(cors) {
        body["x-amazon-apigateway-cors"] = cors;
    }
    if let Some(schemes) = authorizers::schemes(of)? {
        body["components"] = json!({"securitySchemes": schemes});
    }
    if let Some(is) = of.get("DisableExecuteApiEndpoint") {
        body["servers"] = json!([{"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": is}}]);
    }
    Ok(body)
}

fn stage(of: &Macro<'_>, tags: &JsonMap<String, Json>, made: &mut Made) {
    let stage = of
        .get("StageName")
        .cloned()
        .unwrap_or_else(|| DEFAULT.into());
    let logical_id = match resolve(&stage, of.values) {
        Json::String(name) if name == DEFAULT => format!("{}ApiGatewayDefaultStage", of.name),
        Json::String(name) if !is_function(&stage) => {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{}{name}Stage", of.name)
        }
        _ => format!("{}Stage", of.name),
    };
    let properties = json!({
        "AccessLogSettings": of.get("AccessLogSettings"),
        "ApiId": {"Ref": of.name},
        "AutoDeploy": true,
        "DefaultRouteSettings": of.get("DefaultRouteSettings"),
        "RouteSettings": of.get("RouteSettings"),
        "StageName": stage,
        "StageVariables": of.get("StageVariables"),
        "Tags": tags,
    });
    made.renamed
        .insert(format!("{}.Stage", of.name), logical_id.clone());
    made.add(of, &logical_id, "AWS::ApiGatewayV2::Stage", properties);
}

/// Puts an operation where the API has none.
fn add_operation(
    event: &Event<'_>,
    route: &Route<'_>,
    mut operation: Json,
    made: &mut Made,
) -> Result<(), Reason> {
    let Route {
        logical_id,
        path,
        method,
        is_rest,
    } = *route;
    made.pay(cost_of(&operation))?;
    if !made.apis.contains_key(logical_id) {
        let properties = match is_rest {
            true => made.implicit_rest.clone(),
            false => made.implicit.clone(),
        };
        let api = Api {
            properties,
            attributes: JsonMap::new(),
            paths: JsonMap::new(),
            is_rest,
        };
        made.apis.insert(logical_id.to_owned(), api);
    }
    let gone = || format!("{logical_id} is no API");
    let api = made.apis.get_mut(logical_id).ok_or_else(gone)?;
    if api.is_rest != is_rest {
        return Err(format!(
            "{logical_id} is an API of another type than the event"
        ));
    }
    let parameters: Vec<Json> = variables(path)
        .map(|name| json!({"name": name, "in": "path", "required": true}))
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let name = if method == "any" {
        "x-amazon-apigateway-any-method"
    } else {
        method
    };
    let operations = api
        .paths
        .entry(path.to_owned())
        .or_insert_with(|| json!({}));
    let malformed = || format!("the path {path} of {logical_id} is no map");
    let operations = operations.as_object_mut().ok_or_else(malformed)?;
    if operations.contains_key(name) {
        return Err(format!(
            "API method '{method}' defined multiple times for path '{path}'."
        ));
    }
    operations.insert(name.to_owned(), event.if_there(operation));
    Ok(())
}

fn integration(event: &Event<'_>, version: &str) -> Json {
    let uri = format!(
        "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{}/invocations",
        event.target.variable()
    );
    json!({"type": "aws_proxy", "httpMethod": "POST", "uri": {"Fn::Sub": uri}, "payloadFormatVersion": version})
}

fn permission(event: &Event<'_>, suffix: &str, logical_id: &str, resource: &str, made: &mut Made) {
    let arn = format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/${{__Stage__}}/{resource}"
    );
    let arn = json!({"Fn::Sub": [arn, {"__ApiId__": {"Ref": logical_id}, "__Stage__": "*"}]});
    event.permission(suffix, "apigateway.amazonaws.com", ("SourceArn", arn), made);
}

/// `true` is any origin; members begin with a small letter in OpenAPI.
fn cors(configuration: &Json) -> Option<Json> {
    match configuration {
        Json::Bool(true) => Some(json!({"allowOrigins": ["*"]})),
        Json::Object(members) if !is_function(configuration) => {
            let lower = |name: &str| {
                let mut chars = name.chars();
                chars.next().map_or_else(String::new, |first| {
                    first.to_lowercase().chain(chars).collect()
                })
            };
            Some(
                members
                    .iter()
                    .map(|(name, value)| (lower(name), value.clone()))
                    .collect(),
            )
        }
        Json::Object(_) => Some(configuration.clone()),
        _ => None,
    }
}

/// The API of the template that an event names.
fn api_of(id: &Json, property: &str, made: &Made) -> Result<String, Reason> {
    let name = id.get("Ref").and_then(Json::as_str).or_else(|| id.as_str());
    let known = name.filter(|name| made.apis.contains_key(*name));
    let wrong = || {
        format!(
            "{property} must be a valid reference to an API of Serverless type in the same template."
        )
    };
    known.map(str::to_owned).ok_or_else(wrong)
}

pub(super) fn text<'a>(value: &'a Json, name: &str) -> Result<&'a str, Reason> {
    value
        .as_str()
        .ok_or_else(|| format!("Property '{name}' should be a string."))
}

fn verb(method: &str) -> String {
    if method == "any" {
        "*".to_owned()
    } else {
        method.to_uppercase()
    }
}

/// A path as permissions have it: variables are anything, and there is no slash at the end.
fn permitted(path: &str) -> String {
    let path = match path.strip_suffix('/') {
        Some(path) if !path.is_empty() => path,
        _ => path,
    };
    let mut permitted = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else {
            break;
        };
        permitted.push_str(before);
        permitted.push('*');
        rest = after;
    }
    permitted + rest
}

/// The names in braces.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name)
}
