"""Messages of a standard queue as boto3 knows them."""

import threading
import time

import boto3
from functions import raises

client = boto3.client("sqs")
url = client.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]


def count():
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    shown = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(shown[name]) for name in names]


def receive(**how):
    return client.receive_message(QueueUrl=url, **how).get("Messages", [])


# boto3 compares the digests with its own and fails where they differ.
attributes = {
    "General": {"DataType": "String", "StringValue": "Kenobi"},
    "Hello": {"DataType": "String", "StringValue": "There"},
    "Help.Me": {"DataType": "String.label", "StringValue": "Mé"},
    "Number": {"DataType": "Number", "StringValue": "-1.50"},
    "Bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff\x1e"},
}
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
body = "line one\r\nline two\ttab & <tag> \"quoted\" ä € \U0001f600"
sent = client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=trace)
assert sent["MD5OfMessageBody"] and sent["MD5OfMessageAttributes"] and sent["MD5OfMessageSystemAttributes"], sent
assert "SequenceNumber" not in sent, sent
[message] = receive(AttributeNames=["All"], MessageAttributeNames=["All"], MaxNumberOfMessages=10)
assert message["Body"] == body and message["MessageId"] == sent["MessageId"], message
assert message["MessageAttributes"] == attributes, message
assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"], message
system = message["Attributes"]
assert system["ApproximateReceiveCount"] == "1" and system["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
assert abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60, system
assert int(system["ApproximateFirstReceiveTimestamp"]) >= int(system["SentTimestamp"]), system
assert system["SenderId"], system
assert count() == [0, 1, 0] and receive() == []

# Only what is asked for.
client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
for wanted, expected in [
    ([], None), (["Hello"], ["Hello"]), (["Hel.*"], ["Hello", "Help.Me"]), (["absent"], []), ([".*"], sorted(attributes)),
]:
    [message] = receive(MessageAttributeNames=wanted, AttributeNames=["SenderId"], VisibilityTimeout=0)
    assert sorted(message.get("MessageAttributes", {})) == (expected or []), (wanted, message)
    assert list(message["Attributes"]) == ["SenderId"], message
[message] = receive(VisibilityTimeout=0)
assert "Attributes" not in message and "MD5OfMessageAttributes" not in message, message
with raises("InvalidAttributeName", 400, "Unknown Attribute Nonsense."):
    receive(AttributeNames=["Nonsense"])

# Hidden, seen again, deleted.
[message] = receive(AttributeNames=["ApproximateReceiveCount"])
assert int(message["Attributes"]["ApproximateReceiveCount"]) > 5, message
assert receive() == []
began = time.monotonic()
[again] = receive(WaitTimeSeconds=20)
assert 0.5 < time.monotonic() - began < 15
client.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
client.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
assert count() == [0, 0, 0]
with raises("ReceiptHandleIsInvalid", 404, 'The input receipt handle "garbage" is not a valid receipt handle.'):
    client.delete_message(QueueUrl=url, ReceiptHandle="garbage")
with raises("InvalidParameterValue", 400, "Reason: Message does not exist or is not available for visibility timeout change."):
    client.change_message_visibility(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=5)

# Waiting ends when a message arrives, and when the time is over.
threading.Timer(0.5, lambda: client.send_message(QueueUrl=url, MessageBody="late")).start()
began = time.monotonic()
[message] = receive(WaitTimeSeconds=20)
assert message["Body"] == "late" and time.monotonic() - began < 15
client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
began = time.monotonic()
assert receive(WaitTimeSeconds=1) == [] and time.monotonic() - began >= 1

# Delayed.
client.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=1)
assert count() == [0, 0, 1] and receive() == []
[message] = receive(WaitTimeSeconds=20)
client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

# Batches: each entry for itself.
entries = [{"Id": f"id-{number}", "MessageBody": f"body {number}"} for number in range(9)]
entries[3]["MessageAttributes"] = {"Hello": attributes["Hello"]}
entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
answer = client.send_message_batch(QueueUrl=url, Entries=entries)
assert [one["Id"] for one in answer["Successful"]] == [f"id-{number}" for number in range(9)], answer
[failed] = answer["Failed"]
assert failed["Id"] == "bad" and failed["Code"] == "InvalidParameterValue" and failed["SenderFault"] is True, failed
messages = receive(MaxNumberOfMessages=10)
assert sorted(one["Body"] for one in messages) == [f"body {number}" for number in range(9)], messages
changes = [
    {"Id": str(index), "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 60} for index, one in enumerate(messages[:3])
] + [{"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 60}]
answer = client.change_message_visibility_batch(QueueUrl=url, Entries=changes)
assert [one["Id"] for one in answer["Successful"]] == ["0", "1", "2"], answer
assert [one["Code"] for one in answer["Failed"]] == ["ReceiptHandleIsInvalid"], answer
removed = [{"Id": str(index), "ReceiptHandle": one["ReceiptHandle"]} for index, one in enumerate(messages)]
answer = client.delete_message_batch(QueueUrl=url, Entries=removed + [{"Id": "bad", "ReceiptHandle": "garbage"}])
assert len(answer["Successful"]) == 9 and [one["Id"] for one in answer["Failed"]] == ["bad"], answer
assert count() == [0, 0, 0]
with raises("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, "Maximum number of entries per request are 10. You have sent 20."):
    client.send_message_batch(QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "x"} for number in range(20)])
with raises("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, "Id a repeated."):
    client.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}] * 2)
with raises("AWS.SimpleQueueService.InvalidBatchEntryId", 400, "A batch entry id can only contain alphanumeric characters"):
    client.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a:b", "ReceiptHandle": "x"}])
with raises("AWS.SimpleQueueService.EmptyBatchRequest", 400, "There should be at least one DeleteMessageBatchRequestEntry in the request."):
    client.delete_message_batch(QueueUrl=url, Entries=[])
half = "x" * (512 * 1024)
with raises("AWS.SimpleQueueService.BatchRequestTooLong", 400, "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."):
    client.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": half}, {"Id": "b", "MessageBody": half + "x"}])
answer = client.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": half}, {"Id": "b", "MessageBody": half}])
assert len(answer["Successful"]) == 2, answer["Failed"]
client.purge_queue(QueueUrl=url)

# What a message may be.
whole = "ä" * (512 * 1024)
client.send_message(QueueUrl=url, MessageBody=whole)
assert receive()[0]["Body"] == whole
with raises("InvalidParameterValue", 400, "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."):
    client.send_message(QueueUrl=url, MessageBody=whole + "x")
client.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})
with raises("InvalidParameterValue", 400, "Reason: Message must be shorter than 1024 bytes."):
    client.send_message(QueueUrl=url, MessageBody="x" * 1020, MessageAttributes={"Hello": attributes["Hello"]})
with raises("InvalidMessageContents", 400, "Invalid binary character '#x1' was found in the message body"):
    client.send_message(QueueUrl=url, MessageBody="a\x01b")
with raises("MissingParameter", 400, "The request must contain the parameter MessageBody."):
    client.send_message(QueueUrl=url, MessageBody="")
with raises("InvalidParameterValue", 400, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."):
    client.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={"a": {"DataType": "String", "StringValue": ""}})
with raises("InvalidParameterValue", 400, "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."):
    client.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=901)
with raises("InvalidParameterValue", 400, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."):
    receive(MaxNumberOfMessages=11)
with raises("InvalidParameterValue", 400, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."):
    receive(WaitTimeSeconds=21)
with raises("InvalidParameterValue", 400, "Value 43201 for parameter VisibilityTimeout is invalid."):
    receive(VisibilityTimeout=43201)
with raises("InvalidParameterValue", 400, "not valid for this queue type"):
    client.send_message(QueueUrl=url, MessageBody="x", MessageDeduplicationId="a")

# A queue's own wait, and a queue that is deleted while somebody waits.
client.purge_queue(QueueUrl=url)
client.set_queue_attributes(QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "1"})
began = time.monotonic()
assert receive() == [] and time.monotonic() - began >= 1
threading.Timer(0.5, lambda: client.delete_queue(QueueUrl=url)).start()
with raises("AWS.SimpleQueueService.NonExistentQueue", 400):
    receive(WaitTimeSeconds=20)
