//! HTTP APIs as documents of OpenAPI: what `Body` of an `AWS::ApiGatewayV2::Api` says, as SAM's transform makes it.
//!
//! Whatever says who may use a route and is not understood is an error: to pass it over would let in anybody.

use serde_json::{Map as JsonMap, Value as Json};

use crate::error::{Error, Kind};

/// The extensions of API Gateway that are read.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY: &str = "x-amazon-apigateway-any-method";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
/// Methods that a path may have.
const METHODS: &[&str] = &["delete", "get", "head", "options", "patch", "post", "put"];

/// An API.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HttpApi {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which version of it this is.
    pub version: Option<String>,
    /// What browsers of other origins may do, with the names of `CorsConfiguration`.
    pub cors: Option<JsonMap<String, Json>>,
    /// Whether it is reached by names of its own alone.
    pub disables_default_endpoint: bool,
    /// Its tags.
    pub tags: JsonMap<String, Json>,
    /// Its authorizers, by name.
    pub authorizers: Vec<Authorizer>,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// Who is let in by what.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorizer {
    /// Its name, which routes have.
    pub name: String,
    /// Whether it looks at tokens itself: `JWT`. If not it asks a function: `REQUEST`.
    pub is_jwt: bool,
    /// What the document says of it.
    pub members: JsonMap<String, Json>,
}

/// A route and where it leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its key: `GET /orders/{id}`, `ANY /`, `$default`.
    pub key: String,
    /// Its integration, as the document has it: `type`, `uri`, `payloadFormatVersion` and more.
    pub integration: JsonMap<String, Json>,
    /// Who may use it.
    pub authorization: Authorization,
}

/// Who may use a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Anybody.
    None,
    /// Whoever signs and is allowed to.
    Iam,
    /// Whom an authorizer lets in, with one of these scopes if there are any.
    By {
        /// The authorizer's name.
        authorizer: String,
        /// The scopes.
        scopes: Vec<String>,
    },
}

impl HttpApi {
    /// Reads an evaluated document.
    ///
    /// # Errors
    /// It is no such document, or has what an HTTP API of Kiln has not.
    pub fn read(body: &Json) -> Result<HttpApi, Error> {
        let info = |name: &str| body.pointer(&format!("/info/{name}")).and_then(text_of);
        let mut api = HttpApi {
            name: info("title"),
            description: info("description"),
            version: info("version"),
            cors: cors(body)?,
            disables_default_endpoint: disables_default_endpoint(body),
            tags: tags(body),
            ..HttpApi::default()
        };
        let mut iam = Vec::new();
        let schemes = members(body, "/components/securitySchemes")?;
        for (name, scheme) in schemes {
            match authorizer(&name, &scheme)? {
                Some(authorizer) => api.authorizers.push(authorizer),
                None => iam.push(name),
            }
        }
        for (path, operations) in members(body, "/paths")? {
            let operations = operations
                .as_object()
                .ok_or_else(|| refused(format!("the path {path} is no map")))?;
            for (method, operation) in operations {
                if let Some(key) = route_key(&path, method)? {
                    let route = api.route(key, operation, body.get("security"), &iam)?;
                    api.routes.push(route);
                }
            }
        }
        Ok(api)
    }

    fn route(
        &self,
        key: String,
        operation: &Json,
        default: Option<&Json>,
        iam: &[String],
    ) -> Result<Route, Error> {
        let integration = operation
            .get(INTEGRATION)
            .and_then(Json::as_object)
            .cloned();
        let integration =
            integration.ok_or_else(|| refused(format!("{key} has no {INTEGRATION}")))?;
        let authorization = match operation.get("security").or(default) {
            None => Authorization::None,
            Some(security) => self.authorization(&key, security, iam)?,
        };
        Ok(Route {
            key,
            integration,
            authorization,
        })
    }

    fn authorization(
        &self,
        key: &str,
        security: &Json,
        iam: &[String],
    ) -> Result<Authorization, Error> {
        let wrong = || {
            refused(format!(
                "the security of {key} is not a list of at most one authorizer with scopes"
            ))
        };
        let list = security.as_array().ok_or_else(wrong)?;
        let one = match list.as_slice() {
            [] => return Ok(Authorization::None),
            [Json::Object(one)] if one.len() == 1 => one,
            _ => return Err(wrong()),
        };
        let (name, scopes) = one.iter().next().ok_or_else(wrong)?;
        let scopes = scopes.as_array().ok_or_else(wrong)?;
        let scopes: Option<Vec<String>> = scopes.iter().map(text_of).collect();
        let scopes = scopes.ok_or_else(wrong)?;
        if iam.contains(name) {
            return Ok(Authorization::Iam);
        }
        if self
            .authorizers
            .iter()
            .any(|authorizer| authorizer.name == *name)
        {
            let authorizer = name.clone();
            return Ok(Authorization::By { authorizer, scopes });
        }
        // SAM writes this for a route that is to be open though the API has a default.
        if name == "NONE" {
            return Ok(Authorization::None);
        }
        Err(refused(format!(
            "{key} has an authorizer that there is not: {name}"
        )))
    }
}

/// A security scheme; none is the signature of AWS.
fn authorizer(name: &str, scheme: &Json) -> Result<Option<Authorizer>, Error> {
    if scheme
        .get("x-amazon-apigateway-authtype")
        .is_some_and(|kind| kind == "awsSigv4")
    {
        return Ok(None);
    }
    let members = scheme.get(AUTHORIZER).and_then(Json::as_object);
    let members = members
        .ok_or_else(|| refused(format!("the security scheme {name} has no {AUTHORIZER}")))?;
    let is_jwt = match members.get("type").and_then(Json::as_str) {
        Some("jwt") => true,
        Some("request") => false,
        _ => {
            return Err(refused(format!(
                "the authorizer {name} is of neither type jwt nor request"
            )));
        }
    };
    Ok(Some(Authorizer {
        name: name.to_owned(),
        is_jwt,
        members: members.clone(),
    }))
}

/// The key of a route; none for what a path has beside methods.
fn route_key(path: &str, method: &str) -> Result<Option<String>, Error> {
    if path == "$default" || path == "/$default" {
        return match method {
            ANY => Ok(Some("$default".to_owned())),
            _ => Err(refused("$default has other methods than any")),
        };
    }
    if !path.starts_with('/') {
        return Err(refused(format!("the path {path} begins without /")));
    }
    match method {
        ANY => Ok(Some(format!("ANY {path}"))),
        _ if METHODS.contains(&method) => Ok(Some(format!("{} {path}", method.to_uppercase()))),
        "parameters" | "summary" | "description" | "servers" => Ok(None),
        _ => Err(refused(format!(
            "the path {path} has the unknown method {method}"
        ))),
    }
}

fn cors(body: &Json) -> Result<Option<JsonMap<String, Json>>, Error> {
    let upper = |name: &String| {
        let mut chars = name.chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(chars).collect()
        })
    };
    match body.get("x-amazon-apigateway-cors") {
        None => Ok(None),
        Some(Json::Object(cors)) => Ok(Some(
            cors.iter()
                .map(|(name, value)| (upper(name), value.clone()))
                .collect(),
        )),
        Some(_) => Err(refused("x-amazon-apigateway-cors is no map")),
    }
}

fn disables_default_endpoint(body: &Json) -> bool {
    let servers = body.get("servers").and_then(Json::as_array);
    servers.into_iter().flatten().any(|server| {
        let disables =
            server.pointer("/x-amazon-apigateway-endpoint-configuration/disableExecuteApiEndpoint");
        disables
            .and_then(text_of)
            .is_some_and(|text| text == "true")
    })
}

fn tags(body: &Json) -> JsonMap<String, Json> {
    let tags = body.get("tags").and_then(Json::as_array);
    let tag = |tag: &Json| {
        Some((
            text_of(tag.get("name")?)?,
            tag.get("x-amazon-apigateway-tag-value")?.clone(),
        ))
    };
    tags.into_iter().flatten().filter_map(tag).collect()
}

fn members(body: &Json, pointer: &str) -> Result<JsonMap<String, Json>, Error> {
    match body.pointer(pointer) {
        None => Ok(JsonMap::new()),
        Some(Json::Object(members)) => Ok(members.clone()),
        Some(_) => Err(refused(format!("{pointer} is no map"))),
    }
}

fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(
        Kind::Format,
        format!("The Body of the API cannot be imported: {}", what.into()),
    )
}

#[cfg(test)]
mod tests;
