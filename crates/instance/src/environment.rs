//! The environment variables of a function (developer guide, "Defined runtime environment
//! variables").
//!
//! Precedence, weakest first: Kiln's additions and the variables that AWS lets a function extend
//! (`PATH`, `TZ`, …), the function's own, then the reserved ones, which a function cannot set.

use std::collections::BTreeMap;

use kiln_types::log::LogStream;
use kiln_types::{Image, Initialization, Language, LogFormat, RESERVED_VARIABLES, Runtime};

use crate::api::RUNTIME_API;
use crate::aws::AWS_ENDPOINT;
use crate::config::Config;
use crate::interpreter;
use crate::spec::{Credentials, Spec};

const TASK_ROOT: &str = "/var/task";
const RUNTIME_DIR: &str = "/var/runtime";
/// Where the loader looks for libraries (`LD_LIBRARY_PATH`). A program reads it when it starts, so
/// zygotes must have it.
pub const LIBRARY_PATH: &str = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
/// The sandbox image of custom runtimes: the machine's own software and nothing else.
pub const CUSTOM_IMAGE: &str = "provided";

/// What the environment of an instance is made of.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) spec: &'a Spec,
    /// The keys of its AWS clients, where it has an endpoint for them.
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) stream: &'a LogStream,
    pub(crate) how: Initialization,
}

/// Everything the process of an instance finds in its environment.
pub(crate) fn variables(facts: &Facts<'_>) -> BTreeMap<String, String> {
    let Facts { spec, .. } = facts;
    let container = spec.configuration.container.as_ref();
    let mut variables = match container {
        Some(container) => of_image(&container.image),
        None => defaults(spec.configuration.runtime.as_ref()),
    };
    if facts.credentials.is_some() {
        let url = format!("http://{AWS_ENDPOINT}");
        variables.insert("AWS_ENDPOINT_URL".to_owned(), url);
    }
    // Where the code is, an image knows better.
    let places = ["LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"];
    let places = places.map(|name| variables.get(name).cloned().map(|place| (name, place)));
    let own = &spec.configuration.environment;
    let allowed = own
        .iter()
        .filter(|(name, _)| !RESERVED_VARIABLES.contains(&name.as_str()));
    variables.extend(allowed.map(|(name, value)| (name.clone(), value.clone())));
    let of_platform = reserved(facts).chain(places.into_iter().flatten());
    variables.extend(of_platform.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// What the function of a container image may replace: the image's own variables, and what Docker gives
/// to images that say nothing.
fn of_image(image: &Image) -> BTreeMap<String, String> {
    let search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let fixed = [("PATH", search), ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR")];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed
        .into_iter()
        .chain(image.environment.iter().cloned())
        .collect()
}

fn is_custom(spec: &Spec) -> bool {
    let runtime = spec.configuration.runtime.as_ref();
    runtime.is_some_and(|runtime| runtime.language() == Language::Provided)
}

/// What extensions find in theirs: the function's, without what is the runtime's alone (developer
/// guide, "Extensions API").
pub(crate) fn of_extensions(variables: &BTreeMap<String, String>) -> Vec<(String, String)> {
    const RUNTIME_ONLY: [&str; 7] = [
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
    ];
    let own = variables
        .iter()
        .filter(|(name, _)| !RUNTIME_ONLY.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What a function may replace.
fn defaults(runtime: Option<&Runtime>) -> BTreeMap<String, String> {
    let fixed = [
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        (
            "PATH",
            "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        ),
        ("LD_LIBRARY_PATH", LIBRARY_PATH),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ];
    let search_path = runtime.and_then(|runtime| interpreter::search_path(runtime.language()));
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed
        .into_iter()
        .chain(search_path.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}

/// What only the platform sets.
fn reserved(facts: &Facts<'_>) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let Facts {
        config,
        spec,
        credentials,
        stream,
        how,
    } = *facts;
    let configuration = &spec.configuration;
    let logging = &configuration.logging;
    let level = logging
        .application_level
        .filter(|_| logging.format == LogFormat::Json);
    let token = credentials.and_then(|keys| keys.session_token.clone());
    // AWS leaves the name out for custom runtimes.
    let built_in = configuration.runtime.as_ref().filter(|_| !is_custom(spec));
    let certain = [
        ("AWS_LAMBDA_FUNCTION_NAME", spec.id.name.to_string()),
        (
            "AWS_LAMBDA_FUNCTION_VERSION",
            configuration.version.to_string(),
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            configuration.memory.get().to_string(),
        ),
        ("AWS_LAMBDA_LOG_GROUP_NAME", stream.group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.name.clone()),
        ("AWS_LAMBDA_LOG_FORMAT", logging.format.as_str().to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", how.as_str().to_owned()),
        // For extensions, whatever the runtime.
        ("AWS_LAMBDA_RUNTIME_API", RUNTIME_API.to_string()),
        ("AWS_REGION", config.region.to_string()),
        ("AWS_DEFAULT_REGION", config.region.to_string()),
        ("LAMBDA_TASK_ROOT", TASK_ROOT.to_owned()),
        ("LAMBDA_RUNTIME_DIR", RUNTIME_DIR.to_owned()),
    ];
    let possible = [
        ("_HANDLER", configuration.handler.clone()),
        (
            // That it is there makes some clients take several at a time.
            "AWS_LAMBDA_MAX_CONCURRENCY",
            Some(spec.slots())
                .filter(|slots| slots.are_shared())
                .map(|slots| slots.get().to_string()),
        ),
        (
            "AWS_EXECUTION_ENV",
            match configuration.container {
                Some(_) => Some("AWS_Lambda_Image".to_owned()),
                None => built_in.map(|runtime| format!("AWS_Lambda_{runtime}")),
            },
        ),
        (
            "AWS_LAMBDA_LOG_LEVEL",
            level.map(|level| level.as_str().to_owned()),
        ),
        (
            "AWS_ACCESS_KEY_ID",
            credentials.map(|keys| keys.access_key_id.clone()),
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            credentials.map(|keys| keys.secret_access_key.clone()),
        ),
        ("AWS_SESSION_TOKEN", token),
    ];
    let possible = possible
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    certain.into_iter().chain(possible)
}

/// The sandbox image that runs functions of this runtime.
pub(crate) fn image(runtime: &Runtime) -> &str {
    match runtime.language() {
        Language::Provided => CUSTOM_IMAGE,
        _ => runtime.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn keys() -> Credentials {
        Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        }
    }

    fn variables_of(change: impl FnOnce(&mut Spec)) -> BTreeMap<String, String> {
        variables_with("python3.11", change)
    }

    fn variables_with(runtime: &str, change: impl FnOnce(&mut Spec)) -> BTreeMap<String, String> {
        let mut spec = testing::spec(runtime);
        change(&mut spec);
        variables_for(&spec, None)
    }

    fn variables_for(spec: &Spec, credentials: Option<&Credentials>) -> BTreeMap<String, String> {
        let stream = LogStream {
            account: spec.id.account.clone(),
            group: "/aws/lambda/sum".to_owned(),
            name: "2026/11/23/[$LATEST]0".to_owned(),
        };
        variables(&Facts {
            config: &Config::default(),
            spec,
            credentials,
            stream: &stream,
            how: Initialization::OnDemand,
        })
    }

    #[test]
    fn a_function_sees_aws_s_variables() {
        let variables = variables_of(|_| {});
        let table = [
            ("_HANDLER", "index.handler"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11"),
            ("AWS_LAMBDA_FUNCTION_NAME", "sum"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/sum"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/23/[$LATEST]0"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("TZ", ":UTC"),
            ("LANG", "en_US.UTF-8"),
        ];
        for (name, value) in table {
            assert_eq!(
                variables.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
        assert!(!variables.contains_key("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn a_custom_runtime_is_told_where_its_api_is_and_nothing_of_others() {
        let variables = variables_with("provided.al2023", |_| {});
        assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
        assert_eq!(variables["_HANDLER"], "index.handler");
        assert_eq!(variables["LAMBDA_TASK_ROOT"], "/var/task");
        for absent in ["AWS_EXECUTION_ENV", "PYTHONPATH", "NODE_PATH"] {
            assert!(!variables.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn each_language_finds_its_modules_where_aws_has_them() {
        let python = variables_of(|_| {});
        assert_eq!(python["PYTHONPATH"], "/var/runtime");
        assert!(!python.contains_key("NODE_PATH"));
        let node = variables_with("nodejs20.x", |_| {});
        let expected = "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:\
                        /var/runtime/node_modules:/var/runtime:/var/task";
        assert_eq!(node["NODE_PATH"], expected);
        assert_eq!(node["AWS_EXECUTION_ENV"], "AWS_Lambda_nodejs20.x");
        assert!(!node.contains_key("PYTHONPATH"));
    }

    #[test]
    fn extensions_see_the_function_s_variables_without_the_runtime_s() {
        let of_function = variables_of(|spec| {
            let own = [("TABLE".to_owned(), "t".to_owned())];
            std::sync::Arc::make_mut(&mut spec.configuration).environment = own.into();
        });
        let seen: BTreeMap<_, _> = of_extensions(&of_function).into_iter().collect();
        for present in [
            "TABLE",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_LAMBDA_FUNCTION_NAME",
            "PATH",
        ] {
            assert!(seen.contains_key(present), "{present}");
        }
        for absent in ["_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME"] {
            assert!(!seen.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn a_function_extends_some_variables_and_never_the_reserved_ones() {
        let mut spec = testing::spec("python3.11");
        let own = [
            ("TZ", "Asia/Tokyo"),
            ("AWS_REGION", "moon-1"),
            ("AWS_SESSION_TOKEN", "x"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        std::sync::Arc::make_mut(&mut spec.configuration).environment = own.into();
        let variables = variables_for(&spec, Some(&keys()));
        assert_eq!(variables["TZ"], "Asia/Tokyo");
        assert_eq!(variables["AWS_REGION"], "us-east-1");
        assert_eq!(variables["AWS_ACCESS_KEY_ID"], "AKID");
        assert!(!variables.contains_key("AWS_SESSION_TOKEN"));
    }

    #[test]
    fn clients_find_the_server_unless_the_function_says_where_else() {
        let mut spec = testing::spec("python3.11");
        let url = |spec: &Spec| variables_for(spec, Some(&keys())).remove("AWS_ENDPOINT_URL");
        assert_eq!(url(&spec).as_deref(), Some("http://127.0.0.1:4566"));
        let own = [(
            "AWS_ENDPOINT_URL".to_owned(),
            "https://elsewhere".to_owned(),
        )];
        std::sync::Arc::make_mut(&mut spec.configuration).environment = own.into();
        assert_eq!(url(&spec).as_deref(), Some("https://elsewhere"));
        assert!(!variables_of(|_| {}).contains_key("AWS_ENDPOINT_URL"));
    }

    #[test]
    fn every_variable_that_the_platform_alone_sets_is_reserved() {
        for runtime in ["python3.11", "provided.al2"] {
            let spec = testing::spec(runtime);
            let stream = log_stream_of(&spec);
            let of_platform = reserved(&Facts {
                config: &Config::default(),
                spec: &spec,
                credentials: Some(&keys()),
                stream: &stream,
                how: Initialization::Provisioned,
            });
            for (name, _) in of_platform {
                assert!(RESERVED_VARIABLES.contains(&name), "{name}");
            }
        }
    }

    fn log_stream_of(spec: &Spec) -> LogStream {
        (*crate::log_stream::new(spec, kiln_types::Timestamp::default())).clone()
    }
}
