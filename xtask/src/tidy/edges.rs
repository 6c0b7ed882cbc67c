//! The workspace's picture: which crate may use which.

use anyhow::Context as _;
use serde_json::Value;

use super::Complaint;

/// Every crate and the crates of the workspace it may use; `types` is open to all.
/// The same picture stands in ARCHITECTURE.md; a new row needs a page in docs/decisions.
const EDGES: &[(&str, &[&str])] = &[
    ("kiln-types", &[]),
    ("kiln-sandbox", &[]),
    ("kiln-store", &[]),
    ("kiln-image", &[]),
    ("kiln-events", &[]),
    ("kiln-oidc", &[]),
    ("kiln-policy", &[]),
    ("kiln-signing", &[]),
    ("kiln-stacks", &[]),
    ("kiln-cli", &["kiln-signing"]),
    ("kiln-wasm", &[]),
    ("kiln-network", &["kiln-sandbox"]),
    ("kiln-instance", &["kiln-network", "kiln-sandbox"]),
    ("kiln-scheduler", &["kiln-instance"]),
    ("kiln-metering", &["kiln-store"]),
    (
        "kiln-invoke",
        &[
            "kiln-scheduler",
            "kiln-instance",
            "kiln-metering",
            "kiln-store",
            "kiln-events",
            "kiln-signing",
        ],
    ),
    (
        "kiln-gateway",
        &[
            "kiln-invoke",
            "kiln-image",
            "kiln-events",
            "kiln-oidc",
            "kiln-policy",
            "kiln-signing",
            "kiln-store",
            "kiln-metering",
        ],
    ),
    (
        "kiln-triggers",
        &["kiln-invoke", "kiln-events", "kiln-store"],
    ),
    (
        "kiln-app",
        &[
            "kiln-sandbox",
            "kiln-network",
            "kiln-store",
            "kiln-image",
            "kiln-cli",
            "kiln-instance",
            "kiln-scheduler",
            "kiln-metering",
            "kiln-invoke",
            "kiln-gateway",
            "kiln-triggers",
        ],
    ),
    ("kiln-testkit", &[]),
    ("kiln-bench", &["kiln-testkit"]),
    ("kiln-torture", &["kiln-testkit"]),
    (
        "kiln-fuzz",
        &[
            "kiln-sandbox",
            "kiln-network",
            "kiln-store",
            "kiln-image",
            "kiln-events",
            "kiln-oidc",
            "kiln-policy",
            "kiln-signing",
            "kiln-stacks",
            "kiln-instance",
            "kiln-gateway",
            "kiln-triggers",
        ],
    ),
    ("xtask", &[]),
];

/// Complains about every dependency inside the workspace that the picture does not have.
pub(super) fn check(metadata: &Value) -> anyhow::Result<Vec<Complaint>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata: packages")?;
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("cargo metadata: name")?;
        let Some((_, allowed)) = EDGES.iter().find(|(of, _)| *of == name) else {
            let what = "a crate that the picture in xtask/src/tidy/edges.rs does not have";
            complaints.push(Complaint::new(name, 0, what));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(to) = dependency["name"].as_str().filter(|to| names.contains(to)) else {
                continue;
            };
            let is_for_tests = dependency["kind"].as_str() == Some("dev");
            let is_allowed = to == "kiln-types"
                || allowed.contains(&to)
                || (is_for_tests && to == "kiln-testkit");
            if !is_allowed {
                complaints.push(Complaint::new(name, 0, format!("may not depend on {to}")));
            }
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(from: &str, to: &str, kind: Option<&str>) -> usize {
        let metadata = json!({"packages": [
            {"name": from, "dependencies": [{"name": to, "kind": kind}]},
            {"name": to, "dependencies": []},
        ]});
        check(&metadata).unwrap().len()
    }

    #[test]
    fn only_edges_of_the_picture_pass() {
        assert_eq!(complaints("kiln-gateway", "kiln-invoke", None), 0);
        assert_eq!(complaints("kiln-gateway", "kiln-types", None), 0);
        assert_eq!(complaints("kiln-gateway", "kiln-sandbox", None), 1);
        assert_eq!(complaints("kiln-types", "kiln-store", None), 1);
        assert_eq!(complaints("kiln-scheduler", "kiln-sandbox", Some("dev")), 1);
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert_eq!(complaints("kiln-app", "kiln-testkit", Some("dev")), 0);
        assert_eq!(complaints("kiln-app", "kiln-testkit", None), 1);
    }

    #[test]
    fn a_crate_outside_the_picture_is_a_complaint() {
        assert_eq!(complaints("kiln-extra", "kiln-types", None), 1);
    }

    #[test]
    fn crates_of_others_are_free() {
        let metadata = json!({"packages": [
            {"name": "kiln-types", "dependencies": [{"name": "serde", "kind": null}]},
        ]});
        assert_eq!(check(&metadata).unwrap(), []);
    }
}
