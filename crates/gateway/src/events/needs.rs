//! What operations on buses, rules and archives need to be allowed. A bus's policy has a say.
//!
//! Source: "Actions, resources, and condition keys for Amazon EventBridge" in the service authorization reference.

use std::collections::BTreeSet;

use kiln_types::BusId;
use serde_json::Value;

use super::bus;
use super::generated::Operation;
use super::tag::Tagged;
use crate::access::{Guarded, Members, Need};

/// Whom roles of rules and targets are given to.
const SERVICE: &str = "events.amazonaws.com";

impl Guarded for Operation {
    const SERVICE: &'static str = "events";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            PutEvents => put(of),
            ListEventBuses
            | ListRules
            | ListRuleNamesByTarget
            | ListArchives
            | ListReplays
            | TestEventPattern => vec![of.need("*")],
            CreateEventBus | DescribeEventBus | UpdateEventBus | DeleteEventBus => {
                vec![on_bus(of, of.text("Name"))]
            }
            PutPermission | RemovePermission => vec![on_bus(of, of.text("EventBusName"))],
            PutTargets => targets(of),
            ListTargetsByRule | RemoveTargets => vec![of.need(rule(of, "Rule"))],
            PutRule => {
                let passed = of.pass_role(of.text("RoleArn"), SERVICE);
                [Some(of.need(rule(of, "Name"))), passed]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            DescribeRule | DeleteRule | EnableRule | DisableRule => {
                vec![of.need(rule(of, "Name"))]
            }
            CreateArchive => vec![archive(of), of.need(of.text_or_empty("EventSourceArn"))],
            DescribeArchive | UpdateArchive | DeleteArchive => vec![archive(of)],
            StartReplay => {
                let archive = of.text_or_empty("EventSourceArn");
                let to = of.text_in("Destination", "Arn").unwrap_or_default();
                vec![replay(of), of.need(archive), of.need(to)]
            }
            DescribeReplay | CancelReplay => vec![replay(of)],
            TagResource | UntagResource | ListTagsForResource => {
                vec![of.need(tagged(of, of.text_or_empty("ResourceARN")))]
            }
            _ => vec![of.need("*")],
        }
    }
}

fn on_bus(of: &Members<'_>, name: Option<&str>) -> Need {
    match bus::named(of.context, name) {
        Ok(id) => of.need(bus_arn(of, &id)),
        Err(_) => of.need(name.unwrap_or("*")),
    }
}

fn bus_arn(of: &Members<'_>, id: &BusId) -> String {
    id.arn(&of.context.config.region).to_string()
}

/// A rule of the default bus is named without it.
fn rule(of: &Members<'_>, member: &str) -> String {
    let name = of.text_or_empty(member);
    match bus::named(of.context, of.text("EventBusName")) {
        Ok(id) if !id.name.is_default() => of.arn(format_args!("rule/{}/{name}", id.name)),
        _ => of.arn(format_args!("rule/{name}")),
    }
}

/// A bus or a rule, as the operations read its ARN.
fn tagged(of: &Members<'_>, arn: &str) -> String {
    let region = &of.context.config.region;
    match Tagged::read(of.context, arn) {
        Ok(Tagged::Bus(id)) => bus_arn(of, &id),
        Ok(Tagged::Rule(id)) => id.arn(region),
        Err(_) => arn.to_owned(),
    }
}

fn archive(of: &Members<'_>) -> Need {
    of.need(of.arn(format_args!("archive/{}", of.text_or_empty("ArchiveName"))))
}

fn replay(of: &Members<'_>) -> Need {
    of.need(of.arn(format_args!("replay/{}", of.text_or_empty("ReplayName"))))
}

/// Events go to every bus that one of them names, from every source and of every type that they have there.
fn put(of: &Members<'_>) -> Vec<Need> {
    let text = |entry: &Value, name: &str| Some(entry.get(name)?.as_str()?.to_owned());
    let told: BTreeSet<[Option<String>; 3]> = of
        .list("Entries")
        .iter()
        .map(|entry| ["EventBusName", "Source", "DetailType"].map(|name| text(entry, name)))
        .collect();
    let need = |[bus, source, kind]: [Option<String>; 3]| {
        on_bus(of, bus.as_deref())
            .with("events:source", source)
            .with("events:detail-type", kind)
    };
    told.into_iter().map(need).collect()
}

/// Events will be sent to targets in the caller's name, or as a role that it gives.
fn targets(of: &Members<'_>) -> Vec<Need> {
    let targets = of.list("Targets");
    let text = |target: &Value, name: &str| Some(target.get(name)?.as_str()?.to_owned());
    let mut needs = Vec::new();
    if targets.is_empty() {
        needs.push(of.need(rule(of, "Rule")));
    }
    for target in targets {
        let role = text(target, "RoleArn");
        let arn = text(target, "Arn");
        needs.push(of.need(rule(of, "Rule")).with("events:TargetArn", arn));
        needs.extend(of.pass_role(role.as_deref(), SERVICE));
        let dead_letters = target.get("DeadLetterConfig");
        let dead_letters = dead_letters.and_then(|config| text(config, "Arn"));
        for arn in [text(target, "Arn"), dead_letters].into_iter().flatten() {
            needs.extend(Need::to_send(&arn).map(|need| need.or_role(role.as_deref())));
        }
    }
    needs
}
