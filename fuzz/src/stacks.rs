//! Templates of stacks: read, transformed, evaluated, planned.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use kiln_stacks::openapi::HttpApi;
use kiln_stacks::{
    Answer, Evaluator, Lookup, Plan, Progress, Pseudo, Template, Values, document, parameters, sam,
};

/// Nothing is there yet.
struct Nothing;

impl Lookup for Nothing {
    fn reference(&self, _: &str) -> Answer {
        Answer::Open
    }

    fn attribute(&self, _: &str, _: &str) -> Answer {
        Answer::Open
    }

    fn import(&self, _: &str) -> Option<String> {
        None
    }
}

/// A template. What of it is JSON is read as the same again; what is planned can be done.
pub(crate) fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(document) = document::read(&text) else {
        return;
    };
    let json = document.to_json();
    let _ = HttpApi::read(&json);
    if json.is_object() {
        let again = document::read(&json.to_string()).expect("it is JSON, no deeper than before");
        assert_eq!(again.to_json(), json);
    }
    let Ok(parameters) = parameters(&document) else {
        return;
    };
    let given: BTreeMap<String, String> = parameters
        .iter()
        .filter(|(_, parameter)| parameter.default.is_none())
        .map(|(name, _)| (name.clone(), "1".to_owned()))
        .collect();
    let Ok(values) = Values::check(&parameters, &given) else {
        return;
    };
    let template = sam::transform(&document, &values).and_then(|document| Template::of(&document));
    if let Ok(template) = template {
        plan(&template, &values);
    }
}

fn plan(template: &Template, values: &Values) {
    let pseudo = Pseudo {
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        stack_id: "arn".to_owned(),
        stack_name: "stack".to_owned(),
        url_suffix: "amazonaws.com".to_owned(),
        notification_arns: Vec::new(),
        zones: vec!["us-east-1a".to_owned()],
    };
    let Ok(evaluator) = Evaluator::new(template, values, &pseudo) else {
        return;
    };
    let _ = evaluator.outputs(&Nothing);
    let Ok(plan) = Plan::new(template, &evaluator, &IndexMap::new(), &Nothing) else {
        return;
    };
    let mut progress = Progress::new(&plan.work);
    while !progress.is_over() {
        for step in progress.begin() {
            progress.done(step);
        }
    }
    assert_eq!(progress.begun().len(), plan.work.len());
    let undone = plan.rollback(&progress.begun(), &BTreeSet::new());
    assert_eq!(undone.len(), plan.work.len());
}
