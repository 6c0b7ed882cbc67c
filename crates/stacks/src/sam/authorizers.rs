//! Who may use an HTTP API: its authorizers, and which of them a route has.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::http_api::text;
use super::{Macro, Reason, is_function};

/// The authorizer of a route and its scopes: the event's, or the API's default.
pub(super) fn of_route(own: Option<&Json>, auth: Option<&Json>) -> Result<Option<Json>, Reason> {
    if auth.is_some_and(|auth| !auth.is_object() || is_function(auth)) {
        return Err(
            "Auth must be a map without a function: whoever may use an API must be known"
                .to_owned(),
        );
    }
    let default = auth.and_then(|auth| auth.get("DefaultAuthorizer"));
    let Some(name) = own.and_then(|own| own.get("Authorizer")).or(default) else {
        return match own {
            None => Ok(None),
            Some(_) => Err(
                "'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.".to_owned(),
            ),
        };
    };
    let name = text(name, "Authorizer")?;
    let known = auth
        .and_then(|auth| auth.get("Authorizers"))
        .and_then(|all| all.get(name));
    let has_iam = auth
        .and_then(|auth| auth.get("EnableIamAuthorizer"))
        .is_some_and(|is| *is == Json::Bool(true));
    if known.is_none() && name != "NONE" && !(name == "AWS_IAM" && has_iam) {
        return Err(format!(
            "Unable to set Authorizer [{name}] because it wasn't defined in the API's Authorizers."
        ));
    }
    let scopes = own.and_then(|own| own.get("AuthorizationScopes"));
    let scopes = scopes.or_else(|| known.and_then(|known| known.get("AuthorizationScopes")));
    Ok(Some(
        json!({name: scopes.cloned().unwrap_or_else(|| json!([]))}),
    ))
}

/// The authorizers of an API, as OpenAPI's security schemes.
pub(super) fn schemes(of: &Macro<'_>) -> Result<Option<Json>, Reason> {
    let Some(auth) = of.get("Auth") else {
        return Ok(None);
    };
    let mut schemes = JsonMap::new();
    let nothing = JsonMap::new();
    let all = auth
        .get("Authorizers")
        .and_then(Json::as_object)
        .unwrap_or(&nothing);
    for (name, authorizer) in all {
        let scheme = if let Some(jwt) = authorizer.get("JwtConfiguration") {
            let Some(source) = authorizer.get("IdentitySource") else {
                return Err(format!(
                    "{name} OAuth2 Authorizer must define 'IdentitySource'."
                ));
            };
            let jwt = json!({"audience": jwt.get("audience"), "issuer": jwt.get("issuer")});
            json!({"type": "oauth2", "x-amazon-apigateway-authorizer": {"type": "jwt", "identitySource": source, "jwtConfiguration": jwt}})
        } else if let Some(function) = authorizer.get("FunctionArn") {
            lambda_authorizer(name, authorizer, function)?
        } else {
            return Err(format!(
                "Authorizer {name} must have JwtConfiguration or FunctionArn"
            ));
        };
        schemes.insert(name.clone(), scheme);
    }
    if auth
        .get("EnableIamAuthorizer")
        .is_some_and(|is| *is == Json::Bool(true))
    {
        let scheme = json!({
            "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
        });
        schemes.insert("AWS_IAM".to_owned(), scheme);
    }
    Ok((!schemes.is_empty()).then(|| schemes.into()))
}

fn lambda_authorizer(name: &str, authorizer: &Json, function: &Json) -> Result<Json, Reason> {
    let Some(version) = authorizer.get("AuthorizerPayloadFormatVersion") else {
        return Err(format!(
            "{name} Lambda Authorizer must define 'AuthorizerPayloadFormatVersion'."
        ));
    };
    let uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
    let mut inner = json!({
        "type": "request",
        "authorizerUri": {"Fn::Sub": [uri, {"__FunctionArn__": function}]},
        "authorizerPayloadFormatVersion": version,
    });
    let identity = authorizer.get("Identity");
    let mut sources = Vec::new();
    for (member, prefix) in [
        ("Headers", "request.header"),
        ("QueryStrings", "request.querystring"),
        ("StageVariables", "stageVariables"),
        ("Context", "context"),
    ] {
        let names = identity
            .and_then(|identity| identity.get(member))
            .and_then(Json::as_array);
        sources.extend(
            names
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .map(|name| json!(format!("${prefix}.{name}"))),
        );
    }
    if !sources.is_empty() {
        inner["identitySource"] = sources.into();
    }
    let optional = [
        (
            "authorizerCredentials",
            authorizer.get("FunctionInvokeRole"),
        ),
        (
            "enableSimpleResponses",
            authorizer.get("EnableSimpleResponses"),
        ),
        (
            "authorizerResultTtlInSeconds",
            identity.and_then(|identity| identity.get("ReauthorizeEvery")),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            inner[name] = value.clone();
        }
    }
    Ok(
        json!({"type": "apiKey", "name": "Unused", "in": "header", "x-amazon-apigateway-authorizer": inner}),
    )
}
