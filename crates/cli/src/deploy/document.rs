//! The request documents of a deployment: the whole for a new function, the differences for one
//! that exists.

use kiln_types::LogFormat;
use serde_json::{Map, Value, json};

use super::{Args, Attached, Switch};

/// What the function should be: what was inferred, and what the flags say.
pub(super) struct Wanted<'a> {
    pub(super) runtime: Option<&'a str>,
    pub(super) handler: Option<&'a str>,
    pub(super) role: Option<&'a str>,
    pub(super) attached: &'a Attached,
    pub(super) args: &'a Args,
}

/// Reads `KEY=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

/// Reads `NAME:PATH`.
pub(super) fn file_system(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, path)) if !name.is_empty() && path.starts_with("/mnt/") => {
            Ok((name.to_owned(), path.to_owned()))
        }
        _ => Err(format!("'{text}' is not NAME:PATH with a path below /mnt")),
    }
}

/// The members of `CreateFunction`, without the code.
pub(super) fn creation(name: &str, wanted: &Wanted) -> Value {
    let mut document = configuration(wanted);
    document.insert("FunctionName".to_owned(), name.into());
    if let Some(architecture) = &wanted.args.architecture {
        document.insert("Architectures".to_owned(), json!([architecture]));
    }
    if wanted.args.per_tenant {
        let tenancy = json!({"TenantIsolationMode": "PER_TENANT"});
        document.insert("TenancyConfig".to_owned(), tenancy);
    }
    Value::Object(document)
}

/// The members of `UpdateFunctionConfiguration` that differ from what exists.
pub(super) fn configuration_changes(existing: &Value, wanted: &Wanted) -> Option<Value> {
    let mut changes = configuration(wanted);
    changes.retain(|member, value| match member.as_str() {
        "Layers" => arns(&existing["Layers"]) != wanted.attached.layers,
        other => differs(&existing[other], value),
    });
    (!changes.is_empty()).then_some(Value::Object(changes))
}

/// The members of `UpdateFunctionCode`, without the code, when code or architecture differ.
pub(super) fn code_changes(existing: &Value, digest: &str, args: &Args) -> Option<Value> {
    let architectures = args
        .architecture
        .as_ref()
        .map(|architecture| json!([architecture]));
    let rebuilt = architectures
        .as_ref()
        .is_some_and(|wanted| *wanted != existing["Architectures"]);
    if existing["CodeSha256"] == digest && !rebuilt {
        return None;
    }
    Some(architectures.map_or(
        json!({}),
        |architectures| json!({ "Architectures": architectures }),
    ))
}

/// Every member that was said or inferred.
fn configuration(wanted: &Wanted) -> Map<String, Value> {
    let args = wanted.args;
    let mut document = Map::new();
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(member.to_owned(), value);
        }
    };
    set("Runtime", wanted.runtime.map(Value::from));
    set("Handler", wanted.handler.map(Value::from));
    set("Role", wanted.role.map(Value::from));
    set("Description", args.description.as_deref().map(Value::from));
    set("MemorySize", args.memory.map(Value::from));
    set("Timeout", args.timeout.map(Value::from));
    if !args.env.is_empty() {
        let variables: Map<String, Value> = args
            .env
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        set("Environment", Some(json!({ "Variables": variables })));
    }
    let Attached {
        layers,
        file_system,
    } = wanted.attached;
    set("Layers", (!layers.is_empty()).then(|| json!(layers)));
    let mount = |(arn, path): &(String, String)| json!([{ "Arn": arn, "LocalMountPath": path }]);
    set("FileSystemConfigs", file_system.as_ref().map(mount));
    set("SnapStart", args.snap_start.map(snap_start));
    set("LoggingConfig", args.log_format.as_deref().map(logging));
    document
}

/// The ARNs of the layers that a function has.
fn arns(layers: &Value) -> Vec<&str> {
    let layers = layers.as_array().into_iter().flatten();
    layers.filter_map(|layer| layer["Arn"].as_str()).collect()
}

fn snap_start(switch: Switch) -> Value {
    let apply_on = match switch {
        Switch::On => "PublishedVersions",
        Switch::Off => "None",
    };
    json!({ "ApplyOn": apply_on })
}

/// The flag takes any case, the API only one.
fn logging(format: &str) -> Value {
    let format = if format.eq_ignore_ascii_case("json") {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    json!({ "LogFormat": match format { LogFormat::Json => "JSON", LogFormat::Text => "Text" } })
}

/// Whether a wanted value is not what exists. Of a structure only the members wanted count: the
/// server adds others, such as the log group. Variables count as a whole, because the update
/// replaces them all.
fn differs(existing: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(members) => members.iter().any(|(key, value)| existing[key] != *value),
        _ => existing != wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &Attached = &Attached {
        layers: Vec::new(),
        file_system: None,
    };

    fn wanted(args: &Args) -> Wanted<'_> {
        Wanted {
            runtime: None,
            handler: None,
            role: None,
            attached: NOTHING,
            args,
        }
    }

    fn existing() -> Value {
        json!({
            "Runtime": "python3.11", "Handler": "app.handler", "MemorySize": 128, "Timeout": 3,
            "CodeSha256": "abc=", "Architectures": ["x86_64"],
            "Environment": { "Variables": { "A": "1" } },
            "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/app" },
        })
    }

    #[test]
    fn what_is_the_same_already_is_no_change() {
        let args = Args {
            memory: Some(128),
            timeout: Some(3),
            env: vec![("A".to_owned(), "1".to_owned())],
            log_format: Some("text".to_owned()),
            architecture: Some("x86_64".to_owned()),
            ..Args::default()
        };
        let wanted = Wanted {
            handler: Some("app.handler"),
            ..wanted(&args)
        };
        assert_eq!(configuration_changes(&existing(), &wanted), None);
        assert_eq!(code_changes(&existing(), "abc=", &args), None);
    }

    #[test]
    fn only_differences_are_sent() {
        let args = Args {
            memory: Some(256),
            timeout: Some(3),
            ..Args::default()
        };
        let changes = configuration_changes(&existing(), &wanted(&args)).unwrap();
        assert_eq!(changes, json!({ "MemorySize": 256 }));
        assert_eq!(code_changes(&existing(), "other=", &args), Some(json!({})));
    }

    #[test]
    fn layers_are_compared_by_their_arns_in_order() {
        let args = Args::default();
        let (a, b) = ("arn:a:1".to_owned(), "arn:b:1".to_owned());
        let mut function = existing();
        function["Layers"] = json!([{ "Arn": a, "CodeSize": 1 }, { "Arn": b, "CodeSize": 1 }]);
        let changes = |layers: &[String]| {
            let attached = Attached {
                layers: layers.to_vec(),
                file_system: None,
            };
            let wanted = Wanted {
                attached: &attached,
                ..wanted(&args)
            };
            configuration_changes(&function, &wanted)
        };
        assert_eq!(changes(&[a.clone(), b.clone()]), None);
        assert_eq!(changes(&[]), None);
        let swapped = [b, a];
        assert_eq!(changes(&swapped), Some(json!({ "Layers": swapped })));
    }

    #[test]
    fn variables_replace_all_earlier_ones() {
        let args = Args {
            env: vec![("B".to_owned(), "2".to_owned())],
            ..Args::default()
        };
        let changes = configuration_changes(&existing(), &wanted(&args)).unwrap();
        assert_eq!(
            changes,
            json!({ "Environment": { "Variables": { "B": "2" } } })
        );
    }

    #[test]
    fn other_architecture_uploads_the_same_code_again() {
        let args = Args {
            architecture: Some("arm64".to_owned()),
            ..Args::default()
        };
        let changes = code_changes(&existing(), "abc=", &args);
        assert_eq!(changes, Some(json!({ "Architectures": ["arm64"] })));
    }

    #[test]
    fn creation_leaves_to_the_server_what_was_not_said() {
        let args = Args::default();
        let wanted = Wanted {
            runtime: Some("python3.11"),
            ..wanted(&args)
        };
        let document = creation("sum", &wanted);
        assert_eq!(
            document,
            json!({ "FunctionName": "sum", "Runtime": "python3.11" })
        );
    }

    #[test]
    fn variable_is_split_at_the_first_equal_sign() {
        assert_eq!(
            variable("URL=a=b"),
            Ok(("URL".to_owned(), "a=b".to_owned()))
        );
        assert_eq!(variable("EMPTY="), Ok(("EMPTY".to_owned(), String::new())));
        assert!(variable("=x").is_err() && variable("x").is_err());
    }
}
