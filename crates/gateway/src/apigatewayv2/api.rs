//! Operations on APIs, and how their settings are read and shown.

use kiln_types::api::{Authorization, Integration, PayloadFormat, Route, RouteKey, Stage};
use kiln_types::{Api, Cors, PartId, StageName, Timestamp, limits};

use super::generated as wire;
use super::refusal::bad;
use super::{time, uri};
use crate::context::Context;
use crate::error::Result;

pub(crate) mod create_api;
pub(crate) mod delete_api;
pub(crate) mod delete_cors_configuration;
pub(crate) mod get_api;
pub(crate) mod get_apis;
pub(crate) mod update_api;

/// How HTTP APIs choose a route; they all do it in the same way.
const ROUTE_SELECTION: &str = "$request.method $request.path";
/// The same in the other notation.
const ROUTE_SELECTION_BRACED: &str = "${request.method} ${request.path}";
/// What an API shows although HTTP APIs have no API keys.
const API_KEY_SELECTION: &str = "$request.header.x-api-key";

/// Shows an API.
fn render(context: &Context, api: &Api) -> wire::Api {
    let network = if api.is_dual_stack {
        "dualstack"
    } else {
        "ipv4"
    };
    wire::Api {
        api_endpoint: Some(address(context, api)),
        api_id: Some(api.id.to_string()),
        api_key_selection_expression: Some(API_KEY_SELECTION.to_owned()),
        cors_configuration: api.draft.cors.as_ref().map(render_cors),
        created_date: time(api.created),
        description: api.description.clone(),
        disable_execute_api_endpoint: Some(api.is_endpoint_disabled),
        ip_address_type: Some(network.to_owned()),
        name: api.name.clone(),
        protocol_type: "HTTP".to_owned(),
        route_selection_expression: ROUTE_SELECTION.to_owned(),
        tags: Some(api.tags.clone()),
        version: api.version.clone(),
        ..Default::default()
    }
}

/// Where the API is served: the host's first label names it.
fn address(context: &Context, api: &Api) -> String {
    let (region, endpoint) = (&context.config.region, &context.config.endpoint);
    let (scheme, host) = (endpoint.scheme(), endpoint.authority());
    format!("{scheme}://{}.execute-api.{region}.{host}", api.id)
}

fn check_route_selection(expression: Option<&str>) -> Result<()> {
    match expression {
        None | Some(ROUTE_SELECTION | ROUTE_SELECTION_BRACED) => Ok(()),
        Some(_) => Err(bad(format!(
            "Invalid routeSelectionExpression: for HTTP APIs it must be {ROUTE_SELECTION_BRACED}"
        ))),
    }
}

/// API keys are of WebSocket and REST APIs; what every API shows may be sent back.
fn check_api_key_selection(expression: Option<&str>) -> Result<()> {
    let is_other = expression.is_some_and(|expression| expression != API_KEY_SELECTION);
    super::refusal::of_websockets(&[("apiKeySelectionExpression", is_other)])
}

fn read_cors(cors: wire::Cors) -> Result<Cors> {
    const METHODS: [&str; 8] = [
        "GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "*",
    ];
    let methods = cors.allow_methods.unwrap_or_default();
    let methods: Vec<String> = methods
        .iter()
        .map(|method| method.to_ascii_uppercase())
        .collect();
    if let Some(method) = methods
        .iter()
        .find(|method| !METHODS.contains(&method.as_str()))
    {
        return Err(bad(format!("Invalid method in allow-methods: {method}")));
    }
    let origins = cors.allow_origins.unwrap_or_default();
    if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
        return Err(bad(format!(
            "Invalid format for origin {origin}: it must be *, a scheme and a host, or a scheme and *"
        )));
    }
    let allow_credentials = cors.allow_credentials.unwrap_or(false);
    if allow_credentials && origins.iter().any(|origin| origin == "*") {
        return Err(bad(
            "allow-credentials is not supported if 'allow-origin' is *",
        ));
    }
    Ok(Cors {
        allow_credentials,
        allow_headers: cors.allow_headers.unwrap_or_default(),
        allow_methods: methods,
        allow_origins: origins,
        expose_headers: cors.expose_headers.unwrap_or_default(),
        max_age_secs: cors.max_age.and_then(|secs| i32::try_from(secs).ok()),
    })
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return origin == "*";
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let has_scheme = !scheme.is_empty() && scheme.chars().all(is_scheme);
    has_scheme && (host == "*" || (!host.is_empty() && host.chars().all(is_host)))
}

fn render_cors(cors: &Cors) -> wire::Cors {
    let list = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    wire::Cors {
        allow_credentials: Some(cors.allow_credentials),
        allow_headers: list(&cors.allow_headers),
        allow_methods: list(&cors.allow_methods),
        allow_origins: list(&cors.allow_origins),
        expose_headers: list(&cors.expose_headers),
        max_age: cors.max_age_secs.map(i64::from),
    }
}

/// What is made together with an API, or changed of it: a route to a function, served at once.
#[derive(Debug)]
struct Quick {
    uri: Option<String>,
    key: Option<RouteKey>,
    credentials: Option<String>,
}

impl Quick {
    fn read(
        context: &Context,
        target: Option<String>,
        key: Option<String>,
        credentials: Option<String>,
    ) -> Result<Self> {
        if let Some(target) = &target {
            uri::check(target, &context.config.region)?;
        }
        uri::check_role(credentials.as_deref(), &context.caller.account)?;
        let key = key.map(|key| key.parse()).transpose()?;
        Ok(Self {
            uri: target,
            key,
            credentials,
        })
    }

    fn is_asked_for(&self) -> bool {
        self.uri.is_some() || self.key.is_some() || self.credentials.is_some()
    }

    /// Makes integration, route and stage of a new API.
    fn make(self, api: &mut Api, now: Timestamp) -> Result<()> {
        let Some(uri) = self.uri else {
            return match self.key.is_some() || self.credentials.is_some() {
                true => Err(bad(
                    "target is required when routeKey or credentialsArn is specified",
                )),
                false => Ok(()),
            };
        };
        let integration = Integration {
            id: PartId::random(),
            is_managed: true,
            description: None,
            uri,
            format: PayloadFormat::V2,
            timeout_ms: limits::API_TIMEOUT_MS_MAX,
            credentials: self.credentials,
        };
        let route = Route {
            id: PartId::random(),
            key: self.key.unwrap_or(RouteKey::Default),
            is_managed: true,
            operation: None,
            target: Some(integration.id.clone()),
            authorization: Authorization::None,
        };
        api.put_integration(integration, now)?;
        api.put_route(route, now)?;
        let stage = Stage {
            is_managed: true,
            is_automatic: true,
            ..Stage::new(StageName::default_stage(), now)
        };
        Ok(api.add_stage(stage, now)?)
    }

    /// Changes what was made with an API.
    fn change(self, api: &mut Api, now: Timestamp) -> Result<()> {
        if !self.is_asked_for() {
            return Ok(());
        }
        let mut integrations = api.draft.integrations.values();
        let Some(integration) = integrations.find(|found| found.is_managed) else {
            return Err(bad(
                "target, routeKey and credentialsArn can be updated only of an API that was made with a target",
            ));
        };
        let mut integration = integration.clone();
        integration.uri = self.uri.unwrap_or(integration.uri);
        integration.credentials = self.credentials.or(integration.credentials);
        api.put_integration(integration, now)?;
        if let Some(key) = self.key {
            api.rekey_managed_route(key, now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
