"""Two tenants as boto3 meets them: the same names, and nothing of each other; limits; and what is left when one is erased.

Arguments: what to do, and for each tenant NAME:ID:KEY:SECRET.
"""

import json
import random
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from functions import RUNTIME, package, raises

SOURCE = "import time\nMARK = '{mark}'\ndef handler(event, context):\n    print(MARK)\n    time.sleep(event.get('sleep', 0))\n    return MARK\n"


class Tenant:
    def __init__(self, text):
        self.name, self.id, key, secret = text.split(":")
        self.session = boto3.session.Session(key, secret)
        self.mark = f"marker-of-{self.name}-abcdefghijklmnop"
        self.bucket = f"things-of-{self.name}"
        self.role = f"arn:aws:iam::{self.id}:role/lambda"

    def client(self, service):
        return self.session.client(service, config=Config(retries={"total_max_attempts": 1}, read_timeout=70))

    def create(self, name, source=None):
        source = source or SOURCE.format(mark=self.mark)
        client = self.client("lambda")
        client.create_function(
            FunctionName=name, Runtime=RUNTIME, Role=self.role, Handler="index.handler", Timeout=60,
            Code={"ZipFile": package(source)},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name)

    def invoke(self, **event):
        return json.load(self.client("lambda").invoke(FunctionName="sum", Payload=json.dumps(event))["Payload"])

    def queue(self):
        return self.client("sqs").get_queue_url(QueueName="orders")["QueueUrl"]

    def fill(self):
        self.create("sum")
        assert self.invoke() == self.mark
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=self.mark)
        s3 = self.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        s3.put_object(Bucket=self.bucket, Key="k", Body=self.mark.encode())
        self.client("secretsmanager").create_secret(Name="db", SecretString=self.mark)
        self.client("ssm").put_parameter(Name="setting", Value=self.mark, Type="String")
        self.client("sns").create_topic(Name="news")
        self.client("events").put_rule(Name="all", EventPattern='{"source": ["x"]}', Description=self.mark)
        self.client("scheduler").create_schedule(
            Name="later", ScheduleExpression="at(2090-01-01T00:00:00)", FlexibleTimeWindow={"Mode": "OFF"},
            Description=self.mark, Target={"Arn": f"arn:aws:lambda:{REGION}:{self.id}:function:sum", "RoleArn": self.role},
        )
        # The queue is empty of orders for the function: it waits at a queue of its own.
        source = sqs.create_queue(QueueName="source", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="sum")

    def logged(self):
        logs = self.client("logs")
        for _ in range(100):
            try:
                events = logs.filter_log_events(logGroupName="/aws/lambda/sum", filterPattern="marker")["events"]
            except logs.exceptions.ResourceNotFoundException:
                events = []
            if events:
                return {event["message"].strip() for event in events}
            time.sleep(0.05)
        raise AssertionError("nothing was logged")

    def check(self, other):
        """Everything here is this tenant's own."""
        functions = self.client("lambda").list_functions()["Functions"]
        assert [one["FunctionArn"] for one in functions] == [f"arn:aws:lambda:{REGION}:{self.id}:function:sum"], functions
        mappings = self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert [one["EventSourceArn"].split(":")[4] for one in mappings] == [self.id], mappings
        assert self.invoke() == self.mark
        assert self.logged() == {self.mark}
        groups = self.client("logs").describe_log_groups()["logGroups"]
        assert [one["arn"].split(":")[4] for one in groups] == [self.id], groups
        sqs = self.client("sqs")
        urls = sqs.list_queues()["QueueUrls"]
        assert [url.split("/")[-2:] for url in urls] == [[self.id, "orders"], [self.id, "source"]], urls
        got = sqs.receive_message(QueueUrl=self.queue(), VisibilityTimeout=0)["Messages"]
        assert [one["Body"] for one in got] == [self.mark], got
        s3 = self.client("s3")
        assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [self.bucket]
        assert s3.get_object(Bucket=self.bucket, Key="k")["Body"].read().decode() == self.mark
        assert self.client("secretsmanager").get_secret_value(SecretId="db")["SecretString"] == self.mark
        assert self.client("ssm").get_parameter(Name="setting")["Parameter"]["Value"] == self.mark
        topics = [one["TopicArn"] for one in self.client("sns").list_topics()["Topics"]]
        assert topics == [f"arn:aws:sns:{REGION}:{self.id}:news"], topics
        assert [one["Description"] for one in self.client("events").list_rules()["Rules"]] == [self.mark]
        assert self.client("scheduler").get_schedule(Name="later")["Description"] == self.mark
        usage = self.client("lambda").get_account_settings()["AccountUsage"]
        assert usage["FunctionCount"] == 1, usage
        # By its whole name nobody else's is to be had either.
        refused(lambda: self.client("lambda").get_function(FunctionName=f"arn:aws:lambda:{REGION}:{other.id}:function:sum"))
        refused(lambda: sqs.receive_message(QueueUrl=urls[0].replace(self.id, other.id)))
        refused(lambda: s3.get_object(Bucket=other.bucket, Key="k"))
        refused(lambda: self.client("secretsmanager").get_secret_value(
            SecretId=f"arn:aws:secretsmanager:{REGION}:{other.id}:secret:db"))


def refused(call):
    try:
        call()
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404), error.response
    else:
        raise AssertionError("it was let")


def limits(one, other, keep_going):
    client = one.client("lambda")
    settings = client.get_account_settings()["AccountLimit"]
    assert settings["ConcurrentExecutions"] == 2, settings
    assert settings["TotalCodeSize"] == 2_000, settings
    assert other.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1_000
    one.create("sum")
    size = client.get_function(FunctionName="sum")["Configuration"]["CodeSize"]
    # More code than there may be, in a function, an update, a version and a layer.
    digits = random.Random(7)
    large = "DATA = '" + "".join(digits.choice("0123456789abcdef") for _ in range(9_000)) + "'\n"
    zipped = package(large)
    assert len(zipped) > 2_000
    full = ("CodeStorageExceededException", 400, "Code storage limit exceeded.")
    with raises(*full):
        one.create("large", large)
    with raises(*full):
        client.update_function_code(FunctionName="sum", ZipFile=zipped)
    with raises(*full):
        client.publish_layer_version(LayerName="large", Content={"ZipFile": zipped})
    assert client.get_function(FunctionName="sum")["Configuration"]["CodeSize"] == size
    # Two functions and no more; what goes makes room.
    one.create("second")
    with raises("CodeStorageExceededException", 400, "The account may have 2 functions"):
        one.create("third")
    client.delete_function(FunctionName="second")
    one.create("third")
    other.create("sum")
    other.create("large", large)
    sqs = one.client("sqs")
    sqs.create_queue(QueueName="a")
    with raises("OverLimit", 403, "The account may have 1 queues"):
        sqs.create_queue(QueueName="b")
    s3 = one.client("s3")
    s3.create_bucket(Bucket="one-bucket")
    with raises("TooManyBuckets", 400):
        s3.create_bucket(Bucket="another-bucket")
    # Two at a time, and three as soon as that is let.
    assert sorted(at_once(one, 3)) == ["TooManyRequestsException", one.mark, one.mark]
    assert at_once(other, 3) == [other.mark] * 3
    keep_going()
    assert client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 3
    assert at_once(one, 3) == [one.mark] * 3


def at_once(tenant, count):
    """What so many invocations at the same time give: results or the names of errors."""
    results = []

    def invoke():
        try:
            results.append(tenant.invoke(sleep=2))
        except ClientError as error:
            results.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=invoke) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def is_refused(tenant):
    for service, call in [
        ("lambda", lambda client: client.list_functions()),
        ("sqs", lambda client: client.list_queues()),
        ("s3", lambda client: client.list_buckets()),
        ("secretsmanager", lambda client: client.list_secrets()),
        ("sts", lambda client: client.get_caller_identity()),
    ]:
        try:
            call(tenant.client(service))
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), error.response
        else:
            raise AssertionError(f"{service} let it")


what, *tenants = sys.argv[1:]
REGION = boto3.session.Session().region_name
one, other = [Tenant(text) for text in tenants]
if what == "fill":
    for tenant in (one, other):
        tenant.fill()
    one.check(other)
    other.check(one)
elif what == "limits":
    def raised():
        print("raise", flush=True)
        assert sys.stdin.readline() == "raised\n"

    limits(one, other, raised)
elif what == "sleep":
    try:
        one.invoke(sleep=50)
    except ClientError as error:
        print(error.response["Error"]["Code"])
elif what == "erased":
    is_refused(one)
    other.check(one)
