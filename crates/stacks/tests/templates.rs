//! Templates of every kind through all of it: read, transformed, checked, evaluated, planned, updated, undone.
//! `<name>.sam.json` is what AWS's own translator (aws-sam-translator 1.115) makes of `<name>.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;
use kiln_stacks::document::{self, Node};
use kiln_stacks::openapi::HttpApi;
use kiln_stacks::{
    Action, Answer, Evaluator, Existing, Lookup, Plan, Progress, Pseudo, Step, Task, Template,
    Values, parameters, sam,
};
use serde_json::{Value as Json, json};

const TEMPLATES: &[&str] = &["hello.yaml", "orders.yaml", "plain.json", "web.yaml"];

/// A cloud in which everything that was made has an ARN.
#[derive(Default)]
struct Cloud {
    made: BTreeSet<String>,
}

impl Lookup for Cloud {
    fn reference(&self, logical_id: &str) -> Answer {
        match self.made.contains(logical_id) {
            true => Answer::Known(json!(format!("{logical_id}-1"))),
            false => Answer::Open,
        }
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Answer {
        match self.made.contains(logical_id) {
            true => Answer::Known(json!(format!("{logical_id}-1.{name}"))),
            false => Answer::Open,
        }
    }

    fn import(&self, _: &str) -> Option<String> {
        None
    }
}

fn pseudo() -> Pseudo {
    Pseudo {
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".to_owned(),
        stack_name: "shop".to_owned(),
        url_suffix: "amazonaws.com".to_owned(),
        notification_arns: Vec::new(),
        zones: vec!["us-east-1a".to_owned()],
    }
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/templates")
        .join(name);
    std::fs::read_to_string(path).expect("the template is as the test wants it")
}

fn given(document: &Node, given: &[(&str, &str)]) -> Values {
    let given: BTreeMap<String, String> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Values::check(
        &parameters(document).expect("the template is as the test wants it"),
        &given,
    )
    .expect("the template is as the test wants it")
}

fn transformed(name: &str) -> (Node, Values) {
    let document = document::read(&text(name)).expect("the template is as the test wants it");
    let values = given(&document, &[]);
    (
        sam::transform(&document, &values).expect("the template is as the test wants it"),
        values,
    )
}

/// Does the first part of a plan as it says, and gives what the stack has then.
fn run(
    template: &Template,
    values: &Values,
    cloud: &mut Cloud,
    before: &IndexMap<String, Existing>,
) -> (Plan, IndexMap<String, Existing>) {
    let pseudo = pseudo();
    let evaluator =
        Evaluator::new(template, values, &pseudo).expect("the template is as the test wants it");
    let plan = Plan::new(template, &evaluator, before, cloud)
        .expect("the template is as the test wants it");
    let waits_for: BTreeMap<&str, Vec<&str>> = evaluator.waits_for().collect();
    let mut existing = before.clone();
    let mut progress = Progress::new(&plan.work);
    while !progress.is_over() {
        for at in progress.begin() {
            let step = &plan.work[at];
            let properties = evaluator
                .properties(&step.logical_id, cloud)
                .expect("the template is as the test wants it");
            assert!(
                properties.open.is_empty(),
                "{step:?} was begun before {:?}",
                properties.open
            );
            let resource = &template.resources[&step.logical_id];
            existing.insert(
                step.logical_id.clone(),
                Existing {
                    kind: resource.kind.clone(),
                    properties: properties.known,
                    waits_for: waits_for[step.logical_id.as_str()]
                        .iter()
                        .map(|name| (*name).to_owned())
                        .collect(),
                    deletion_policy: resource.deletion_policy,
                },
            );
            cloud.made.insert(step.logical_id.clone());
            progress.done(at);
        }
    }
    assert_eq!(
        progress.begun().len(),
        plan.work.len(),
        "not everything was begun"
    );
    for step in &plan.cleanup {
        existing.shift_remove(&step.logical_id);
    }
    (plan, existing)
}

/// Lists whose order says nothing, and the order of events in a role's policies, which is SAM's own.
fn normal(value: &Json) -> Json {
    match value {
        Json::Array(list) => {
            let mut list: Vec<Json> = list.iter().map(normal).collect();
            let has_names = list.iter().all(|value| {
                value.is_object()
                    || value
                        .as_str()
                        .is_some_and(|text| text.starts_with("arn:aws:iam"))
            });
            if has_names {
                list.sort_by_key(ToString::to_string);
            }
            Json::Array(list)
        }
        Json::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), normal(value)))
            .collect(),
        _ => value.clone(),
    }
}

#[test]
fn sams_own_translator_makes_the_same() {
    for name in ["orders", "web"] {
        let (document, _) = transformed(&format!("{name}.yaml"));
        let ours = normal(&document.to_json());
        let theirs = normal(&serde_json::from_str(&text(&format!("{name}.sam.json"))).unwrap());
        let names = |json: &Json| {
            json["Resources"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&ours), names(&theirs));
        for resource in names(&ours) {
            assert_eq!(
                ours["Resources"][&resource], theirs["Resources"][&resource],
                "{resource} of {name}"
            );
        }
        assert_eq!(ours["Outputs"], theirs["Outputs"]);
    }
}

#[test]
fn what_becomes_of_an_api_can_be_read() {
    for (name, api, routes) in [
        ("hello.yaml", "ServerlessRestApi", &["GET /hello"][..]),
        (
            "orders.yaml",
            "ServerlessHttpApi",
            &["$default", "GET /orders/{id}", "POST /settle"][..],
        ),
        (
            "web.yaml",
            "Public",
            &["ANY /files/{proxy+}", "GET /page/"][..],
        ),
    ] {
        let (document, values) = transformed(name);
        let template = Template::of(&document).unwrap();
        let mut cloud = Cloud::default();
        let (_, existing) = run(&template, &values, &mut cloud, &IndexMap::new());
        let read = HttpApi::read(&existing[api].properties["Body"]).unwrap();
        let mut keys: Vec<&str> = read.routes.iter().map(|route| route.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, routes);
    }
}

#[test]
fn every_template_is_made_and_made_again_without_a_change() {
    for name in TEMPLATES {
        let (document, values) = transformed(name);
        let template = Template::of(&document).unwrap();
        let mut cloud = Cloud::default();
        let (plan, existing) = run(&template, &values, &mut cloud, &IndexMap::new());
        assert!(
            plan.changes
                .iter()
                .all(|change| change.action == Action::Create),
            "{name}"
        );
        let pseudo = pseudo();
        let evaluator = Evaluator::new(&template, &values, &pseudo).unwrap();
        evaluator.outputs(&cloud).unwrap();
        let again = Plan::new(&template, &evaluator, &existing, &cloud).unwrap();
        assert!(again.is_empty(), "{name}: {again:?}");
        let removal = Plan::removal(&existing);
        assert_eq!(removal.len(), existing.len());
        assert!(waits_are_backwards(&removal, &existing), "{name}");
    }
}

fn waits_are_backwards(removal: &[Step], existing: &IndexMap<String, Existing>) -> bool {
    removal.iter().all(|step| {
        step.waits_for.iter().all(|at| {
            existing[&removal[*at].logical_id]
                .waits_for
                .contains(&step.logical_id)
        })
    })
}

#[test]
fn other_parameters_are_an_update() {
    let document = document::read(&text("plain.json")).unwrap();
    let template = Template::of(&document).unwrap();
    let mut cloud = Cloud::default();
    let (_, dev) = run(
        &template,
        &given(&document, &[]),
        &mut cloud,
        &IndexMap::new(),
    );
    assert!(!dev.contains_key("Alarm"));
    let (plan, prod) = run(
        &template,
        &given(&document, &[("Env", "prod")]),
        &mut cloud,
        &dev,
    );
    let work: Vec<(Task, &str)> = plan
        .work
        .iter()
        .map(|step| (step.task, step.logical_id.as_str()))
        .collect();
    assert_eq!(work, [(Task::Update, "Worker"), (Task::Create, "Alarm")]);
    let (plan, _) = run(&template, &given(&document, &[]), &mut cloud, &prod);
    assert_eq!(
        plan.cleanup
            .iter()
            .map(|step| step.logical_id.as_str())
            .collect::<Vec<_>>(),
        ["Alarm"]
    );
}

#[test]
fn other_code_is_another_version_and_the_same_alias() {
    let (document, values) = transformed("orders.yaml");
    let template = Template::of(&document).unwrap();
    let mut cloud = Cloud::default();
    let (_, existing) = run(&template, &values, &mut cloud, &IndexMap::new());
    let document =
        document::read(&text("orders.yaml").replace("intake.zip", "intake-2.zip")).unwrap();
    let template = Template::of(&sam::transform(&document, &values).unwrap()).unwrap();
    let (plan, _) = run(&template, &values, &mut cloud, &existing);
    let work: Vec<(Task, &str)> = plan
        .work
        .iter()
        .map(|step| (step.task, step.logical_id.as_str()))
        .collect();
    let version = plan
        .work
        .iter()
        .find(|step| step.task == Task::Create)
        .unwrap();
    assert!(version.logical_id.starts_with("IntakeVersion"));
    assert!(
        work.contains(&(Task::Update, "Intake"))
            && work.contains(&(Task::Update, "IntakeAliaslive")),
        "{work:?}"
    );
    let cleanup: Vec<Task> = plan.cleanup.iter().map(|step| step.task).collect();
    assert_eq!(cleanup, [Task::LetGo]);
}
