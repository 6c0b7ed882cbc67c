//! Where a function's code and a layer's content lie.

use serde_json::{Value as Json, json};

use super::{Macro, Reason};

/// The code of a function.
pub(super) fn of(of: &Macro<'_>) -> Result<Json, Reason> {
    let is_image = of.get("PackageType").is_some_and(|kind| kind == "Image");
    if is_image {
        let uri = of
            .get("ImageUri")
            .ok_or("'ImageUri' must be set: build the image and push it first")?;
        return Ok(json!({"ImageUri": uri}));
    }
    for required in ["Handler", "Runtime"] {
        if of.get(required).is_none() {
            return Err(format!(
                "'{required}' must be set for functions whose PackageType is Zip"
            ));
        }
    }
    let mut code = match (of.get("InlineCode"), of.get("CodeUri")) {
        (Some(text), _) => json!({"ZipFile": text}),
        (None, Some(uri)) => at(uri, "CodeUri")?,
        (None, None) => return Err("Either 'InlineCode' or 'CodeUri' must be set.".to_owned()),
    };
    if let (Some(key), Json::Object(code)) = (of.get("SourceKMSKeyArn"), &mut code) {
        code.insert("SourceKMSKeyArn".to_owned(), key.clone());
    }
    Ok(code)
}

/// Where code or a layer's content lies: an object in a bucket, or a text that is a path, for whoever deploys to fill.
pub(super) fn at(uri: &Json, property: &str) -> Result<Json, Reason> {
    let wrong = || {
        format!(
            "'{property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
        )
    };
    match uri {
        Json::String(text) => {
            let Some(object) = text.strip_prefix("s3://") else {
                return Ok(uri.clone());
            };
            let (bucket, key) = object.split_once('/').ok_or_else(wrong)?;
            let (key, version) = match key.split_once("?versionId=") {
                Some((key, version)) => (key, Some(version)),
                None => (key, None),
            };
            if bucket.is_empty() || key.is_empty() {
                return Err(wrong());
            }
            let mut code = json!({"S3Bucket": bucket, "S3Key": key});
            if let Some(version) = version {
                code["S3ObjectVersion"] = version.into();
            }
            Ok(code)
        }
        Json::Object(map) if map.contains_key("Bucket") && map.contains_key("Key") => {
            let mut code = json!({"S3Bucket": map["Bucket"], "S3Key": map["Key"]});
            if let Some(version) = map.get("Version") {
                code["S3ObjectVersion"] = version.clone();
            }
            Ok(code)
        }
        _ => Err(wrong()),
    }
}
