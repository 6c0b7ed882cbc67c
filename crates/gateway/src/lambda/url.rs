//! Operations on function URLs, and how their settings are read and shown.

use kiln_types::url::{InvokeMode, UrlAuth, UrlConfig};
use kiln_types::{Cors, Function, FunctionArn, Qualifier, Version};

use super::generated as wire;
use super::refusal::{invalid, not_found};
use super::target::{Named, Target};
use crate::context::Context;
use crate::error::Result;

pub(crate) mod create_function_url_config;
pub(crate) mod delete_function_url_config;
pub(crate) mod get_function_url_config;
pub(crate) mod list_function_url_configs;
pub(crate) mod update_function_url_config;

/// The function or alias that has, or gets, a URL.
fn target(context: &Context, name: &str, qualifier: Option<&str>) -> Result<Named> {
    let target = Target::read(context, name, qualifier)?;
    match target.version(context) {
        Ok(named) if !matches!(named.qualifier, Some(Qualifier::Version(_))) => Ok(named),
        _ => Err(not_found("Function does not exist")),
    }
}

/// Shows a URL's settings.
fn render(
    context: &Context,
    function: &Function,
    qualifier: &Option<Qualifier>,
    url: &UrlConfig,
) -> wire::FunctionUrlConfig {
    let arn = FunctionArn::new(context.config.region.clone(), &function.id);
    wire::FunctionUrlConfig {
        function_url: address(context, url),
        function_arn: arn
            .qualified(qualifier.clone().filter(is_not_latest))
            .to_string(),
        creation_time: url.created.to_string(),
        last_modified_time: url.modified.to_string(),
        cors: url.cors.as_ref().map(render_cors),
        auth_type: auth_name(url.auth).to_owned(),
        invoke_mode: Some(mode_name(url.invoke_mode).to_owned()),
    }
}

/// Where the URL is served: the host's first label names it.
fn address(context: &Context, url: &UrlConfig) -> String {
    let (region, endpoint) = (&context.config.region, &context.config.endpoint);
    let (scheme, host) = (endpoint.scheme(), endpoint.authority());
    format!("{scheme}://{}.lambda-url.{region}.{host}/", url.id)
}

fn is_not_latest(qualifier: &Qualifier) -> bool {
    *qualifier != Qualifier::Version(Version::Latest)
}

/// The name AWS uses.
pub(crate) fn auth_name(auth: UrlAuth) -> &'static str {
    match auth {
        UrlAuth::None => "NONE",
        UrlAuth::AwsIam => "AWS_IAM",
    }
}

fn mode_name(mode: InvokeMode) -> &'static str {
    match mode {
        InvokeMode::Buffered => "BUFFERED",
        InvokeMode::ResponseStream => "RESPONSE_STREAM",
    }
}

fn read_auth(name: &str) -> UrlAuth {
    if name == "AWS_IAM" {
        UrlAuth::AwsIam
    } else {
        UrlAuth::None
    }
}

fn read_mode(name: Option<&str>) -> InvokeMode {
    match name {
        Some("RESPONSE_STREAM") => InvokeMode::ResponseStream,
        _ => InvokeMode::Buffered,
    }
}

/// The service model has checked how many and how long; which methods there are it does not say.
fn read_cors(cors: wire::Cors) -> Result<Cors> {
    const METHODS: &[&str] = &["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"];
    let allow_methods = cors.allow_methods.unwrap_or_default();
    if let Some(method) = allow_methods
        .iter()
        .find(|method| !METHODS.contains(&method.as_str()))
    {
        return Err(invalid(format!(
            "'{method}' is not a method that Cors.AllowMethods may name; use {}.",
            METHODS.join(", ")
        )));
    }
    Ok(Cors {
        allow_credentials: cors.allow_credentials.unwrap_or(false),
        allow_headers: cors.allow_headers.unwrap_or_default(),
        allow_methods,
        allow_origins: cors.allow_origins.unwrap_or_default(),
        expose_headers: cors.expose_headers.unwrap_or_default(),
        max_age_secs: cors.max_age.and_then(|secs| i32::try_from(secs).ok()),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_origin_settings_survive_the_round_trip() {
        let given = wire::Cors {
            allow_credentials: Some(true),
            allow_headers: Some(vec!["x-a".into()]),
            allow_methods: Some(vec!["GET".into(), "*".into()]),
            allow_origins: Some(vec!["https://a.example".into()]),
            expose_headers: None,
            max_age: Some(86_400),
        };
        assert_eq!(render_cors(&read_cors(given.clone()).unwrap()), given);
    }

    #[test]
    fn strange_methods_are_refused() {
        let given = wire::Cors {
            allow_methods: Some(vec!["TRACE".into()]),
            ..Default::default()
        };
        assert!(read_cors(given).unwrap_err().message.contains("'TRACE'"));
    }
}
