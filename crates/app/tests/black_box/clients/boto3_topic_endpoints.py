"""HTTP endpoints that subscribe to topics, as boto3 and a receiver see it: asked, delivered to, tried again, given up."""

import base64
import http.server
import json
import queue
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

import boto3
from functions import raises

sns, sqs = boto3.client("sns"), boto3.client("sqs")
received = queue.Queue()
answers = {}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        statuses = answers.get(self.path, [])
        status = statuses.pop(0) if statuses else 200
        received.put((self.path, self.headers, body, status))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://user:secret@127.0.0.1:{server.server_port}"


def post():
    path, headers, body, status = received.get(timeout=30)
    return path, headers, body, status


def subscribe(topic, path, **attributes):
    made = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=base + path, Attributes=attributes, ReturnSubscriptionArn=True)
    got, headers, body, _ = post()
    message = json.loads(body)
    assert (got, message["Type"]) == (path, "SubscriptionConfirmation"), body
    urllib.request.urlopen(message["SubscribeURL"]).read()
    return made["SubscriptionArn"]


def verify(message):
    assert message["SignatureVersion"] == "2", message
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    pem = urllib.request.urlopen(message["SigningCertURL"]).read()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in [("pem", pem), ("sig", base64.b64decode(message["Signature"])), ("text", text.encode())]:
            with open(f"{folder}/{name}", "wb") as file:
                file.write(content)
        key = subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", f"{folder}/pem"], check=True, capture_output=True).stdout
        with open(f"{folder}/key", "wb") as file:
            file.write(key)
        check = ["openssl", "dgst", "-sha256", "-verify", f"{folder}/key", "-signature", f"{folder}/sig", f"{folder}/text"]
        assert subprocess.run(check, capture_output=True).stdout == b"Verified OK\n"


topic = sns.create_topic(Name="orders")["TopicArn"]

# What is no address of the web.
with raises("InvalidParameter", 400, "must be an address that begins with https://"):
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=base)
with raises("InvalidParameter", 400, "Endpoint"):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="orders")
with raises("InvalidParameter", 400, "public addresses"):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://169.254.169.254/latest")
fifo = sns.create_topic(Name="o.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
with raises("InvalidParameter", 400):
    sns.subscribe(TopicArn=fifo, Protocol="http", Endpoint=base)

# An endpoint is asked, and until it agrees gets nothing else.
asked = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=base + "/in")
assert asked["SubscriptionArn"] == "pending confirmation", asked
path, headers, body, _ = post()
message = json.loads(body)
assert path == "/in" and headers["authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
assert headers["x-amz-sns-message-type"] == message["Type"] == "SubscriptionConfirmation", body
assert headers["x-amz-sns-message-id"] == message["MessageId"] and headers["x-amz-sns-topic-arn"] == topic
assert headers["x-amz-sns-subscription-arn"] is None and headers["content-type"] == "text/plain; charset=UTF-8"
verify(message)
[listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
assert (listed["SubscriptionArn"], listed["Protocol"]) == ("PendingConfirmation", "http"), listed
counts = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
assert (counts["SubscriptionsPending"], counts["SubscriptionsConfirmed"]) == ("1", "0"), counts
sns.publish(TopicArn=topic, Message="too early")
with raises("InvalidParameter", 400, "Token"):
    sns.confirm_subscription(TopicArn=topic, Token="0" * 64)
# Asked again, it is sent the same token.
sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=base + "/in")
assert json.loads(post()[2])["Token"] == message["Token"]
answer = urllib.request.urlopen(message["SubscribeURL"]).read().decode()
arn = answer.split("<SubscriptionArn>")[1].split("<")[0]
again = sns.confirm_subscription(TopicArn=topic, Token=message["Token"])
assert again["SubscriptionArn"] == arn and arn.startswith(topic + ":"), (answer, again)
shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("false", "false"), shown
assert json.loads(shown["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 3, shown

# Then it gets what is published, signed.
id = sns.publish(TopicArn=topic, Message="seven", Subject="an order",
                 MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"}})["MessageId"]
path, headers, body, _ = post()
message = json.loads(body)
assert headers["x-amz-sns-message-type"] == message["Type"] == "Notification", body
assert headers["x-amz-sns-message-id"] == message["MessageId"] == id
assert headers["x-amz-sns-subscription-arn"] == arn and headers["user-agent"] == "Amazon Simple Notification Service Agent"
assert (message["Message"], message["Subject"]) == ("seven", "an order"), message
assert message["MessageAttributes"] == {"n": {"Type": "Number", "Value": "7"}}, message
verify(message)

# Raw, in its own words, and as its policy says that it is.
sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
with raises("InvalidParameter", 400, "DeliveryPolicy"):
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue='{"healthyRetryPolicy": {"numRetries": 101}}')
policy = {"healthyRetryPolicy": {"numRetries": 2, "minDelayTarget": 1, "maxDelayTarget": 1},
          "requestPolicy": {"headerContentType": "application/json"}}
sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))
words = {"default": "d", "http": '{"to": "http"}', "https": "s"}
sns.publish(TopicArn=topic, Message=json.dumps(words), MessageStructure="json")
path, headers, body, _ = post()
assert (body, headers["x-amz-sns-rawdelivery"]) == ('{"to": "http"}', "true"), body
assert headers["content-type"] == "application/json"
sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"n": [8]}')
sns.publish(TopicArn=topic, Message="not wanted")

# An endpoint in trouble is tried again; what it refuses, and what it does not take in the end, is a dead letter.
dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
busy = sns.create_topic(Name="busy", Attributes={"DeliveryPolicy": json.dumps({"http": {"defaultHealthyRetryPolicy": policy["healthyRetryPolicy"]}})})["TopicArn"]
subscribe(busy, "/busy", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn}))


def letter():
    [got] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=dead, ReceiptHandle=got["ReceiptHandle"])
    return json.loads(got["Body"]), {name: one["StringValue"] for name, one in got["MessageAttributes"].items()}


answers["/busy"] = [503, 429]
id = sns.publish(TopicArn=busy, Message="in the end")["MessageId"]
tries = [post() for _ in range(3)]
assert [status for *_, status in tries] == [503, 429, 200], tries
assert {headers["x-amz-sns-message-id"] for _, headers, *_ in tries} == {id}
answers["/busy"] = [500, 500, 500]
sns.publish(TopicArn=busy, Message="never")
assert [post()[3] for _ in range(3)] == [500] * 3
body, attributes = letter()
assert (body["Message"], attributes["ErrorCode"]) == ("never", "500"), (body, attributes)
answers["/busy"] = [404]
sns.publish(TopicArn=busy, Message="refused")
assert post()[3] == 404
body, attributes = letter()
assert (body["Message"], attributes["ErrorCode"]) == ("refused", "404"), (body, attributes)

# Who has the address of its subscription's end opens it; a signature is needed where that was asked for.
urllib.request.urlopen(message["UnsubscribeURL"]).read()
assert [one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"]] == [base.replace("secret", "****") + "/busy"]
sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=base + "/closed")
asked = json.loads(post()[2])
closed = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"], AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
try:
    urllib.request.urlopen(message["UnsubscribeURL"].replace(arn, closed)).read()
except urllib.error.HTTPError as error:
    assert error.code == 403, error
else:
    raise AssertionError("anybody ends it")
sns.unsubscribe(SubscriptionArn=closed)
assert received.empty(), received.get()
