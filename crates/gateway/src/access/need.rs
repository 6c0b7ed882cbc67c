//! What an operation needs to be allowed, and what a request says of that.

use std::borrow::Cow;

use kiln_policy::{Context as Facts, keys};
use serde_json::{Map, Value};

use crate::context::Context;

/// An action on a resource.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// Such as `lambda:InvokeFunction`.
    pub(crate) action: Cow<'static, str>,
    /// An ARN, or `*`.
    pub(crate) resource: String,
    /// What conditions may ask of it, beside what they may ask of every request.
    facts: Vec<(Cow<'static, str>, Vec<String>)>,
    /// The trust policy of the role that it is about.
    pub(super) trust: Option<String>,
    /// A role that may have it in the caller's place, because it acts then.
    pub(super) role: Option<String>,
}

/// The operations of a service, each of which says what it needs.
pub(crate) trait Guarded: Copy + Send + 'static {
    /// What its actions begin with.
    const SERVICE: &'static str;

    /// The operation's name.
    fn name(self) -> &'static str;

    /// All that a caller must be allowed; nothing where everybody may.
    fn needs(self, of: &Members<'_>) -> Vec<Need>;
}

/// What a request says.
pub(crate) struct Members<'a> {
    pub(crate) context: &'a Context,
    service: &'static str,
    operation: &'static str,
    members: &'a Map<String, Value>,
}

impl Need {
    /// An action on a resource.
    pub(crate) fn new(action: impl Into<Cow<'static, str>>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: canonical(resource.into()),
            facts: Vec::new(),
            trust: None,
            role: None,
        }
    }

    /// That something may be sent to: a function, a queue, a topic, a bus or a bucket, by its ARN. What is no ARN is no resource.
    pub(crate) fn to_send(arn: &str) -> Option<Self> {
        let service = arn.strip_prefix("arn:")?.split(':').nth(1)?;
        Some(match service {
            "lambda" => Self::new("lambda:InvokeFunction", arn),
            "sqs" => Self::new("sqs:SendMessage", arn),
            "sns" => Self::new("sns:Publish", arn),
            "events" => Self::new("events:PutEvents", arn),
            "s3" => Self::new("s3:PutObject", format!("{arn}/*")),
            other => Self::new(format!("{other}:*"), arn),
        })
    }

    /// With the value of a condition key, if there is one.
    pub(crate) fn with(
        self,
        key: impl Into<Cow<'static, str>>,
        value: Option<impl Into<String>>,
    ) -> Self {
        self.with_all(key, value.into_iter().map(Into::into).collect())
    }

    /// With the values of a condition key that may have several.
    pub(crate) fn with_all(
        mut self,
        key: impl Into<Cow<'static, str>>,
        values: Vec<String>,
    ) -> Self {
        if !values.is_empty() {
            let values = values.into_iter().map(canonical).collect();
            self.facts.push((key.into(), values));
        }
        self
    }

    /// With a role's trust policy.
    pub(crate) fn with_trust(mut self, text: String) -> Self {
        self.trust = Some(text);
        self
    }

    /// Or that this role may, which Kiln will act as.
    pub(crate) fn or_role(mut self, role: Option<&str>) -> Self {
        self.role = role.map(str::to_owned);
        self
    }

    /// What is known of this.
    pub(super) fn set_facts(&self, facts: &mut Facts) {
        for (key, values) in &self.facts {
            facts.set(key, values.clone());
        }
    }
}

impl<'a> Members<'a> {
    pub(super) fn new(
        context: &'a Context,
        service: &'static str,
        operation: &'static str,
        members: &'a Map<String, Value>,
    ) -> Self {
        Self {
            context,
            service,
            operation,
            members,
        }
    }

    /// The operation's own action on a resource.
    pub(crate) fn need(&self, resource: impl Into<String>) -> Need {
        self.need_as(self.operation, resource)
    }

    /// Another action of the service on a resource.
    pub(crate) fn need_as(&self, action: &str, resource: impl Into<String>) -> Need {
        let need = Need::new(format!("{}:{action}", self.service), resource);
        self.tagged(need)
    }

    /// That the caller may give a role to a service.
    pub(crate) fn pass_role(&self, role: Option<&str>, service: &'static str) -> Option<Need> {
        let role = role.filter(|role| !role.is_empty())?;
        Some(Need::new("iam:PassRole", role).with(keys::IAM_PASSED_TO_SERVICE, Some(service)))
    }

    /// The ARN of something in the caller's account and the server's region.
    pub(crate) fn arn(&self, resource: impl std::fmt::Display) -> String {
        let (region, account) = (&self.context.config.region, &self.context.caller.account);
        format!("arn:aws:{}:{region}:{account}:{resource}", self.service)
    }

    /// A member that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.members.get(name)?.as_str()
    }

    /// The same, or nothing.
    pub(crate) fn text_or_empty(&self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    /// A member, whatever it is.
    pub(crate) fn member(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// A member that is a number or a truth value, as text.
    pub(crate) fn plain(&self, name: &str) -> Option<String> {
        self.member(name).map(Value::to_string)
    }

    /// A text within a member that is a structure.
    pub(crate) fn text_in(&self, structure: &str, name: &str) -> Option<&'a str> {
        self.members.get(structure)?.get(name)?.as_str()
    }

    /// A member that is a list.
    pub(crate) fn list(&self, name: &str) -> &'a [Value] {
        let found = self.members.get(name).and_then(Value::as_array);
        found.map_or(&[], Vec::as_slice)
    }

    /// A member that is a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.list(name).iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// With the tags that a request gives or takes.
    fn tagged(&self, mut need: Need) -> Need {
        let mut names = self.texts("TagKeys");
        names.extend(self.texts("tagKeys"));
        for member in ["Tags", "tags"] {
            for (key, value) in tags(self.members.get(member)) {
                need = need.with(keys::request_tag(key), Some(value));
                names.push(key.to_owned());
            }
        }
        need.with_all(keys::TAG_KEYS, names)
    }
}

/// An ARN as policies name it: those of other partitions mean the same here.
pub(crate) fn canonical(text: String) -> String {
    let rest = text
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(':'));
    match rest {
        Some((partition, rest)) if partition != "aws" => format!("arn:aws:{rest}"),
        _ => text,
    }
}

/// Tags as services write them: a map, or a list of keys and values.
fn tags(member: Option<&Value>) -> Vec<(&str, &str)> {
    match member {
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect(),
        Some(Value::Array(list)) => list.iter().filter_map(pair).collect(),
        _ => Vec::new(),
    }
}

fn pair(pair: &Value) -> Option<(&str, &str)> {
    Some((pair.get("Key")?.as_str()?, pair.get("Value")?.as_str()?))
}
