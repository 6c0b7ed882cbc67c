"""EventBridge Scheduler as boto3 knows it: schedules and groups made, shown, changed, listed, deleted."""

import datetime

import boto3
from functions import create, raises

client = boto3.client("scheduler")
function = create(boto3.client("lambda"), "runs")["FunctionArn"]
role = "arn:aws:iam::000000000000:role/scheduler"
target = {"Arn": function, "RoleArn": role, "Input": '{"a": <aws.scheduler.attempt-number>}'}
off = {"Mode": "OFF"}
later = datetime.datetime(2035, 1, 1, tzinfo=datetime.timezone.utc)


def make(name, expression="cron(0 3 * * ? *)", **more):
    asked = {"ScheduleExpression": expression, "Target": target, "FlexibleTimeWindow": off} | more
    return client.create_schedule(Name=name, **asked)


# A schedule, as it was given and with what it was not given.
made = make("nightly", ScheduleExpressionTimezone="Europe/Berlin", Description="d", EndDate=later)
assert made["ScheduleArn"] == "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly", made
shown = client.get_schedule(Name="nightly")
assert shown["Arn"] == made["ScheduleArn"] and shown["GroupName"] == "default", shown
assert shown["ScheduleExpressionTimezone"] == "Europe/Berlin" and shown["State"] == "ENABLED", shown
assert shown["EndDate"] == later and shown["Description"] == "d", shown
assert shown["FlexibleTimeWindow"] == off and shown["ActionAfterCompletion"] == "NONE", shown
policy = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
assert shown["Target"] == target | {"RetryPolicy": policy}, shown

# Names are taken once; the same request, asked for again, is answered again.
with raises("ConflictException", 409, "Schedule nightly already exists."):
    make("nightly")
again = {"ClientToken": "t-1"}
assert make("again", **again)["ScheduleArn"] == make("again", **again)["ScheduleArn"]
client.delete_schedule(Name="again", ClientToken="t-2")
client.delete_schedule(Name="again", ClientToken="t-2")
with raises("ResourceNotFoundException", 404, "Schedule again does not exist."):
    client.delete_schedule(Name="again")

# What is wrong.
with raises("ValidationException", 400, "Invalid Schedule Expression cron(0 3 * * * *)."):
    make("wrong", "cron(0 3 * * * *)")
with raises("ValidationException", 400, "Invalid Schedule Expression Timezone Europe/Nowhere."):
    make("wrong", ScheduleExpressionTimezone="Europe/Nowhere")
with raises("ValidationException", 400, "The StartDate must be before the EndDate."):
    make("wrong", StartDate=later, EndDate=later)
with raises("ValidationException", 400, "The StartDate you specify cannot be earlier than 5 minutes ago."):
    make("wrong", StartDate=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
with raises("ValidationException", 400, "MaximumWindowInMinutes must be provided"):
    make("wrong", FlexibleTimeWindow={"Mode": "FLEXIBLE"})
with raises("ValidationException", 400, "Kiln does not have the target"):
    make("wrong", Target={"Arn": "arn:aws:scheduler:::aws-sdk:sns:publish", "RoleArn": role})
with raises("ValidationException", 400, "must be a standard topic"):
    make("wrong", Target={"Arn": "arn:aws:sns:us-east-1:000000000000:t.fifo", "RoleArn": role})
with raises("ValidationException", 400, "must be JSON"):
    make("wrong", Target=target | {"Input": "{"})
with raises("ValidationException", 400, "FIFO queue"):
    make("wrong", Target={"Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo", "RoleArn": role})
with raises("ValidationException", 400, "Value 'a b' at 'name' failed to satisfy constraint"):
    client.get_schedule(Name="a b")
with raises("ResourceNotFoundException", 404, "Schedule group absent does not exist."):
    make("wrong", GroupName="absent")

# What is not given takes its default.
client.update_schedule(
    Name="nightly", ScheduleExpression="rate(5 minutes)", Target=target, State="DISABLED",
    FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, ActionAfterCompletion="DELETE",
)
shown = client.get_schedule(Name="nightly")
assert shown["ScheduleExpressionTimezone"] == "UTC" and shown["State"] == "DISABLED", shown
assert shown["FlexibleTimeWindow"]["MaximumWindowInMinutes"] == 15 and "Description" not in shown, shown
assert shown["ActionAfterCompletion"] == "DELETE" and "EndDate" not in shown, shown

# Groups, with tags.
group = client.create_schedule_group(Name="team", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
assert group == "arn:aws:scheduler:us-east-1:000000000000:schedule-group/team", group
with raises("ConflictException", 409, "Schedule group team already exists."):
    client.create_schedule_group(Name="team")
client.tag_resource(ResourceArn=group, Tags=[{"Key": "b", "Value": "2"}])
client.untag_resource(ResourceArn=group, TagKeys=["a"])
assert client.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "b", "Value": "2"}]
assert client.get_schedule_group(Name="default")["State"] == "ACTIVE"
assert [one["Name"] for one in client.list_schedule_groups()["ScheduleGroups"]] == ["default", "team"]

# Lists, in pages.
for number in range(5):
    make(f"s-{number}", GroupName="team")
pages = list(client.get_paginator("list_schedules").paginate(GroupName="team", PaginationConfig={"PageSize": 2}))
assert [len(page["Schedules"]) for page in pages] == [2, 2, 1], pages
names = [one["Name"] for page in pages for one in page["Schedules"]]
assert names == [f"s-{number}" for number in range(5)], names
assert [one["Name"] for one in client.list_schedules()["Schedules"]] == ["nightly"] + names
assert [one["Name"] for one in client.list_schedules(State="DISABLED")["Schedules"]] == ["nightly"]
assert client.list_schedules(NamePrefix="s-")["Schedules"][0]["Target"] == {"Arn": function}

# A group goes with its schedules.
client.delete_schedule_group(Name="team")
with raises("ResourceNotFoundException", 404, "Schedule group team does not exist."):
    client.get_schedule_group(Name="team")
with raises("ResourceNotFoundException", 404, "Schedule s-1 does not exist."):
    client.get_schedule(Name="s-1", GroupName="team")
with raises("ValidationException", 400, "default schedule group"):
    client.delete_schedule_group(Name="default")
client.create_schedule_group(Name="team")
assert client.list_schedules(GroupName="team")["Schedules"] == []

# Queues as targets, and as dead-letter queues.
sqs = boto3.client("sqs")


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url):
    for _ in range(3):
        answer = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        if answer.get("Messages"):
            return answer["Messages"][0]
    raise AssertionError("no message came")


ticks, ticks_arn = queue("ticks")
ordered, ordered_arn = queue("ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
dead, dead_arn = queue("dead")
make("to-queue", "rate(1 hour)", Target={"Arn": ticks_arn, "RoleArn": role, "Input": "plain <aws.scheduler.attempt-number>"})
assert receive(ticks)["Body"] == "plain 1"
fifo = {"Arn": ordered_arn, "RoleArn": role, "Input": "x", "SqsParameters": {"MessageGroupId": "g"}}
make("to-fifo", "rate(1 hour)", Target=fifo)
assert receive(ordered)["Attributes"]["MessageGroupId"] == "g"
gone = {"Arn": function + "-gone", "RoleArn": role, "Input": "{}", "DeadLetterConfig": {"Arn": dead_arn}}
made = make("to-nobody", "rate(1 hour)", Target=gone)
letter = receive(dead)
told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
assert letter["Body"] == "{}" and told["SCHEDULE_ARN"] == made["ScheduleArn"], letter
assert told["TARGET_ARN"] == gone["Arn"] and told["ERROR_CODE"] == "RESOURCE_NOT_FOUND", told
assert told["RETRY_ATTEMPTS"] == "0" and len(told["EXECUTION_ID"]) == 16, told
