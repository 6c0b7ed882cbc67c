"""Queues as boto3 knows them: made, found, listed, set, tagged, shared, emptied and deleted."""

import json
import time

import boto3
from functions import raises

client = boto3.client("sqs")
PROTOCOL = client.meta.service_model.protocol
GONE = "The specified queue does not exist" + (" for this wsdl version." if PROTOCOL == "query" else ".")


def attributes(url, *names):
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=list(names or ["All"])).get("Attributes", {})


# Made once; the same again is the same, and another is another.
url = client.create_queue(QueueName="orders", Attributes={"DelaySeconds": "5"}, tags={"team": "a"})["QueueUrl"]
assert url.endswith("/000000000000/orders"), url
assert client.get_queue_url(QueueName="orders")["QueueUrl"] == url
assert client.create_queue(QueueName="orders")["QueueUrl"] == url
assert client.create_queue(QueueName="orders", Attributes={"DelaySeconds": "5"})["QueueUrl"] == url
with raises(
    "QueueAlreadyExists", 400,
    "A queue already exists with the same name and a different value for attribute DelaySeconds",
):
    client.create_queue(QueueName="orders", Attributes={"DelaySeconds": "6"})
for name in ["a b", "x" * 81, "orders.fifo", ""]:
    with raises("InvalidParameterValue", 400, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"):
        client.create_queue(QueueName=name)
with raises("InvalidParameterValue", 400, "must end with .fifo suffix and be 1 to 80 in length."):
    client.create_queue(QueueName="orders", Attributes={"FifoQueue": "true"})
with raises("InvalidAttributeName", 400, "Unknown Attribute FifoQueue."):
    client.create_queue(QueueName="other.fifo", Attributes={"FifoQueue": "false"})
with raises("AWS.SimpleQueueService.NonExistentQueue", 400, GONE):
    client.get_queue_url(QueueName="absent")
with raises("AWS.SimpleQueueService.NonExistentQueue", 400, GONE):
    client.send_message(QueueUrl=url + "-absent", MessageBody="x")
try:
    client.purge_queue(QueueUrl=url + "-absent")
except client.exceptions.QueueDoesNotExist:
    pass

# Attributes: AWS's defaults, what was set, and what cannot be.
shown = attributes(url)
created = int(shown.pop("CreatedTimestamp"))
assert abs(created - time.time()) < 60 and int(shown.pop("LastModifiedTimestamp")) >= created
assert shown == {
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "DelaySeconds": "5",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "QueueArn": "arn:aws:sqs:us-east-1:000000000000:orders",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}, shown
client.set_queue_attributes(QueueUrl=url, Attributes={
    "VisibilityTimeout": "69", "MaximumMessageSize": "2048", "DelaySeconds": "0",
    "MessageRetentionPeriod": "604800", "ReceiveMessageWaitTimeSeconds": "10",
    "KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000",
})
names = ["VisibilityTimeout", "MaximumMessageSize", "DelaySeconds", "MessageRetentionPeriod",
         "ReceiveMessageWaitTimeSeconds", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"]
assert attributes(url, *names) == dict(zip(names, ["69", "2048", "0", "604800", "10", "testKeyId", "6000", "false"]))
assert client.get_queue_attributes(QueueUrl=url).get("Attributes", {}) == {}
with raises("InvalidAttributeValue", 400, "Invalid value for the parameter VisibilityTimeout."):
    client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "43201"})
with raises("InvalidAttributeName", 400, "Unknown Attribute Nonsense."):
    client.set_queue_attributes(QueueUrl=url, Attributes={"Nonsense": "1"})
with raises("InvalidAttributeName", 400, "Unknown Attribute Nonsense."):
    attributes(url, "Nonsense")
with raises("InvalidAttributeName", 400, "You can use one type of server-side encryption (SSE) at one time."):
    client.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
client.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
assert attributes(url, "KmsMasterKeyId", "SqsManagedSseEnabled") == {"SqsManagedSseEnabled": "true"}

# FIFO queues keep their kind.
fifo = client.create_queue(QueueName="ordered.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
names = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"]
assert attributes(fifo, *names) == dict(zip(names, ["true", "false", "queue", "perQueue"]))
client.set_queue_attributes(QueueUrl=fifo, Attributes={
    "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
})
assert attributes(fifo, *names) == dict(zip(names, ["true", "true", "messageGroup", "perMessageGroupId"]))
with raises("InvalidAttributeValue", 400, "Modifying queue type is not supported."):
    client.set_queue_attributes(QueueUrl=fifo, Attributes={"FifoQueue": "false"})
with raises("InvalidAttributeName", 400, "Unknown Attribute FifoQueue."):
    client.set_queue_attributes(QueueUrl=url, Attributes={"FifoQueue": "true"})

# Tags.
tags = lambda: client.list_queue_tags(QueueUrl=url).get("Tags", {})
assert tags() == {"team": "a"}
client.tag_queue(QueueUrl=url, Tags={"team": "b", "empty": ""})
assert tags() == {"team": "b", "empty": ""}
client.untag_queue(QueueUrl=url, TagKeys=["team", "absent"])
assert tags() == {"empty": ""}
with raises("InvalidParameterValue", 400, "Too many tags added for queue orders."):
    client.tag_queue(QueueUrl=url, Tags={str(number): "" for number in range(51)})

# Permissions are kept as a policy.
policy = lambda: attributes(url, "Policy").get("Policy")
client.add_permission(QueueUrl=url, Label="one", AWSAccountIds=["111111111111"], Actions=["ReceiveMessage"])
client.add_permission(
    QueueUrl=url, Label="two", AWSAccountIds=["111111111111", "222222222222"], Actions=["SendMessage", "DeleteMessage"],
)
kept = json.loads(policy())
assert kept["Version"] == "2008-10-17" and kept["Id"] == "arn:aws:sqs:us-east-1:000000000000:orders/SQSDefaultPolicy"
assert kept["Statement"] == [
    {
        "Sid": "one", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "SQS:ReceiveMessage", "Resource": "arn:aws:sqs:us-east-1:000000000000:orders",
    },
    {
        "Sid": "two", "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]},
        "Action": ["SQS:SendMessage", "SQS:DeleteMessage"], "Resource": "arn:aws:sqs:us-east-1:000000000000:orders",
    },
], kept
with raises("InvalidParameterValue", 400, "Value one for parameter Label is invalid. Reason: Already exists."):
    client.add_permission(QueueUrl=url, Label="one", AWSAccountIds=["111111111111"], Actions=["ReceiveMessage"])
with raises("InvalidParameterValue", 400, "SQS:CreateQueue for parameter ActionName"):
    client.add_permission(QueueUrl=url, Label="x", AWSAccountIds=["111111111111"], Actions=["CreateQueue"])
client.remove_permission(QueueUrl=url, Label="two")
client.remove_permission(QueueUrl=url, Label="one")
assert policy() is None
with raises("InvalidParameterValue", 400, "Value one for parameter Label is invalid. Reason: can't find label."):
    client.remove_permission(QueueUrl=url, Label="one")
client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": []})})
assert json.loads(policy())["Version"] == "2012-10-17"

# Lists, in pages.
for number in range(7):
    client.create_queue(QueueName=f"many-{number}")
listed = client.list_queues(QueueNamePrefix="many-")["QueueUrls"]
assert [one.rsplit("/", 1)[1] for one in listed] == [f"many-{number}" for number in range(7)], listed
pages = list(client.get_paginator("list_queues").paginate(QueueNamePrefix="many-", PaginationConfig={"PageSize": 3}))
assert [len(page["QueueUrls"]) for page in pages] == [3, 3, 1], pages
assert sum((page["QueueUrls"] for page in pages), []) == listed
assert "QueueUrls" not in client.list_queues(QueueNamePrefix="none")
with raises("InvalidParameterValue", 400):
    client.list_queues(MaxResults=1001)

# Gone, with all that was in it, and made again empty.
client.set_queue_attributes(QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "0"})
for _ in range(3):
    client.send_message(QueueUrl=url, MessageBody="x")
assert attributes(url, "ApproximateNumberOfMessages") == {"ApproximateNumberOfMessages": "3"}
client.purge_queue(QueueUrl=url)
client.purge_queue(QueueUrl=url)
assert attributes(url, "ApproximateNumberOfMessages") == {"ApproximateNumberOfMessages": "0"}
client.send_message(QueueUrl=url, MessageBody="y")
client.delete_queue(QueueUrl=url)
with raises("AWS.SimpleQueueService.NonExistentQueue", 400, GONE):
    client.delete_queue(QueueUrl=url)
assert client.create_queue(QueueName="orders")["QueueUrl"] == url
assert "Messages" not in client.receive_message(QueueUrl=url)
