//! The rules of a bus, read: patterns and inputs that need no more parsing.

use std::sync::Arc;

use kiln_events::pattern::{Limits, Pattern};
use kiln_events::transform::{Input, Transformer, Wanted};
use kiln_store::LiveBus;
use kiln_types::{Region, Rule, Target, TargetInput};

/// A bus whose rules were read.
pub(super) struct Rules {
    /// As it was then: by its address it is told whether it is still so.
    pub(super) of: Arc<LiveBus>,
    /// Those that want anything, by name.
    pub(super) rules: Vec<ReadRule>,
}

/// A rule that wants something.
pub(super) struct ReadRule {
    pub(super) arn: String,
    pub(super) name: String,
    /// What it wants of what is published.
    pub(super) pattern: Option<Pattern>,
    pub(super) targets: Vec<ReadTarget>,
}

/// Who is sent what it wants.
pub(super) struct ReadTarget {
    pub(super) target: Target,
    pub(super) input: Input,
}

impl Rules {
    pub(super) fn read(of: Arc<LiveBus>, region: &Region) -> Self {
        let rules = of.rules.values();
        let rules = rules.filter_map(|rule| read_rule(rule, region)).collect();
        Self { of, rules }
    }
}

fn read_rule(rule: &Rule, region: &Region) -> Option<ReadRule> {
    if !rule.state.is_enabled() || rule.targets.is_empty() {
        return None;
    }
    let arn = rule.id.arn(region);
    let pattern = rule.pattern.as_deref();
    let pattern = pattern.map(|pattern| Pattern::parse(pattern, &Limits::default()));
    let pattern = pattern.transpose().unwrap_or_else(|error| {
        // It was valid when it was kept.
        tracing::error!(%error, rule = %arn, "the pattern of a rule cannot be read; put the rule again");
        None
    });
    let targets = rule.targets.iter();
    let targets = targets.filter_map(|(id, target)| match read_input(id, &target.input) {
        Ok(input) => Some(ReadTarget {
            target: target.clone(),
            input,
        }),
        Err(error) => {
            tracing::error!(%error, rule = %arn, "a target of a rule cannot be read; put it again");
            None
        }
    });
    Some(ReadRule {
        targets: targets.collect(),
        name: rule.id.name.to_string(),
        pattern,
        arn,
    })
}

fn read_input(id: &str, input: &TargetInput) -> Result<Input, kiln_events::transform::Error> {
    let pairs: Vec<(&str, &str)>;
    let mut wanted = Wanted::default();
    match input {
        TargetInput::Whole => {}
        TargetInput::Constant(text) => wanted.input = Some(text),
        TargetInput::Part(path) => wanted.input_path = Some(path),
        TargetInput::Template { paths, template } => {
            let pair = |(name, path)| (String::as_str(name), String::as_str(path));
            pairs = paths.iter().map(pair).collect();
            wanted.transformer = Some(Transformer {
                paths: &pairs,
                template,
            });
        }
    }
    Input::parse(id, &wanted)
}
