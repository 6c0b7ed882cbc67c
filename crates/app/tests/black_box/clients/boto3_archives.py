"""Archives of event buses and replays as boto3 knows them."""

import datetime
import json
import time

import boto3
from functions import raises

events, sqs = boto3.client("events"), boto3.client("sqs")
PREFIX = "arn:aws:events:us-east-1:000000000000"
bus = events.create_event_bus(Name="orders")["EventBusArn"]

# Archives.
pattern = json.dumps({"source": ["shop"]})
made = events.create_archive(ArchiveName="shop", EventSourceArn=bus, Description="ours", EventPattern=pattern, RetentionDays=7)
archive = made["ArchiveArn"]
assert (archive, made["State"]) == (PREFIX + ":archive/shop", "ENABLED"), made
with raises("ResourceAlreadyExistsException", 400, "Archive shop already exists."):
    events.create_archive(ArchiveName="shop", EventSourceArn=bus)
with raises("ResourceNotFoundException", 400, "Event bus absent does not exist."):
    events.create_archive(ArchiveName="a", EventSourceArn=PREFIX + ":event-bus/absent")
with raises("InvalidEventPatternException", 400):
    events.create_archive(ArchiveName="a", EventSourceArn=bus, EventPattern="{")
with raises("ResourceNotFoundException", 400, "Archive absent does not exist."):
    events.describe_archive(ArchiveName="absent")
events.create_archive(ArchiveName="all", EventSourceArn=bus)
events.create_archive(ArchiveName="default", EventSourceArn=PREFIX + ":event-bus/default")
assert [one["ArchiveName"] for one in events.list_archives()["Archives"]] == ["all", "default", "shop"]
assert [one["ArchiveName"] for one in events.list_archives(NamePrefix="s")["Archives"]] == ["shop"]
assert [one["ArchiveName"] for one in events.list_archives(EventSourceArn=bus)["Archives"]] == ["all", "shop"]
assert events.list_archives(State="DISABLED")["Archives"] == []
first = events.list_archives(Limit=2)
assert [one["ArchiveName"] for one in events.list_archives(NextToken=first["NextToken"])["Archives"]] == ["shop"]
with raises("ValidationException", 400, "At most one filter is allowed for ListArchives."):
    events.list_archives(NamePrefix="a", State="ENABLED")
with raises("ValidationException", 400, "as it has archives"):
    events.delete_event_bus(Name="orders")

# They keep what is put on their bus.
start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
hour = datetime.timedelta(hours=1)


def entry(number, source="shop"):
    return {"EventBusName": "orders", "Source": source, "DetailType": "sold", "Detail": json.dumps({"n": number}),
            "Time": start + number * hour}


# Not in the order of their times.
answer = events.put_events(Entries=[entry(n) for n in [3, 0, 4, 1, 2]] + [entry(0, "elsewhere")])
assert answer["FailedEntryCount"] == 0, answer
shown = events.describe_archive(ArchiveName="shop")
assert (shown["EventCount"], shown["RetentionDays"], shown["EventSourceArn"]) == (5, 7, bus), shown
assert shown["EventPattern"] == pattern and shown["SizeBytes"] > 500 and shown["Description"] == "ours", shown
assert events.describe_archive(ArchiveName="all")["EventCount"] == 6
assert events.describe_archive(ArchiveName="default")["EventCount"] == 0
events.update_archive(ArchiveName="shop", RetentionDays=0, EventPattern='{"source": ["shop", "stall"]}')
shown = events.describe_archive(ArchiveName="shop")
assert (shown["RetentionDays"], shown["Description"]) == (0, "ours") and "stall" in shown["EventPattern"], shown

# Replays send it once more, of a range of time, in its order.
queues = {}
for name in ["heard", "other"]:
    url = sqs.create_queue(QueueName=name + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    queues[name] = url
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventBusName="orders", EventPattern=pattern)
    events.put_targets(Rule=name, EventBusName="orders", Targets=[{"Id": "q", "Arn": arn, "SqsParameters": {"MessageGroupId": "g"}}])


def received(name, count):
    bodies, end = [], time.monotonic() + 30
    while len(bodies) < count and time.monotonic() < end:
        for message in sqs.receive_message(QueueUrl=queues[name], WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queues[name], ReceiptHandle=message["ReceiptHandle"])
    return bodies


def replay(name, first, last, **destination):
    return events.start_replay(
        ReplayName=name, EventSourceArn=archive, EventStartTime=start + first * hour, EventEndTime=start + last * hour,
        Destination={"Arn": bus} | destination,
    )


def ended(name):
    for _ in range(300):
        shown = events.describe_replay(ReplayName=name)
        if shown["State"] not in ("STARTING", "RUNNING", "CANCELLING"):
            return shown
        time.sleep(0.1)
    raise AssertionError(shown)


only = f"{PREFIX}:rule/orders/heard"
made = replay("some", 1, 4, FilterArns=[only])
assert (made["ReplayArn"], made["State"]) == (PREFIX + ":replay/some", "STARTING"), made
shown = ended("some")
assert shown["State"] == "COMPLETED" and shown["EventSourceArn"] == archive, shown
assert shown["Destination"] == {"Arn": bus, "FilterArns": [only]} and shown["EventLastReplayedTime"] == start + 3 * hour, shown
bodies = received("heard", 3)
assert [body["detail"]["n"] for body in bodies] == [1, 2, 3], bodies
assert {body["replay-name"] for body in bodies} == {"some"} and bodies[0]["time"] == "2026-01-01T01:00:00Z", bodies
# Nobody else got it, and no archive did.
assert received("other", 0) == [] and "Messages" not in sqs.receive_message(QueueUrl=queues["other"])
assert events.describe_archive(ArchiveName="all")["EventCount"] == 6

# A name is a replay's for as long as that is known; what is wrong says so.
with raises("ResourceAlreadyExistsException", 400, "Replay some already exists."):
    replay("some", 1, 4)
with raises("ValidationException", 400, "EventStartTime must be before EventEndTime."):
    replay("wrong", 4, 4)
with raises("ValidationException", 400, "Cross event bus replay is not permitted."):
    replay("wrong", 1, 4, Arn=PREFIX + ":event-bus/default")
with raises("ValidationException", 400, "Must contain an event bus ARN."):
    replay("wrong", 1, 4, Arn=PREFIX + ":rule/r")
with raises("ValidationException", 400, "Must contain rule ARNs."):
    replay("wrong", 1, 4, FilterArns=[bus])
with raises("ValidationException", 400, "Archive absent does not exist."):
    events.start_replay(ReplayName="wrong", EventSourceArn=PREFIX + ":archive/absent", EventStartTime=start,
                        EventEndTime=start + hour, Destination={"Arn": bus})
with raises("ResourceNotFoundException", 400, "Replay absent does not exist."):
    events.describe_replay(ReplayName="absent")
with raises("ResourceNotFoundException", 400, "Replay absent does not exist."):
    events.cancel_replay(ReplayName="absent")
with raises("IllegalStatusException", 400, "Replay some is not in a valid state for this operation."):
    events.cancel_replay(ReplayName="some")
replay("nothing", 100, 200)
assert ended("nothing")["State"] == "COMPLETED"
assert [one["ReplayName"] for one in events.list_replays()["Replays"]] == ["nothing", "some"]
assert [one["ReplayName"] for one in events.list_replays(NamePrefix="s")["Replays"]] == ["some"]
assert len(events.list_replays(EventSourceArn=archive)["Replays"]) == len(events.list_replays(State="COMPLETED")["Replays"]) == 2
assert events.list_replays(State="RUNNING")["Replays"] == []

# And all of it goes.
for name in ["shop", "all", "default"]:
    events.delete_archive(ArchiveName=name)
with raises("ResourceNotFoundException", 400, "Archive shop does not exist."):
    events.delete_archive(ArchiveName="shop")
assert events.list_archives()["Archives"] == []
