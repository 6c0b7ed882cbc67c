//! `AWS::Serverless::LayerVersion`.

use serde_json::{Value as Json, json};

use super::{Macro, Made, Reason, code, hash};

pub(super) fn transform(of: &Macro<'_>, made: &mut Made) -> Result<(), Reason> {
    of.allow(&[
        "CompatibleArchitectures",
        "CompatibleRuntimes",
        "ContentUri",
        "Description",
        "LayerName",
        "LicenseInfo",
        "PublishLambdaVersion",
        "RetentionPolicy",
    ])?;
    let content = of
        .get("ContentUri")
        .ok_or("Missing required property 'ContentUri'.")?;
    let (name, description) = (of.resolved("LayerName")?, of.resolved("Description")?);
    let (license, retention) = (of.resolved("LicenseInfo")?, of.resolved("RetentionPolicy")?);
    let policy = match retention.as_deref().map(str::to_lowercase).as_deref() {
        None => of
            .attributes
            .get("DeletionPolicy")
            .and_then(Json::as_str)
            .unwrap_or("Retain")
            .to_owned(),
        Some("retain") => "Retain".to_owned(),
        Some("delete") => "Delete".to_owned(),
        Some(_) => {
            return Err(
                "'RetentionPolicy' must be one of the following options: [Retain, Delete]."
                    .to_owned(),
            );
        }
    };
    let mut hashed = of.properties.clone();
    let resolved = [
        ("LayerName", &name),
        ("Description", &description),
        ("LicenseInfo", &license),
        ("RetentionPolicy", &retention),
    ];
    for (property, value) in resolved {
        if let Some(value) = value {
            hashed.insert(property.to_owned(), value.as_str().into());
        }
    }
    let mut resource = json!({"Type": "AWS::Serverless::LayerVersion", "Properties": hashed});
    for attribute in ["Condition", "DependsOn"] {
        if let Some(value) = of.attributes.get(attribute) {
            resource[attribute] = value.clone();
        }
    }
    // A layer version never changes: another content is another resource, and the old one stays.
    let logical_id = format!("{}{}", of.name, hash::of(&json!({&of.name: resource})));
    let properties = json!({
        "CompatibleArchitectures": of.get("CompatibleArchitectures"),
        "CompatibleRuntimes": of.get("CompatibleRuntimes"),
        "Content": code::at(content, "ContentUri")?,
        "Description": description,
        "LayerName": name.unwrap_or_else(|| of.name.clone()),
        "LicenseInfo": license,
    });
    made.add(of, &logical_id, "AWS::Lambda::LayerVersion", properties);
    if let Some(resource) = made.resources.get_mut(&logical_id) {
        resource["DeletionPolicy"] = policy.into();
        if let Some(depends_on) = of.attributes.get("DependsOn") {
            resource["DependsOn"] = depends_on.clone();
        }
    }
    made.renamed.insert(of.name.clone(), logical_id);
    Ok(())
}
