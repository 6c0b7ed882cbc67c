"""FIFO queues and dead letters as boto3 knows them."""

import json
import time

import boto3
from functions import raises

client = boto3.client("sqs")
PROTOCOL = client.meta.service_model.protocol
url = client.create_queue(QueueName="ordered.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]


def send(body, group, to=url, **more):
    more.setdefault("MessageDeduplicationId", body)
    return client.send_message(QueueUrl=to, MessageBody=body, MessageGroupId=group, **more)


def receive(of=url, **how):
    how.setdefault("MaxNumberOfMessages", 10)
    return client.receive_message(QueueUrl=of, AttributeNames=["All"], **how).get("Messages", [])


def bodies(*arguments, **how):
    return [message["Body"] for message in receive(*arguments, **how)]


def delete(message, of=url):
    client.delete_message(QueueUrl=of, ReceiptHandle=message["ReceiptHandle"])


# In order, a group at a time.
first = send("a1", "a")
numbers = [first] + [send(body, body[0]) for body in ["a2", "b1", "a3"]]
numbers = [sent["SequenceNumber"] for sent in numbers]
assert all(len(number) == 20 for number in numbers) and numbers == sorted(set(numbers)), numbers
[message] = receive(MaxNumberOfMessages=1)
system = message["Attributes"]
assert message["Body"] == "a1" and system["MessageGroupId"] == "a" and system["MessageDeduplicationId"] == "a1", message
assert system["SequenceNumber"] == first["SequenceNumber"], message
[other] = receive()
assert other["Body"] == "b1" and receive() == []
delete(message)
rest = receive()
assert [one["Body"] for one in rest] == ["a2", "a3"], rest
for one in rest + [other]:
    delete(one)

# Sent again within five minutes is sent once, also after it was deleted.
again = send("a1", "z")
assert again["MessageId"] == first["MessageId"] and again["SequenceNumber"] == first["SequenceNumber"], again
assert receive() == []
with raises("InvalidParameterValue", 400, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"):
    client.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="a")
with raises("MissingParameter", 400, "The request must contain the parameter MessageGroupId."):
    client.send_message(QueueUrl=url, MessageBody="x", MessageDeduplicationId="x")
with raises("InvalidParameterValue", 400, "The request must contain the parameter MessageGroupId."):
    client.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x", "MessageDeduplicationId": "x"}])
with raises("InvalidParameterValue", 400, "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."):
    send("d", "a", DelaySeconds=2)
client.set_queue_attributes(QueueUrl=url, Attributes={"ContentBasedDeduplication": "true"})
one = client.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="a")
two = client.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="b")
assert one["MessageId"] == two["MessageId"]
batch = [{"Id": str(number), "MessageBody": f"batch {number}", "MessageGroupId": "a"} for number in range(5)]
answer = client.send_message_batch(QueueUrl=url, Entries=batch)
assert [entry["SequenceNumber"] for entry in answer["Successful"]] == sorted(entry["SequenceNumber"] for entry in answer["Successful"])
received = receive(VisibilityTimeout=1)
assert [message["Body"] for message in received] == ["same"] + [f"batch {number}" for number in range(5)], received

# A receipt is good while its message is hidden.
time.sleep(1.2)
with raises("InvalidParameterValue", 400, "Reason: The receipt handle has expired."):
    delete(received[0])
attempt = receive(ReceiveRequestAttemptId="x")
assert receive() == []
assert [(one["MessageId"], one["ReceiptHandle"]) for one in receive(ReceiveRequestAttemptId="x")] == [
    (one["MessageId"], one["ReceiptHandle"]) for one in attempt
]
client.purge_queue(QueueUrl=url)

# What is received too often goes to the dead-letter queue of its kind.
plain = client.create_queue(QueueName="plain")["QueueUrl"]
arn = lambda queue: client.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
dead = client.create_queue(QueueName="dead")["QueueUrl"]


def redrive(queue, target, count=1):
    policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count})
    client.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})


for target, count, reason in [
    ("dummy", 1, "Invalid value for deadLetterTargetArn."),
    (arn(dead) + "-absent", 1, "Dead letter target does not exist."),
    (arn(url), 1, "Dead-letter queue must be same type of queue as the source."),
    (arn(dead), 0, "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."),
]:
    with raises("InvalidParameterValue", 400, f"for parameter RedrivePolicy is invalid. Reason: {reason}"):
        redrive(plain, target, count)
with raises("InvalidParameterValue", 400, "Redrive policy does not contain mandatory attribute: maxReceiveCount."):
    client.set_queue_attributes(QueueUrl=plain, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn(dead)})})
client.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})})
with raises("InvalidParameterValue", 400, "does not allow this queue as a source"):
    redrive(plain, arn(dead))
allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [arn(plain)]}
client.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(allowed)})
redrive(plain, arn(dead))
assert client.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [plain]
client.set_queue_attributes(QueueUrl=plain, Attributes={"VisibilityTimeout": "0"})
sent = client.send_message(QueueUrl=plain, MessageBody="bad")
[message] = receive(plain)
assert receive(plain) == []
[letter] = receive(dead, VisibilityTimeout=0)
assert letter["MessageId"] == message["MessageId"] and letter["Body"] == "bad", letter
assert letter["Attributes"]["SentTimestamp"] == message["Attributes"]["SentTimestamp"], letter
assert letter["Attributes"]["DeadLetterQueueSourceArn"] == arn(plain), letter

# And back, when it is told to.
with raises("InvalidParameterValue", 400, "Source queue must be configured as a Dead Letter Queue."):
    client.start_message_move_task(SourceArn=arn(plain))
with raises("ResourceNotFoundException", 404, "The resource that you specified for the DestinationArn parameter doesn't exist."):
    client.start_message_move_task(SourceArn=arn(dead), DestinationArn=arn(dead) + "-absent")
with raises("InvalidParameterValue", 400, "Value for parameter TaskHandle is invalid."):
    client.cancel_message_move_task(TaskHandle="foobar")
client.set_queue_attributes(QueueUrl=plain, Attributes={"VisibilityTimeout": "30"})
handle = client.start_message_move_task(SourceArn=arn(dead))["TaskHandle"]
[back] = receive(plain, WaitTimeSeconds=20)
assert back["Body"] == "bad" and back["MessageId"] != message["MessageId"], back
assert back["Attributes"]["ApproximateReceiveCount"] == "1" and "DeadLetterQueueSourceArn" not in back["Attributes"], back


def task():
    [last] = client.list_message_move_tasks(SourceArn=arn(dead))["Results"]
    return last


deadline = time.monotonic() + 20
while task()["Status"] == "RUNNING" and time.monotonic() < deadline:
    time.sleep(0.05)
done = task()
assert done["Status"] == "COMPLETED" and done["ApproximateNumberOfMessagesMoved"] == 1, done
assert done["ApproximateNumberOfMessagesToMove"] == 1 and "TaskHandle" not in done, done
with raises("AWS.SimpleQueueService.UnsupportedOperation", 400):
    client.cancel_message_move_task(TaskHandle=handle)

# One that takes its time is stopped.
for number in range(10):
    client.send_message(QueueUrl=dead, MessageBody=str(number))
handle = client.start_message_move_task(SourceArn=arn(dead), DestinationArn=arn(plain), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
with raises("InvalidParameterValue", 400, "There is already a task running."):
    client.start_message_move_task(SourceArn=arn(dead))
running = task()
assert running["Status"] == "RUNNING" and running["TaskHandle"] == handle and running["DestinationArn"] == arn(plain), running
assert running["MaxNumberOfMessagesPerSecond"] == 1, running
moved = client.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
assert moved < 10 and task()["Status"] == "CANCELLED", task()
