//! Plans: what is created, updated, replaced, removed and undone, and in which order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::values::{Pseudo, Values};

/// Every resource that is there, by its name.
struct Named(BTreeSet<String>);

impl Lookup for Named {
    fn reference(&self, logical_id: &str) -> Answer {
        if self.0.contains(logical_id) {
            Answer::Known(json!(logical_id))
        } else {
            Answer::Open
        }
    }

    fn attribute(&self, logical_id: &str, _: &str) -> Answer {
        self.reference(logical_id)
    }

    fn import(&self, _: &str) -> Option<String> {
        None
    }
}

fn pseudo() -> Pseudo {
    let text = String::new;
    Pseudo {
        account: text(),
        region: text(),
        partition: text(),
        stack_id: text(),
        stack_name: text(),
        url_suffix: text(),
        notification_arns: Vec::new(),
        zones: Vec::new(),
    }
}

fn plan(template: &str, existing: &IndexMap<String, Existing>) -> Result<Plan, Error> {
    let template = Template::read(template)?;
    let (values, pseudo) = (Values::default(), pseudo());
    let evaluator = Evaluator::new(&template, &values, &pseudo)?;
    Plan::new(
        &template,
        &evaluator,
        existing,
        &Named(existing.keys().cloned().collect()),
    )
}

/// What a stack has once its template was made.
fn made(template: &str) -> IndexMap<String, Existing> {
    let template = Template::read(template).unwrap();
    let (values, pseudo) = (Values::default(), pseudo());
    let evaluator = Evaluator::new(&template, &values, &pseudo).unwrap();
    let lookup = Named(template.resources.keys().cloned().collect());
    let waits_for: BTreeMap<&str, Vec<&str>> = evaluator.waits_for().collect();
    evaluator
        .order()
        .unwrap()
        .into_iter()
        .map(|name| {
            let existing = Existing {
                kind: template.resources[name].kind.clone(),
                properties: evaluator.properties(name, &lookup).unwrap().known,
                waits_for: waits_for[name]
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect(),
                deletion_policy: template.resources[name].deletion_policy,
            };
            (name.to_owned(), existing)
        })
        .collect()
}

fn shown(steps: &[Step]) -> Vec<String> {
    let shown = |step: &Step| {
        let before: Vec<&str> = step
            .waits_for
            .iter()
            .map(|at| steps[*at].logical_id.as_str())
            .collect();
        format!("{:?} {} after {before:?}", step.task, step.logical_id)
    };
    steps.iter().map(shown).collect()
}

const APP: &str = "
Resources:
  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !GetAtt F.Arn, AuthType: NONE}}
  F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, MemorySize: 128, Environment: {Variables: {Q: !Ref Queue}}}}
  Role: {Type: AWS::IAM::Role, Properties: {Path: /a/}}
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30}}
";

#[test]
fn a_new_stack_is_created_in_order() {
    let plan = plan(APP, &IndexMap::new()).unwrap();
    assert_eq!(
        shown(&plan.work),
        [
            "Create Role after []",
            "Create Queue after []",
            "Create F after [\"Role\", \"Queue\"]",
            "Create Url after [\"F\"]",
        ]
    );
    assert!(plan.cleanup.is_empty());
    assert!(
        plan.changes
            .iter()
            .all(|change| change.action == Action::Create)
    );
}

#[test]
fn the_same_template_changes_nothing() {
    let same = plan(APP, &made(APP)).unwrap();
    assert!(same.is_empty(), "{same:?}");
    // What is written as a text is the number that it was.
    assert!(
        plan(&APP.replace("128", "'128'"), &made(APP))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_update_says_which_properties_differ() {
    let plan = plan(
        &APP.replace("128", "256")
            .replace(", Environment: {Variables: {Q: !Ref Queue}}", ""),
        &made(APP),
    )
    .unwrap();
    let change = plan
        .changes
        .iter()
        .find(|change| change.logical_id == "F")
        .unwrap();
    let difference = |property: &str| Difference {
        property: property.to_owned(),
        replacement: Replacement::Never,
        is_open: false,
    };
    let differs = vec![difference("Environment"), difference("MemorySize")];
    assert_eq!(
        change.action,
        Action::Update {
            differs,
            replacement: Replacement::Never
        }
    );
    assert_eq!(shown(&plan.work), ["Update F after []"]);
}

#[test]
fn a_replacement_moves_what_refers_to_it() {
    let plan = plan(&APP.replace("/a/", "/b/"), &made(APP)).unwrap();
    assert_eq!(
        shown(&plan.work),
        ["Replace Role after []", "Update F after [\"Role\"]"]
    );
    assert_eq!(shown(&plan.cleanup), ["RemoveReplaced Role after []"]);
    let change = plan
        .changes
        .iter()
        .find(|change| change.logical_id == "F")
        .unwrap();
    let Action::Update {
        differs,
        replacement,
    } = &change.action
    else {
        panic!("{change:?}");
    };
    assert_eq!(
        (
            differs[0].property.as_str(),
            differs[0].is_open,
            *replacement
        ),
        ("Role", true, Replacement::Never)
    );
}

#[test]
fn a_reference_to_what_moves_may_replace() {
    let old = "Resources: {R: {Type: AWS::IAM::Role, Properties: {Path: /a/}}, P: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref R}}}";
    let plan = plan(&old.replace("/a/", "/b/"), &made(old)).unwrap();
    assert_eq!(
        shown(&plan.work),
        ["Replace R after []", "Update P after [\"R\"]"]
    );
    let Action::Update { replacement, .. } = &plan.changes[1].action else {
        panic!("{plan:?}");
    };
    assert_eq!(*replacement, Replacement::Perhaps);
    // Once the role is there it is known.
    let p = &made(old)["P"];
    let known = |role: &str| Properties {
        known: JsonMap::from_iter([("FunctionName".to_owned(), json!(role))]),
        ..Properties::default()
    };
    assert_eq!(p.action(&known("R")).unwrap(), Action::Keep);
    assert!(matches!(
        p.action(&known("R-2")).unwrap(),
        Action::Update {
            replacement: Replacement::Always,
            ..
        }
    ));
    let found = BTreeSet::from(["P".to_owned()]);
    let template = Template::read(&old.replace("/a/", "/b/")).unwrap();
    let cleanup = plan.cleanup(&template, &made(old), &found);
    assert_eq!(
        shown(&cleanup),
        [
            "RemoveReplaced R after [\"P\"]",
            "RemoveReplaced P after []"
        ]
    );
    let rollback = plan.rollback(&BTreeSet::from([0, 1]), &found);
    assert_eq!(
        shown(&rollback),
        [
            "RemoveReplacement P after []",
            "RemoveReplacement R after [\"P\"]"
        ]
    );
}

#[test]
fn what_the_template_has_no_more_is_removed_last_and_backwards() {
    let plan = plan(
        "Resources: {Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30}}}",
        &made(APP),
    )
    .unwrap();
    assert!(plan.work.is_empty());
    assert_eq!(
        shown(&plan.cleanup),
        [
            "Remove Role after [\"F\"]",
            "Remove F after [\"Url\"]",
            "Remove Url after []"
        ]
    );
}

#[test]
fn what_is_to_stay_stays() {
    let old = APP.replace(
        "Queue: {Type: AWS::SQS::Queue,",
        "Queue: {Type: AWS::SQS::Queue, DeletionPolicy: Retain,",
    );
    let steps = Plan::removal(&made(&old));
    assert_eq!(
        shown(&steps),
        [
            "Remove Role after [\"F\"]",
            "LetGo Queue after [\"F\"]",
            "Remove F after [\"Url\"]",
            "Remove Url after []"
        ]
    );
}

#[test]
fn a_rollback_undoes_what_was_begun_the_last_first() {
    let new = APP
        .replace("/a/", "/b/")
        .replace("AuthType: NONE", "AuthType: AWS_IAM")
        + "  T: {Type: AWS::SNS::Topic, DependsOn: F}\n";
    let plan = plan(&new, &made(APP)).unwrap();
    let mut progress = Progress::new(&plan.work);
    let named = |steps: Vec<usize>| -> Vec<&str> {
        steps
            .into_iter()
            .map(|at| plan.work[at].logical_id.as_str())
            .collect()
    };
    assert_eq!(named(progress.begin()), ["Role"]);
    assert_eq!(progress.begin(), Vec::<usize>::new());
    progress.done(0);
    assert_eq!(named(progress.begin()), ["F"]);
    progress.done(1);
    assert_eq!(named(progress.begin()), ["Url", "T"]);
    progress.failed(2);
    assert!(!progress.is_over());
    progress.done(3);
    assert!(progress.is_over());
    assert_eq!(
        shown(&plan.rollback(&progress.begun(), &BTreeSet::new())),
        [
            "Remove T after []",
            "Restore Url after []",
            "Restore F after [\"T\", \"Url\"]",
            "RemoveReplacement Role after [\"F\"]",
        ]
    );
}

#[test]
fn what_is_retained_outlives_the_failure_of_what_made_it() {
    let text = "Resources: {A: {Type: AWS::SQS::Queue, DeletionPolicy: Retain}, B: {Type: AWS::SQS::Queue, DeletionPolicy: RetainExceptOnCreate}}";
    let plan = plan(text, &IndexMap::new()).unwrap();
    assert_eq!(
        shown(&plan.rollback(&BTreeSet::from([0, 1]), &BTreeSet::new())),
        ["Remove B after []", "LetGo A after []"]
    );
    assert_eq!(
        shown(&Plan::removal(&made(text))),
        ["LetGo A after []", "LetGo B after []"]
    );
}

#[test]
fn unsupported_types_are_named_in_one_error() {
    let text = "Resources: {A: {Type: AWS::EC2::VPC}, B: {Type: AWS::SQS::Queue}, C: {Type: AWS::DynamoDB::Table}, D: {Type: AWS::EC2::VPC}}";
    let error = plan(text, &IndexMap::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Template format error: Unrecognized resource types: [AWS::DynamoDB::Table, AWS::EC2::VPC]"
    );
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn a_resource_stays_of_its_type() {
    let old = "Resources: {A: {Type: AWS::SNS::Topic}}";
    let error = plan("Resources: {A: {Type: AWS::SQS::Queue}}", &made(old)).unwrap_err();
    assert!(
        error.to_string().ends_with("following resources: [A]"),
        "{error}"
    );
}

#[test]
fn what_has_a_name_of_its_own_is_not_replaced_by_its_like() {
    let old = "Resources: {R: {Type: AWS::IAM::Role, Properties: {Path: /a/, RoleName: admin}}}";
    let error = plan(&old.replace("/a/", "/b/"), &made(old)).unwrap_err();
    assert!(
        error.to_string().contains("Rename admin and update"),
        "{error}"
    );
    assert!(
        plan(
            &old.replace("/a/", "/b/").replace("admin", "other"),
            &made(old)
        )
        .is_ok()
    );
}

proptest! {
    /// Whatever is done at the same time, nothing begins before what it waits for, and all of it ends.
    #[test]
    fn progress_keeps_to_the_steps(edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..30), choices in prop::collection::vec(any::<usize>(), 12)) {
        let mut text = String::from("Resources:\n");
        for at in 0..12 {
            let before: Vec<String> = edges.iter().filter(|(one, other)| *one == at && one > other).map(|(_, other)| format!("R{other}")).collect();
            text.push_str(&format!("  R{at}: {{Type: AWS::SQS::Queue, DependsOn: [{}]}}\n", before.join(", ")));
        }
        let plan = plan(&text, &IndexMap::new()).unwrap();
        let mut progress = Progress::new(&plan.work);
        let (mut going, mut done) = (Vec::new(), BTreeSet::new());
        for choice in choices {
            going.extend(progress.begin());
            prop_assert!(!going.is_empty());
            let step = going.swap_remove(choice % going.len());
            prop_assert!(plan.work[step].waits_for.iter().all(|before| done.contains(before)));
            progress.done(step);
            done.insert(step);
        }
        prop_assert!(progress.is_over() && done.len() == 12);
    }
}
