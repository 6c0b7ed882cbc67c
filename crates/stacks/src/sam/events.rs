//! The events of a function: what makes it run becomes a rule, a schedule, a subscription, a mapping, a notification
//! or a route, and the permission that goes with it.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::function::Target;
use super::role::{self, Inline};
use super::{Macro, Made, Reason, http_api};
use crate::document::Node;
use crate::evaluate::cost_of;

/// Longest id of a rule's target.
const TARGET_ID_MAX: usize = 64;

/// One event of a function.
pub(super) struct Event<'a> {
    of: &'a Macro<'a>,
    pub(super) target: &'a Target,
    /// The logical id of what it becomes.
    logical_id: String,
    properties: &'a JsonMap<String, Json>,
}

/// Makes what all events of a function need; the answer is what managed policies its role needs for them.
pub(super) fn transform(
    of: &Macro<'_>,
    target: &Target,
    made: &mut Made,
) -> Result<Vec<Json>, Reason> {
    let mut managed = Vec::new();
    let nothing = JsonMap::new();
    let events = match of.get("Events") {
        None => return Ok(managed),
        Some(Json::Object(events)) => events,
        Some(_) => return Err("Events should be a map.".to_owned()),
    };
    // In SAM's order: the path that is for everything comes before the others.
    let mut events: Vec<(&String, &Json)> = events.iter().collect();
    events.sort_by_key(|(name, event)| {
        let path = event.pointer("/Properties/Path").and_then(Json::as_str);
        let is_of_api = event.get("Type").is_some_and(|kind| kind == "HttpApi");
        let default = if is_of_api { "$default" } else { name };
        path.unwrap_or(default).to_owned()
    });
    for (name, event) in events {
        let refused = |reason: &str| format!("Event with id [{name}] is invalid. {reason}");
        let kind = event.get("Type").and_then(Json::as_str).unwrap_or_default();
        let properties = event
            .get("Properties")
            .and_then(Json::as_object)
            .unwrap_or(&nothing);
        let event = Event {
            of,
            target,
            logical_id: format!("{}{name}", of.name),
            properties,
        };
        let result = match kind {
            "HttpApi" => http_api::route(&event, made),
            "Api" => http_api::rest_route(&event, made),
            "Schedule" => event.rule("Schedule", made),
            "CloudWatchEvent" | "EventBridgeRule" => event.rule("Pattern", made),
            "ScheduleV2" => event.schedule(made),
            "SNS" => event.subscription(made),
            "S3" => event.notification(made),
            "SQS" => {
                managed.push(role::arn("service-role/AWSLambdaSQSQueueExecutionRole"));
                event.mapping(made)
            }
            "DynamoDB" | "Kinesis" | "MSK" | "MQ" | "DocumentDB" | "SelfManagedKafka"
            | "AlexaSkill" | "Cognito" | "IoTRule" | "CloudWatchLogs" => {
                Err(format!("Events of type {kind} are not supported by Kiln."))
            }
            _ => Err(format!("Event type '{kind}' is unknown.")),
        };
        result.map_err(|reason| refused(&reason))?;
    }
    Ok(managed)
}

impl Event<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&Json, Reason> {
        self.get(name)
            .ok_or_else(|| format!("Missing required property '{name}'."))
    }

    fn allow(&self, names: &[&str]) -> Result<(), Reason> {
        let other = self
            .properties
            .keys()
            .find(|name| !names.contains(&name.as_str()));
        other.map_or(Ok(()), |name| {
            Err(format!(
                "property {name} is unknown, or not supported by Kiln"
            ))
        })
    }

    fn add(&self, suffix: &str, kind: &str, properties: Json, made: &mut Made) {
        made.add(
            self.of,
            &format!("{}{suffix}", self.logical_id),
            kind,
            properties,
        );
    }

    /// Allows a service to invoke the function.
    pub(super) fn permission(
        &self,
        suffix: &str,
        principal: &str,
        source: (&str, Json),
        made: &mut Made,
    ) {
        let mut properties = json!({
            "Action": "lambda:InvokeFunction", "FunctionName": self.target.name(), "Principal": principal,
        });
        properties[source.0] = source.1;
        self.add(suffix, "AWS::Lambda::Permission", properties, made);
    }

    /// A rule of EventBridge, by a schedule or by a pattern.
    fn rule(&self, by: &str, made: &mut Made) -> Result<(), Reason> {
        self.allow(&[
            "DeadLetterConfig",
            "Description",
            "Enabled",
            "EventBusName",
            "Input",
            "InputPath",
            "InputTransformer",
            "Name",
            "Pattern",
            "RetryPolicy",
            "RuleName",
            "Schedule",
            "State",
            "Target",
        ])?;
        let mut target = json!({"Arn": self.target.arn(), "Id": self.target_id()});
        if let Some(id) = self.get("Target").and_then(|target| target.get("Id")) {
            target["Id"] = id.clone();
        }
        for name in ["Input", "InputPath", "InputTransformer", "RetryPolicy"] {
            if let Some(value) = self.get(name) {
                target[name] = value.clone();
            }
        }
        let arn = json!({"Fn::GetAtt": [self.logical_id, "Arn"]});
        if let Some(queue) = self.dead_letters(made)? {
            if let Some(name) = queue
                .get("Fn::GetAtt")
                .and_then(|parts| parts.get(0))
                .filter(|_| self.makes_queue())
            {
                self.allow_dead_letters(name, &arn, made);
            }
            target["DeadLetterConfig"] = json!({"Arn": queue});
        }
        let properties = json!({
            "Description": self.get("Description"),
            "EventBusName": self.get("EventBusName"),
            "EventPattern": (by == "Pattern").then(|| self.get("Pattern")).flatten(),
            "Name": self.get("Name").or_else(|| self.get("RuleName")),
            "ScheduleExpression": if by == "Schedule" { Some(self.needed("Schedule")?) } else { None },
            "State": self.state()?,
            "Targets": [target],
        });
        self.add("", "AWS::Events::Rule", properties, made);
        self.permission(
            "Permission",
            "events.amazonaws.com",
            ("SourceArn", arn),
            made,
        );
        Ok(())
    }

    fn target_id(&self) -> String {
        let suffix = "LambdaTarget";
        let kept: String = self
            .logical_id
            .chars()
            .take(TARGET_ID_MAX - suffix.len())
            .collect();
        format!("{kept}{suffix}")
    }

    fn state(&self) -> Result<Option<Json>, Reason> {
        match (self.get("State"), self.get("Enabled")) {
            (Some(_), Some(_)) => {
                Err("State and Enabled Properties cannot both be specified.".to_owned())
            }
            (Some(state), None) => Ok(Some(state.clone())),
            (None, Some(enabled)) => {
                let is_on = *enabled == Json::Bool(true) || *enabled == "true";
                Ok(Some(json!(if is_on { "ENABLED" } else { "DISABLED" })))
            }
            (None, None) => Ok(None),
        }
    }

    fn makes_queue(&self) -> bool {
        self.get("DeadLetterConfig")
            .is_some_and(|config| config.get("Arn").is_none())
    }

    /// The ARN of the queue for what cannot be delivered, which is made if only its type is given.
    fn dead_letters(&self, made: &mut Made) -> Result<Option<Json>, Reason> {
        let Some(config) = self.get("DeadLetterConfig") else {
            return Ok(None);
        };
        match (config.get("Arn"), config.get("Type").and_then(Json::as_str)) {
            (Some(_), Some(_)) => Err(
                "You can either define 'Arn' or 'Type' property of DeadLetterConfig.".to_owned(),
            ),
            (Some(arn), None) => Ok(Some(arn.clone())),
            (None, Some("SQS")) => {
                let given = config.get("QueueLogicalId").and_then(Json::as_str);
                let queue =
                    given.map_or_else(|| format!("{}Queue", self.logical_id), str::to_owned);
                made.add(self.of, &queue, "AWS::SQS::Queue", json!({}));
                Ok(Some(json!({"Fn::GetAtt": [queue, "Arn"]})))
            }
            _ => Err(
                "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.".to_owned(),
            ),
        }
    }

    fn allow_dead_letters(&self, queue: &Json, rule: &Json, made: &mut Made) {
        let statement = json!({
            "Action": "sqs:SendMessage",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": {"Fn::GetAtt": [queue, "Arn"]},
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        });
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        let properties = json!({"PolicyDocument": document, "Queues": [{"Ref": queue}]});
        self.add("QueuePolicy", "AWS::SQS::QueuePolicy", properties, made);
    }

    /// A schedule of EventBridge Scheduler, and the role by which it invokes.
    fn schedule(&self, made: &mut Made) -> Result<(), Reason> {
        let same = [
            "Description",
            "EndDate",
            "GroupName",
            "KmsKeyArn",
            "ScheduleExpressionTimezone",
            "StartDate",
            "State",
        ];
        let own = [
            "DeadLetterConfig",
            "FlexibleTimeWindow",
            "Input",
            "Name",
            "OmitName",
            "PermissionsBoundary",
            "RetryPolicy",
            "RoleArn",
            "ScheduleExpression",
        ];
        self.allow(&[&same[..], &own[..]].concat())?;
        let queue = self.dead_letters(made)?;
        let role_arn = match self.get("RoleArn") {
            Some(arn) => arn.clone(),
            None => self.schedule_role(queue.as_ref(), made),
        };
        let mut target = json!({"Arn": self.target.arn(), "RoleArn": role_arn});
        for name in ["Input", "RetryPolicy"] {
            if let Some(value) = self.get(name) {
                target[name] = value.clone();
            }
        }
        if let Some(queue) = queue {
            target["DeadLetterConfig"] = json!({"Arn": queue});
        }
        let omits_name = self
            .get("OmitName")
            .is_some_and(|is| *is == Json::Bool(true));
        let name = self
            .get("Name")
            .cloned()
            .unwrap_or_else(|| self.logical_id.as_str().into());
        let mut properties = json!({
            "FlexibleTimeWindow": self.get("FlexibleTimeWindow").cloned().unwrap_or_else(|| json!({"Mode": "OFF"})),
            "Name": if omits_name { Json::Null } else { name },
            "ScheduleExpression": self.needed("ScheduleExpression")?,
            "Target": target,
        });
        for name in same {
            properties[name] = self.get(name).cloned().unwrap_or_default();
        }
        self.add("", "AWS::Scheduler::Schedule", properties, made);
        Ok(())
    }

    fn schedule_role(&self, queue: Option<&Json>, made: &mut Made) -> Json {
        let name = |policy: &str| format!("{}{policy}Policy", self.logical_id);
        let mut policies = vec![
            Inline::allow(name("Lambda"), "lambda:InvokeFunction", &self.target.arn()).to_json(),
        ];
        policies
            .extend(queue.map(|arn| Inline::allow(name("SQS"), "sqs:SendMessage", arn).to_json()));
        let properties = json!({
            "AssumeRolePolicyDocument": role::trust("scheduler.amazonaws.com"),
            "PermissionsBoundary": self.get("PermissionsBoundary"),
            "Policies": policies,
        });
        self.add("Role", "AWS::IAM::Role", properties, made);
        json!({"Fn::GetAtt": [format!("{}Role", self.logical_id), "Arn"]})
    }

    fn subscription(&self, made: &mut Made) -> Result<(), Reason> {
        self.allow(&[
            "FilterPolicy",
            "FilterPolicyScope",
            "RedrivePolicy",
            "Topic",
        ])?;
        let topic = self.needed("Topic")?;
        let properties = json!({
            "Endpoint": self.target.arn(),
            "FilterPolicy": self.get("FilterPolicy"),
            "FilterPolicyScope": self.get("FilterPolicyScope"),
            "Protocol": "lambda",
            "RedrivePolicy": self.get("RedrivePolicy"),
            "TopicArn": topic,
        });
        self.add("", "AWS::SNS::Subscription", properties, made);
        self.permission(
            "Permission",
            "sns.amazonaws.com",
            ("SourceArn", topic.clone()),
            made,
        );
        Ok(())
    }

    fn mapping(&self, made: &mut Made) -> Result<(), Reason> {
        let same = [
            "BatchSize",
            "Enabled",
            "FilterCriteria",
            "FunctionResponseTypes",
            "KmsKeyArn",
            "MaximumBatchingWindowInSeconds",
            "MetricsConfig",
            "ProvisionedPollerConfig",
            "ScalingConfig",
        ];
        self.allow(&[&same[..], &["Queue"][..]].concat())?;
        let mut properties =
            json!({"EventSourceArn": self.needed("Queue")?, "FunctionName": self.target.name()});
        for name in same {
            properties[name] = self.get(name).cloned().unwrap_or_default();
        }
        self.add("", "AWS::Lambda::EventSourceMapping", properties, made);
        Ok(())
    }

    /// The bucket, which is of the same template, tells the function of its objects.
    fn notification(&self, made: &mut Made) -> Result<(), Reason> {
        self.allow(&["Bucket", "Events", "Filter"])?;
        let not_here = || "S3 events must reference an S3 bucket in the same template.".to_owned();
        let bucket = self
            .needed("Bucket")?
            .get("Ref")
            .and_then(Json::as_str)
            .ok_or_else(not_here)?
            .to_owned();
        let mut node = made
            .others
            .get(&bucket)
            .map(Node::to_json)
            .ok_or_else(not_here)?;
        if node["Type"] != "AWS::S3::Bucket" {
            return Err(not_here());
        }
        // The whole bucket is written anew for each event.
        made.pay(cost_of(&node))?;
        let events = match self.needed("Events")? {
            Json::Array(events) => events.clone(),
            one => vec![one.clone()],
        };
        let permission = format!("{}Permission", self.logical_id);
        let account = ("SourceAccount", json!({"Ref": "AWS::AccountId"}));
        self.permission("Permission", "s3.amazonaws.com", account, made);
        let mut before = match node.get("DependsOn") {
            Some(Json::Array(names)) => names.clone(),
            Some(name @ Json::String(_)) => vec![name.clone()],
            _ => Vec::new(),
        };
        before.push(permission.into());
        node["DependsOn"] = before.into();
        let malformed = || {
            format!(
                "the properties of the bucket {bucket} should be maps, and LambdaConfigurations a list"
            )
        };
        let list =
            ["Properties", "NotificationConfiguration"]
                .iter()
                .try_fold(&mut node, |at, name| {
                    at.as_object_mut()
                        .map(|map| map.entry(*name).or_insert_with(|| json!({})))
                });
        let list = list.and_then(Json::as_object_mut).map(|map| {
            map.entry("LambdaConfigurations")
                .or_insert_with(|| json!([]))
        });
        let list = list.and_then(Json::as_array_mut).ok_or_else(malformed)?;
        for event in &events {
            let configuration = self.notified(event);
            made.pay(cost_of(&configuration) + list.len())?;
            if !list.contains(&configuration) {
                list.push(configuration);
            }
        }
        made.others.insert(bucket, Node::of_json(&node));
        Ok(())
    }

    /// What a bucket has to tell the function of one kind of events.
    fn notified(&self, event: &Json) -> Json {
        let mut configuration = json!({"Function": self.target.arn(), "Event": event});
        if let Some(filter) = self.get("Filter") {
            configuration["Filter"] = filter.clone();
        }
        self.if_there(configuration)
    }

    /// A value that is there if the function is.
    pub(super) fn if_there(&self, value: Json) -> Json {
        match self.of.attributes.get("Condition") {
            Some(condition) => json!({"Fn::If": [condition, value, {"Ref": "AWS::NoValue"}]}),
            None => value,
        }
    }
}
