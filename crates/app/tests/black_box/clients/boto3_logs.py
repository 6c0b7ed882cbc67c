"""Logs: the tail with the answer, and the same lines in CloudWatch Logs' API."""

import base64
import json
import time

import boto3
from functions import create, raises

SOURCE = """
def handler(event, context):
    print("hello from", event["who"])
    return context.log_stream_name
"""
client, logs = boto3.client("lambda"), boto3.client("logs")
GROUP = "/aws/lambda/talker"
create(client, "talker", SOURCE)

answers = []
for who in ("anna", "bob"):
    answer = client.invoke(FunctionName="talker", Payload=f'{{"who": "{who}"}}', LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request = answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request} Version: $LATEST\n" in tail, tail
    assert f"hello from {who}\n" in tail and f"END RequestId: {request}\n" in tail, tail
    assert f"REPORT RequestId: {request}\tDuration: " in tail, tail
    assert ("Init Duration" in tail) == (who == "anna"), tail
    answers.append(answer["Payload"].read().decode().strip('"'))
assert "LogResult" not in client.invoke(FunctionName="talker", Payload=b'{"who": "c"}')

stream = answers[0]
assert answers[1] == stream, "one instance writes one stream"
deadline = time.monotonic() + 10
while True:
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/talk")["logGroups"]
    if groups:
        events = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
        if sum("REPORT" in event["message"] for event in events["events"]) == 3:
            break
    assert time.monotonic() < deadline, "the log did not arrive"
    time.sleep(0.05)
assert [group["logGroupName"] for group in groups] == [GROUP], groups
streams = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
assert [s["logStreamName"] for s in streams] == [stream], streams

times = [event["timestamp"] for event in events["events"]]
assert times == sorted(times) and abs(times[0] - time.time() * 1000) < 60_000, times
newest = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=1)
assert len(newest["events"]) == 1 and "REPORT" in newest["events"][0]["message"], newest
again = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, nextToken=events["nextForwardToken"])
assert again["events"] == [] and again["nextForwardToken"] == events["nextForwardToken"], again

found = logs.filter_log_events(logGroupName=GROUP, filterPattern='"hello from" -bob')["events"]
assert [event["message"].strip() for event in found] == ["hello from anna", "hello from c"], found
paged = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 2})
assert sum(len(page["events"]) for page in paged) >= 12

# What a policy names is masked before anybody can read it.
email = "arn:aws:dataprotection::aws:data-identifier/EmailAddress"
statements = [
    {"DataIdentifier": [email], "Operation": {"Audit": {"FindingsDestination": {}}}},
    {"DataIdentifier": [email], "Operation": {"Deidentify": {"MaskConfig": {}}}},
]
policy = json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": statements})
assert "policyDocument" not in logs.get_data_protection_policy(logGroupIdentifier=GROUP)
put = logs.put_data_protection_policy(logGroupIdentifier=GROUP, policyDocument=policy)
assert put["policyDocument"] == policy and abs(put["lastUpdatedTime"] - time.time() * 1000) < 60_000, put
assert logs.get_data_protection_policy(logGroupIdentifier=GROUP)["policyDocument"] == policy
assert logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["dataProtectionStatus"] == "ACTIVATED"
with raises("InvalidParameterException", 400):
    logs.put_data_protection_policy(logGroupIdentifier=GROUP, policyDocument="{}")
client.invoke(FunctionName="talker", Payload=b'{"who": "carol@example.org"}')
deadline = time.monotonic() + 10
while not (found := logs.filter_log_events(logGroupName=GROUP, filterPattern='"hello from *"')["events"]):
    assert time.monotonic() < deadline, "the log did not arrive"
    time.sleep(0.05)
assert found[0]["message"].strip() == "hello from *****************", found
logs.delete_data_protection_policy(logGroupIdentifier=GROUP)
assert "dataProtectionStatus" not in logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]

# How long a group is kept is its owner's choice, and so is its end.
logs.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
assert logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["retentionInDays"] == 30
logs.delete_retention_policy(logGroupName=GROUP)
assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
logs.create_log_group(logGroupName="/team/b")
with raises("ResourceAlreadyExistsException", 400, "The specified log group already exists"):
    logs.create_log_group(logGroupName="/team/b")
for group in ("/team/b", GROUP):
    logs.delete_log_group(logGroupName=group)
assert logs.describe_log_groups()["logGroups"] == []
with raises("ResourceNotFoundException", 400, "The specified log group does not exist."):
    logs.delete_log_group(logGroupName=GROUP)
with raises("ResourceNotFoundException", 400, "The specified log group does not exist."):
    logs.describe_log_streams(logGroupName="/aws/lambda/absent")
