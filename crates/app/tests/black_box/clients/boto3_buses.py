"""Event buses as boto3 knows them: buses, rules, targets, events, and what is refused."""

import json
import time

import boto3
from functions import create, raises

events = boto3.client("events")
client = boto3.client("lambda")
logs = boto3.client("logs")
function = create(client, "heard", "def handler(event, context): print('heard', event['detail'])")["FunctionArn"]

# Buses.
made = events.create_event_bus(Name="orders", Description="ours", Tags=[{"Key": "team", "Value": "shop"}])
bus = made["EventBusArn"]
assert bus == "arn:aws:events:us-east-1:000000000000:event-bus/orders", made
with raises("ResourceAlreadyExistsException", 400, "Event bus orders already exists."):
    events.create_event_bus(Name="orders")
assert [one["Name"] for one in events.list_event_buses()["EventBuses"]] == ["default", "orders"]
assert [one["Name"] for one in events.list_event_buses(NamePrefix="o")["EventBuses"]] == ["orders"]
first = events.list_event_buses(Limit=1)
second = events.list_event_buses(Limit=1, NextToken=first["NextToken"])
assert "NextToken" not in second and second["EventBuses"][0]["Name"] == "orders", second
assert events.describe_event_bus()["Name"] == "default"
shown = events.describe_event_bus(Name=bus)
assert shown["Description"] == "ours" and shown["CreationTime"] == shown["LastModifiedTime"], shown
events.update_event_bus(Name="orders", Description="theirs")
assert events.describe_event_bus(Name="orders")["Description"] == "theirs"
with raises("ResourceNotFoundException", 400, "Event bus absent does not exist."):
    events.describe_event_bus(Name="absent")
with raises("ValidationException", 400, "Cannot delete event bus default."):
    events.delete_event_bus(Name="default")
events.delete_event_bus(Name="absent")

# Who may put events on it is kept.
events.put_permission(
    EventBusName="orders", Action="events:PutEvents", Principal="111111111111", StatementId="friend",
)
policy = json.loads(events.describe_event_bus(Name="orders")["Policy"])
assert policy["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}, policy
with raises("ResourceNotFoundException", 400):
    events.remove_permission(EventBusName="orders", StatementId="other")
events.remove_permission(EventBusName="orders", StatementId="friend")
assert "Policy" not in events.describe_event_bus(Name="orders")

# Rules.
pattern = json.dumps({"source": ["shop"], "detail": {"price": [{"numeric": [">", 10]}]}})
rule = events.put_rule(Name="dear", EventBusName="orders", EventPattern=pattern, Tags=[{"Key": "a", "Value": "b"}])
assert rule["RuleArn"] == "arn:aws:events:us-east-1:000000000000:rule/orders/dear", rule
shown = events.describe_rule(Name="dear", EventBusName="orders")
assert (shown["State"], shown["EventPattern"], shown["CreatedBy"]) == ("ENABLED", pattern, "000000000000"), shown
with raises("InvalidEventPatternException", 400, "Event pattern is not valid. Reason: "):
    events.put_rule(Name="bad", EventPattern='{"source": "shop"}')
with raises("ValidationException", 400, "Parameter(s) EventPattern or ScheduleExpression must be specified."):
    events.put_rule(Name="bad")
with raises("ResourceNotFoundException", 400, "Event bus absent does not exist."):
    events.put_rule(Name="dear", EventBusName="absent", EventPattern=pattern)
with raises("ResourceNotFoundException", 400, "Rule absent does not exist on EventBus default."):
    events.describe_rule(Name="absent")
events.disable_rule(Name="dear", EventBusName="orders")
assert events.list_rules(EventBusName="orders")["Rules"][0]["State"] == "DISABLED"
events.enable_rule(Name="dear", EventBusName="orders")

# Tags.
for arn, key in [(bus, "team"), (rule["RuleArn"], "a")]:
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "more", "Value": "1"}])
    events.untag_resource(ResourceARN=arn, TagKeys=[key])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "more", "Value": "1"}]

# Targets.
queue = "arn:aws:sqs:us-east-1:000000000000:dead"
target = {
    "Id": "1", "Arn": function, "DeadLetterConfig": {"Arn": queue},
    "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
}
put = events.put_targets(Rule="dear", EventBusName="orders", Targets=[target])
assert put["FailedEntryCount"] == 0 and put["FailedEntries"] == [], put
assert events.list_targets_by_rule(Rule="dear", EventBusName="orders")["Targets"] == [target]
named = events.list_rule_names_by_target(TargetArn=function, EventBusName="orders")
assert named["RuleNames"] == ["dear"], named
with raises("LimitExceededException", 400):
    events.put_targets(
        Rule="dear", EventBusName="orders", Targets=[{"Id": str(no), "Arn": function} for no in range(2, 7)],
    )
with raises("ValidationException", 400, "Parameter(s) SqsParameters must be specified for target: f."):
    events.put_targets(Rule="dear", EventBusName="orders", Targets=[{"Id": "f", "Arn": queue + ".fifo"}])
with raises("ValidationException", 400, "Provided Arn is not in correct format."):
    events.put_targets(Rule="dear", EventBusName="orders", Targets=[{"Id": "n", "Arn": "nonsense"}])
with raises("ValidationException", 400, "must be in the account"):
    other = function.replace("000000000000", "111111111111")
    events.put_targets(Rule="dear", EventBusName="orders", Targets=[{"Id": "o", "Arn": other}])
with raises("ValidationException", 400, "InputTemplate for target t contains invalid placeholder missing."):
    transformer = {"InputPathsMap": {"all": "$.detail"}, "InputTemplate": '{"x": <missing>}'}
    events.put_targets(
        Rule="dear", EventBusName="orders", Targets=[{"Id": "t", "Arn": function, "InputTransformer": transformer}],
    )
with raises("ValidationException", 400, "Rule can't be deleted since it has targets."):
    events.delete_rule(Name="dear", EventBusName="orders")
with raises("ValidationException", 400, "as it has rules"):
    events.delete_event_bus(Name="orders")

# A pattern is tried.
event = {
    "id": "1", "account": "1", "source": "shop", "time": "2026-01-01T00:00:00Z", "region": "r",
    "resources": [], "detail-type": "t", "detail": {"price": 11},
}
assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is True
event["detail"]["price"] = 10
assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is False

# Events, each for itself.
entry = {"Source": "shop", "DetailType": "sold", "Detail": '{"price": 11}', "EventBusName": bus}
answer = events.put_events(Entries=[
    entry,
    {**entry, "Detail": "[]"},
    {**entry, "EventBusName": "absent"},
    {"Source": "shop", "Detail": "{}"},
])
codes = [one.get("ErrorCode") for one in answer["Entries"]]
assert codes == [None, "MalformedDetail", "ResourceNotFoundException", "InvalidArgument"], answer
assert answer["FailedEntryCount"] == 3 and answer["Entries"][0]["EventId"], answer
with raises("ValidationException", 400, "Total size of the entries in the request is over the limit."):
    events.put_events(Entries=[{**entry, "Detail": json.dumps({"x": "x" * (1 << 20)})}])
largest = {**entry, "Detail": json.dumps({"price": 1, "x": "x" * ((1 << 20) - 200)})}
assert events.put_events(Entries=[largest])["FailedEntryCount"] == 0
for _ in range(300):
    try:
        lines = logs.filter_log_events(logGroupName="/aws/lambda/heard", filterPattern="heard")["events"]
    except logs.exceptions.ResourceNotFoundException:
        lines = []
    if lines:
        break
    time.sleep(0.1)
assert [line["message"].strip() for line in lines] == ["heard {'price': 11}"], lines

# A queue gets messages, and stands in for a target that is gone.
sqs = boto3.client("sqs")
url = sqs.create_queue(QueueName="sold")["QueueUrl"]
sold = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
transformer = {"InputPathsMap": {"price": "$.detail.price"}, "InputTemplate": '{"sold for": <price>}'}
events.put_targets(Rule="dear", EventBusName="orders", Targets=[
    {"Id": "queue", "Arn": sold, "InputTransformer": transformer},
    {"Id": "gone", "Arn": function + "-gone", "DeadLetterConfig": {"Arn": sold}},
])
assert events.put_events(Entries=[{**entry, "Detail": '{"price": 12}'}])["FailedEntryCount"] == 0
messages = []
while len(messages) < 2:
    messages += sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
    )["Messages"]
letter, message = sorted(messages, key=lambda one: one.get("MessageAttributes") is None)
assert message["Body"] == '{"sold for": 12}', message
attributes = {name: one["StringValue"] for name, one in letter["MessageAttributes"].items()}
assert attributes["ERROR_CODE"] == "RESOURCE_NOT_FOUND", attributes
assert attributes["RULE_ARN"] == rule["RuleArn"], attributes
assert json.loads(letter["Body"])["detail"] == {"price": 12}, letter
events.remove_targets(Rule="dear", EventBusName="orders", Ids=["queue", "gone"])

# A topic publishes it to its subscribers; one that is gone is a dead letter.
sns = boto3.client("sns")
topic = sns.create_topic(Name="sales")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sold)
for message in messages:
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
events.put_targets(Rule="dear", EventBusName="orders", Targets=[
    {"Id": "topic", "Arn": topic, "InputPath": "$.detail"},
    {"Id": "gone", "Arn": topic + "-gone", "DeadLetterConfig": {"Arn": sold}},
])
[shown] = [one for one in events.list_targets_by_rule(Rule="dear", EventBusName="orders")["Targets"] if one["Id"] == "topic"]
assert shown == {"Id": "topic", "Arn": topic, "InputPath": "$.detail"}, shown
assert events.list_rule_names_by_target(TargetArn=topic, EventBusName="orders")["RuleNames"] == ["dear"]
assert events.put_events(Entries=[{**entry, "Detail": '{"price": 13}'}])["FailedEntryCount"] == 0
bodies = []
while len(bodies) < 2:
    for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]:
        bodies.append(json.loads(message["Body"]))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
envelope, letter = sorted(bodies, key=lambda one: "Type" not in one)
assert (envelope["TopicArn"], json.loads(envelope["Message"])) == (topic, {"price": 13}), envelope
assert letter["detail"] == {"price": 13}, letter
with raises("ValidationException", 400, "a standard topic"):
    events.put_targets(Rule="dear", EventBusName="orders", Targets=[{"Id": "fifo", "Arn": topic + ".fifo"}])
events.remove_targets(Rule="dear", EventBusName="orders", Ids=["topic", "gone"])

# And all of it goes.
gone = events.remove_targets(Rule="dear", EventBusName="orders", Ids=["1", "9"])
assert [one["TargetId"] for one in gone["FailedEntries"]] == ["9"], gone
events.delete_rule(Name="dear", EventBusName="orders")
events.delete_rule(Name="dear", EventBusName="orders")
events.delete_event_bus(Name="orders")
assert [one["Name"] for one in events.list_event_buses()["EventBuses"]] == ["default"]
