//! What `AutoPublishAlias` makes: a version whenever the code changes, and an alias of the last.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{Macro, Made, Reason, hash, resolve};

/// Publishes a version whose logical id changes with the code, and an alias of it: its logical id and its name.
pub(super) fn publish(
    of: &Macro<'_>,
    name: &str,
    properties: &mut JsonMap<String, Json>,
    made: &mut Made,
) -> Result<(String, String), Reason> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty()
        || !name.chars().all(is_part)
        || name.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!(
            "AutoPublishAlias name ('{name}') must contain only alphanumeric characters, hyphens, or underscores matching \
             (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern."
        ));
    }
    let sha = of.resolved("AutoPublishCodeSha256")?;
    let digits = match &sha {
        Some(sha) => sha.chars().take(10).collect(),
        None => version_hash(of, properties),
    };
    if let Some(sha) = sha {
        // Lambda publishes no second version of what has not changed; the description makes it one.
        let description = properties
            .get("Description")
            .map(|text| resolve(text, of.values));
        let description = match description {
            None => json!(sha),
            Some(Json::String(text)) => json!(format!("{text} {sha}")),
            Some(other) => json!({"Fn::Join": [" ", [other, sha]]}),
        };
        properties.insert("Description".to_owned(), description);
    }
    let version = format!("{}Version{digits}", of.name);
    let function = json!({"Ref": of.name});
    let described = json!({"FunctionName": function, "Description": of.get("VersionDescription")});
    made.add(of, &version, "AWS::Lambda::Version", described);
    let policy = of
        .resolved("VersionDeletionPolicy")?
        .unwrap_or_else(|| "Retain".to_owned());
    if !of.attributes.contains_key("DeletionPolicy")
        && let Some(resource) = made.resources.get_mut(&version)
    {
        resource["DeletionPolicy"] = policy.into();
    }
    let alias = format!(
        "{}Alias{}",
        of.name,
        name.replace('-', "D").replace('_', "U")
    );
    let properties = json!({
        "Name": name,
        "FunctionName": function,
        "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
        "ProvisionedConcurrencyConfig": of.get("ProvisionedConcurrencyConfig"),
    });
    made.add(of, &alias, "AWS::Lambda::Alias", properties);
    made.renamed.insert(format!("{}.Version", of.name), version);
    made.renamed
        .insert(format!("{}.Alias", of.name), alias.clone());
    Ok((alias, name.to_owned()))
}

/// What a new version is published for: other code, memory, environment, or anything at all.
fn version_hash(of: &Macro<'_>, properties: &JsonMap<String, Json>) -> String {
    let all = of
        .get("AutoPublishAliasAllProperties")
        .is_some_and(|is| *is == Json::Bool(true) || *is == "true");
    if all {
        return hash::of(&Json::Object(properties.clone()));
    }
    let mut hashed = match properties.get("Code").map(|code| resolve(code, of.values)) {
        Some(Json::Object(code)) => code,
        Some(path) => JsonMap::from_iter([("Code".to_owned(), path)]),
        None => JsonMap::new(),
    };
    if let Some(Json::Object(environment)) = properties.get("Environment") {
        hashed.extend(environment.clone());
    }
    if let Some(memory) = properties.get("MemorySize") {
        hashed.insert("MemorySize".to_owned(), memory.clone());
    }
    if let Some(snap_start) = properties.get("SnapStart")
        && snap_start
            .get("ApplyOn")
            .is_some_and(|apply| apply != "None")
    {
        hashed.insert("SnapStart".to_owned(), snap_start.clone());
    }
    hash::of(&Json::Object(hashed))
}
