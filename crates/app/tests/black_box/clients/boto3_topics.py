"""Topics as boto3 knows them: topics, subscriptions, messages, batches, order, and what is refused."""

import json
import time

import boto3
from functions import create, raises

sns = boto3.client("sns")
sqs = boto3.client("sqs")
client = boto3.client("lambda")
logs = boto3.client("logs")


def queue(name):
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"


def take(url):
    """All that is in a queue."""
    got = []
    while True:
        ask = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
        messages = sqs.receive_message(QueueUrl=url, **ask).get("Messages", [])
        if not messages:
            return got
        for message in messages:
            got.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def said(messages):
    """What messages in envelopes say."""
    return [json.loads(message["Body"])["Message"] for message in messages]


# Topics.
topic = sns.create_topic(Name="orders", Attributes={"DisplayName": "Orders"}, Tags=[{"Key": "team", "Value": "shop"}])
topic = topic["TopicArn"]
assert topic == "arn:aws:sns:us-east-1:000000000000:orders", topic
assert sns.create_topic(Name="orders")["TopicArn"] == topic
with raises("InvalidParameter", 400, "Invalid parameter: Tags Reason: Topic already exists with different tags"):
    sns.create_topic(Name="orders", Tags=[{"Key": "team", "Value": "other"}])
with raises("InvalidParameter", 400, "Invalid parameter: Topic Name"):
    sns.create_topic(Name="not a name")
with raises("NotFound", 404, "Topic does not exist"):
    sns.get_topic_attributes(TopicArn=topic + "x")
sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="All orders")
shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
assert (shown["DisplayName"], shown["Owner"], shown["TopicArn"]) == ("All orders", "000000000000", topic), shown
assert json.loads(shown["Policy"])["Statement"][0]["Sid"] == "__default_statement_ID", shown
sns.add_permission(TopicArn=topic, Label="friend", AWSAccountId=["111111111111"], ActionName=["Publish"])
policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
assert [one["Sid"] for one in policy["Statement"]] == ["__default_statement_ID", "friend"], policy
sns.remove_permission(TopicArn=topic, Label="friend")
sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "b"}])
sns.untag_resource(ResourceArn=topic, TagKeys=["team"])
assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "b"}]
for number in range(120):
    sns.create_topic(Name=f"many-{number}")
pages = list(sns.get_paginator("list_topics").paginate())
assert [len(page["Topics"]) for page in pages] == [100, 21], pages
for number in range(120):
    sns.delete_topic(TopicArn=f"arn:aws:sns:us-east-1:000000000000:many-{number}")
assert sns.list_topics()["Topics"] == [{"TopicArn": topic}]

# Subscriptions.
function = create(client, "heard", "def handler(event, context): print('heard', event['Records'][0]['Sns']['Message'])")
plain_url, plain = queue("plain")
raw_url, raw = queue("raw")
dear_url, dear = queue("dear")
body_url, body = queue("body")
subscribe = {"TopicArn": topic, "ReturnSubscriptionArn": True}
heard = sns.subscribe(Protocol="lambda", Endpoint=function["FunctionArn"], **subscribe)["SubscriptionArn"]
assert heard.startswith(topic + ":"), heard
first = sns.subscribe(Protocol="sqs", Endpoint=plain, **subscribe)["SubscriptionArn"]
assert sns.subscribe(Protocol="sqs", Endpoint=plain, **subscribe)["SubscriptionArn"] == first
sns.subscribe(Protocol="sqs", Endpoint=raw, Attributes={"RawMessageDelivery": "true"}, **subscribe)
policy = {
    "price": [{"numeric": [">", 100]}],
    "kind": ["lamp", {"prefix": "pen"}, {"anything-but": ["car"]}],
    "sold": [{"exists": False}],
}
sns.subscribe(Protocol="sqs", Endpoint=dear, Attributes={"FilterPolicy": json.dumps(policy)}, **subscribe)
of_body = {"FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps({"$or": [{"a": [1]}, {"b": {"c": ["x"]}}]})}
by_body = sns.subscribe(Protocol="sqs", Endpoint=body, Attributes=of_body, **subscribe)["SubscriptionArn"]
shown = sns.get_subscription_attributes(SubscriptionArn=by_body)["Attributes"]
assert (shown["FilterPolicyScope"], shown["PendingConfirmation"]) == ("MessageBody", "false"), shown
assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "5"
listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
assert sorted(one["Protocol"] for one in listed) == ["lambda", "sqs", "sqs", "sqs", "sqs"], listed
assert sns.list_subscriptions()["Subscriptions"] == listed
with raises("InvalidParameter", 400, "Invalid parameter: Amazon SNS does not support this protocol string: email"):
    sns.subscribe(Protocol="email", Endpoint="a@example.com", **subscribe)
with raises("InvalidParameter", 400, "Invalid parameter: Attributes Reason: FilterPolicy: "):
    sns.subscribe(Protocol="sqs", Endpoint=queue("x")[1], Attributes={"FilterPolicy": '{"a": "b"}'}, **subscribe)
with raises("InvalidParameter", 400, "Invalid parameter: Token"):
    sns.confirm_subscription(TopicArn=topic, Token="x")
with raises("NotImplementedException", 501):
    sns.create_platform_application(Name="x", Platform="GCM", Attributes={})

# Messages, to whom they concern.
lamp = {
    "price": {"DataType": "Number", "StringValue": "120.5"},
    "kind": {"DataType": "String.Array", "StringValue": '["lamp", "light"]'},
    "picture": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
published = sns.publish(TopicArn=topic, Message="a <lamp> & \"more\"", Subject="sold", MessageAttributes=lamp)
assert "SequenceNumber" not in published, published
cheap = {"price": {"DataType": "Number", "StringValue": "2"}, "kind": {"DataType": "String", "StringValue": "pen"}}
sns.publish(TopicArn=topic, Message=json.dumps({"b": {"c": "x"}}), MessageAttributes=cheap)
each = {"default": "to all", "lambda": "to functions", "sqs": "to queues"}
sns.publish(TargetArn=topic, Message=json.dumps(each), MessageStructure="json")
got = take(plain_url)
assert sorted(said(got)) == sorted(['a <lamp> & "more"', '{"b": {"c": "x"}}', "to queues"]), got
envelope = next(one for one in (json.loads(message["Body"]) for message in got) if one.get("Subject") == "sold")
assert (envelope["Type"], envelope["TopicArn"], envelope["MessageId"]) == ("Notification", topic, published["MessageId"])
assert envelope["MessageAttributes"]["picture"] == {"Type": "Binary", "Value": "AP8="}, envelope
got = take(raw_url)
assert sorted(message["Body"] for message in got) == sorted(['a <lamp> & "more"', '{"b": {"c": "x"}}', "to queues"]), got
sold = next(message for message in got if message["Body"].startswith("a <lamp>"))
assert sold["MessageAttributes"]["picture"]["BinaryValue"] == b"\x00\xff", sold
assert sold["MessageAttributes"]["kind"]["DataType"] == "String.Array", sold
assert said(take(dear_url)) == ['a <lamp> & "more"']
assert said(take(body_url)) == ['{"b": {"c": "x"}}']
for _ in range(300):
    events = logs.filter_log_events(logGroupName="/aws/lambda/heard")["events"]
    texts = {event["message"].strip() for event in events}
    if {'heard a <lamp> & "more"', "heard to functions"} <= texts:
        break
    time.sleep(0.1)
else:
    raise AssertionError(texts)

# Batches.
entries = [{"Id": str(number), "Message": f"batch {number}"} for number in range(9)] + [{"Id": "bad", "Message": ""}]
answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
assert [one["Id"] for one in answer["Successful"]] == [str(number) for number in range(9)], answer
assert [(one["Id"], one["Code"], one["SenderFault"]) for one in answer["Failed"]] == [("bad", "InvalidParameter", True)]
assert sorted(said(take(plain_url))) == [f"batch {number}" for number in range(9)]
with raises("TooManyEntriesInBatchRequest", 400, "The batch request contains more entries than permissible."):
    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries + [{"Id": "x", "Message": "x"}])
with raises("InvalidParameter", 400, "Invalid parameter: Message too long"):
    sns.publish(TopicArn=topic, Message="x" * (256 * 1024 + 1))
with raises("ParameterValueInvalid", 400):
    sns.publish(TopicArn=topic, Message="x", MessageAttributes={"a": {"DataType": "Other", "StringValue": "x"}})
with raises("NotImplementedException", 501):
    sns.publish(PhoneNumber="+1", Message="x")

# What cannot be delivered has a queue of its own.
letters_url, letters = queue("letters")
redrive = json.dumps({"deadLetterTargetArn": letters})
gone = "arn:aws:lambda:us-east-1:000000000000:function:gone"
sns.subscribe(Protocol="lambda", Endpoint=gone, Attributes={"RedrivePolicy": redrive}, **subscribe)
sns.publish(TopicArn=topic, Message="lost")
letter = take(letters_url)
assert said(letter) == ["lost"], letter
assert letter[0]["MessageAttributes"]["ErrorCode"]["StringValue"] == "RESOURCE_NOT_FOUND", letter

# Who does not want any more gets nothing more.
take(raw_url)
take(plain_url)
sns.unsubscribe(SubscriptionArn=first)
sns.unsubscribe(SubscriptionArn=first)
sns.set_subscription_attributes(
    SubscriptionArn=by_body, AttributeName="FilterPolicy", AttributeValue='{"a": [{"cidr": "10.0.0.0/8"}]}',
)
sns.publish(TopicArn=topic, Message='{"a": "10.1.2.3"}')
assert said(take(body_url)) == ['{"a": "10.1.2.3"}']
assert take(plain_url) == []

# Order.
ordered = sns.create_topic(Name="ordered.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})
ordered = ordered["TopicArn"]
fifo_url, fifo = queue("ordered.fifo")
sns.subscribe(TopicArn=ordered, Protocol="sqs", Endpoint=fifo)
with raises("InvalidParameter", 400, "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not"):
    sns.subscribe(Protocol="sqs", Endpoint=fifo, **subscribe)
with raises("InvalidParameter", 400, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"):
    sns.publish(TopicArn=ordered, Message="x")
numbers = []
for number in range(20):
    one = sns.publish(TopicArn=ordered, Message=f"number {number}", MessageGroupId="g")
    again = sns.publish(TopicArn=ordered, Message=f"number {number}", MessageGroupId="g")
    assert again["MessageId"] == one["MessageId"], (one, again)
    numbers.append(one["SequenceNumber"])
assert numbers == sorted(numbers) and len(set(numbers)) == 20, numbers
batch = [{"Id": str(number), "Message": f"batch {number}", "MessageGroupId": "g"} for number in range(5)]
sns.publish_batch(TopicArn=ordered, PublishBatchRequestEntries=batch)
got = take(fifo_url)
expected = [f"number {number}" for number in range(20)] + [f"batch {number}" for number in range(5)]
assert said(got) == expected, said(got)
assert json.loads(got[0]["Body"])["SequenceNumber"] == numbers[0]

sns.delete_topic(TopicArn=topic)
sns.delete_topic(TopicArn=topic)
assert [one["TopicArn"] for one in sns.list_topics()["Topics"]] == [ordered]
assert len(sns.list_subscriptions()["Subscriptions"]) == 1
