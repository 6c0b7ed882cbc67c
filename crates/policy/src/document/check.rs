//! What must be true of a document whose shape is right, in the order in which AWS complains.

use std::collections::HashSet;

use super::raw::{Document, Listed, Statement};
use super::{Error, PolicyKind};

/// Refuses what AWS would refuse to keep.
pub(super) fn document(document: &Document, kind: PolicyKind) -> Result<(), Error> {
    unique_sids(document)?;
    let all = |check: &dyn Fn(&Statement) -> Result<(), Error>| {
        document.statements.iter().try_for_each(check)
    };
    all(&|statement| principals(statement, kind))?;
    all(&has_actions)?;
    if kind == PolicyKind::Trust {
        all(&no_resources)?;
        all(&assumes_roles)?;
    } else if kind != PolicyKind::Resource {
        all(&|statement| listed(statement.resources.as_ref()).try_for_each(resource))?;
    }
    all(&|statement| listed(statement.actions.as_ref()).try_for_each(action))?;
    if !kind.has_principals() {
        all(&has_resources)?;
    }
    Ok(())
}

fn listed(list: Option<&Listed<Vec<String>>>) -> impl Iterator<Item = &str> {
    list.into_iter()
        .flat_map(|list| &list.values)
        .map(String::as_str)
}

/// An empty name is none.
fn unique_sids(document: &Document) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let sids = document
        .statements
        .iter()
        .filter_map(|statement| statement.sid.as_deref());
    for sid in sids.filter(|sid| !sid.is_empty()) {
        if !seen.insert(sid) {
            return Err(Error::DuplicateSid(sid.to_owned()));
        }
    }
    Ok(())
}

fn principals(statement: &Statement, kind: PolicyKind) -> Result<(), Error> {
    let names = statement.principals.as_ref().map(|listed| &listed.values);
    let is_empty = names.is_none_or(|names| names.iter().all(|names| names.names.is_empty()));
    if kind.has_principals() && is_empty {
        return Err(Error::NoPrincipal);
    }
    Ok(())
}

fn has_actions(statement: &Statement) -> Result<(), Error> {
    listed(statement.actions.as_ref())
        .next()
        .map(drop)
        .ok_or(Error::NoActions)
}

fn has_resources(statement: &Statement) -> Result<(), Error> {
    listed(statement.resources.as_ref())
        .next()
        .map(drop)
        .ok_or(Error::NoResources)
}

fn no_resources(statement: &Statement) -> Result<(), Error> {
    match &statement.resources {
        None => Ok(()),
        Some(listed) if listed.is_negated => Err(Error::Prohibited("NotResource")),
        Some(_) => Err(Error::Prohibited("Resource")),
    }
}

fn assumes_roles(statement: &Statement) -> Result<(), Error> {
    let is_of_sts = |action: &str| {
        let vendor = action.split_once(':').map(|(vendor, _)| vendor);
        vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case("sts"))
    };
    match listed(statement.actions.as_ref()).find(|action| !is_of_sts(action)) {
        None => Ok(()),
        Some(action) => Err(Error::NotAssumeRole(action.to_owned())),
    }
}

fn action(action: &str) -> Result<(), Error> {
    let mut parts = action.split(':');
    let vendor = parts.next().unwrap_or_default();
    let is_any = vendor == "*";
    match (parts.next(), parts.next()) {
        (None, _) if is_any => return Ok(()),
        (None, _) => return Err(Error::ActionWithoutVendor(action.to_owned())),
        (Some(_), Some(_)) => return Err(Error::ActionWithColons(action.to_owned())),
        (Some(_), None) => {}
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !is_any && !vendor.chars().all(is_of_name) {
        return Err(Error::Vendor(vendor.to_owned()));
    }
    Ok(())
}

/// The partitions of AWS that policies name.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// AWS knows more of single services than is checked here, such as the first words of IAM's resources.
fn resource(resource: &str) -> Result<(), Error> {
    if resource == "*" {
        return Ok(());
    }
    let Some((_, rest)) = resource.split_once(':') else {
        return Err(Error::NotAnArn(resource.to_owned()));
    };
    let (partition, rest) = match rest.split_once(':') {
        Some((partition, rest)) => (partition, Some(rest)),
        None => (rest, None),
    };
    if !PARTITIONS.contains(&partition) {
        return Err(Error::Partition {
            partition: partition.to_owned(),
            resource: filled_up(partition, rest.unwrap_or_default()),
        });
    }
    let Some(rest) = rest else {
        return Err(Error::ResourceVendor(resource.to_owned()));
    };
    let (service, rest) = rest.split_once(':').unwrap_or((rest, ""));
    if service.contains(['*', '?']) {
        return Err(Error::ResourceVendor(resource.to_owned()));
    }
    let is_cut_short = resource.contains("::") && resource.matches(':').count() < 5;
    if service.is_empty() || is_cut_short {
        return Err(Error::Legacy(format!("`{resource}` is no whole ARN")));
    }
    let region = rest.split(':').next().unwrap_or_default();
    if service == "iam" && !region.is_empty() && !region.starts_with('*') {
        return Err(Error::IamRegion(resource.to_owned()));
    }
    Ok(())
}

/// An ARN with a `*` for each part that is missing, as AWS shows it.
fn filled_up(partition: &str, rest: &str) -> String {
    let mut parts = rest.splitn(4, ':');
    let mut part = || parts.next().unwrap_or("*").to_owned();
    let first = Some(part()).filter(|first| !first.is_empty() || rest.contains(':'));
    let first = first.unwrap_or_else(|| "*".to_owned());
    format!("arn:{partition}:{first}:{}:{}:{}", part(), part(), part())
}
