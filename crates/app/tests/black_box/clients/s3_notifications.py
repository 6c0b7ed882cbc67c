"""Who is told of what happens in a bucket: functions, queues and the bus, as boto3 sets it up."""

import io
import json
import os
import time
import zipfile

import boto3
from botocore.exceptions import ClientError

s3, sqs, sns, functions = boto3.client("s3"), boto3.client("sqs"), boto3.client("sns"), boto3.client("lambda")
ACCOUNT = boto3.client("sts").get_caller_identity()["Account"]


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response["Error"]
    raise AssertionError(f"{call} was not refused with {code}")


def messages(url, count):
    bodies, end = [], time.monotonic() + 20
    while len(bodies) < count and time.monotonic() < end:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


told, told_arn = queue("told")
results, results_arn = queue("results")
bused, bused_arn = queue("bused")

package = io.BytesIO()
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr("hears.py", "def handler(event, context):\n    return event['Records'][0]['s3']['object']['key']\n")
# From a bucket, while we are at it.
s3.create_bucket(Bucket="things")
s3.put_object(Bucket="things", Key="code/hears.zip", Body=package.getvalue())
function = functions.create_function(
    FunctionName="hears", Runtime=os.environ["KILN_TEST_RUNTIME"], Role="arn:aws:iam::000000000000:role/r",
    Handler="hears.handler", Code={"S3Bucket": "things", "S3Key": "code/hears.zip"},
)["FunctionArn"]
functions.get_waiter("function_active_v2").wait(FunctionName="hears")
functions.put_function_event_invoke_config(FunctionName="hears", DestinationConfig={"OnSuccess": {"Destination": results_arn}})

to_function = {"Id": "f", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"],
               "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".txt"}]}}}
to_queue = {"Id": "q", "QueueArn": told_arn, "Events": ["s3:ObjectRemoved:*", "s3:ObjectTagging:*"]}
configuration = {"LambdaFunctionConfigurations": [to_function], "QueueConfigurations": [to_queue], "EventBridgeConfiguration": {}}
put = s3.put_bucket_notification_configuration

# Nobody is told who did not agree to it, or is not there.
error = refused("InvalidArgument", put, Bucket="things", NotificationConfiguration=configuration)
assert error["Message"] == "Unable to validate the following destination configurations", error
functions.add_permission(FunctionName="hears", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                         SourceArn="arn:aws:s3:::other", SourceAccount=ACCOUNT)
refused("InvalidArgument", put, Bucket="things", NotificationConfiguration=configuration)
functions.add_permission(FunctionName="hears", StatementId="s3b", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                         SourceArn="arn:aws:s3:::things", SourceAccount=ACCOUNT)
absent = {"QueueArn": told_arn + "-absent", "Events": ["s3:ObjectCreated:*"]}
refused("InvalidArgument", put, Bucket="things", NotificationConfiguration={"QueueConfigurations": [absent]})
topic = {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t", "Events": ["s3:ObjectCreated:*"]}
refused("InvalidArgument", put, Bucket="things", NotificationConfiguration={"TopicConfigurations": [topic]})
fifo = sns.create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
refused("InvalidArgument", put, Bucket="things", NotificationConfiguration={"TopicConfigurations": [topic | {"TopicArn": fifo}]})
assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket="things")

put(Bucket="things", NotificationConfiguration=configuration)
[test] = messages(told, 1)
assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", "things"), test
shown = s3.get_bucket_notification_configuration(Bucket="things")
assert shown["QueueConfigurations"] == [to_queue] and "EventBridgeConfiguration" in shown, shown
assert shown["LambdaFunctionConfigurations"][0]["LambdaFunctionArn"] == function, shown

events = boto3.client("events")
events.put_rule(Name="made", EventPattern=json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]}))
events.put_targets(Rule="made", Targets=[{"Id": "q", "Arn": bused_arn}])

etag = s3.put_object(Bucket="things", Key="in/a b.txt", Body=b"12345")["ETag"].strip('"')
s3.put_object(Bucket="things", Key="in/a.png", Body=b"")
s3.put_object(Bucket="things", Key="out/a.txt", Body=b"")
[result] = messages(results, 1)
assert result["responsePayload"] == "in/a+b.txt", result
record = result["requestPayload"]["Records"][0]
assert (record["eventSource"], record["eventName"], record["awsRegion"]) == ("aws:s3", "ObjectCreated:Put", "us-east-1"), record
assert record["s3"]["configurationId"] == "f" and record["s3"]["bucket"]["arn"] == "arn:aws:s3:::things"
assert (record["s3"]["object"]["size"], record["s3"]["object"]["eTag"]) == (5, etag) and record["s3"]["object"]["sequencer"]
on_bus = messages(bused, 3)
assert sorted(event["detail"]["object"]["key"] for event in on_bus) == ["in/a b.txt", "in/a.png", "out/a.txt"], on_bus
assert on_bus[0]["source"] == "aws.s3" and on_bus[0]["detail"]["reason"] == "PutObject", on_bus

s3.put_object_tagging(Bucket="things", Key="in/a.png", Tagging={"TagSet": []})
s3.delete_object(Bucket="things", Key="in/a.png")
s3.delete_object(Bucket="things", Key="in/absent.png")
s3.put_bucket_versioning(Bucket="things", VersioningConfiguration={"Status": "Enabled"})
s3.delete_object(Bucket="things", Key="out/a.txt")
seen = sorted((r["Records"][0] for r in messages(told, 3)), key=lambda record: record["s3"]["object"]["sequencer"])
names = [record["eventName"] for record in seen]
assert names == ["ObjectTagging:Put", "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"], names
assert seen[2]["s3"]["object"]["versionId"]

# A topic's subscribers, of whom one is a function and one wants it raw.
published, published_arn = queue("published")
raw, raw_arn = queue("raw")
to_topic = {"Id": "t", "TopicArn": sns.create_topic(Name="t")["TopicArn"], "Events": ["s3:ObjectCreated:*"]}
for arn, is_raw in [(published_arn, "false"), (raw_arn, "true"), (function, None)]:
    sns.subscribe(TopicArn=to_topic["TopicArn"], Protocol=arn.split(":")[2], Endpoint=arn,
                  Attributes={} if is_raw is None else {"RawMessageDelivery": is_raw})
put(Bucket="things", NotificationConfiguration={"TopicConfigurations": [to_topic]})
assert s3.get_bucket_notification_configuration(Bucket="things")["TopicConfigurations"] == [to_topic]
[test] = messages(raw, 1)
assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", "things"), test
s3.put_object(Bucket="things", Key="in/c.txt", Body=b"123")
[record] = messages(raw, 1)
assert record["Records"][0]["s3"]["object"]["key"] == "in/c.txt", record
envelopes = messages(published, 2)
assert [envelope["Subject"] for envelope in envelopes] == ["Amazon S3 Notification"] * 2, envelopes
assert json.loads(max(envelopes, key=lambda one: one["Timestamp"])["Message"]) == record
put(Bucket="things", NotificationConfiguration=configuration)
messages(told, 1)

# A queue that is gone holds nothing up.
sqs.delete_queue(QueueUrl=told)
s3.delete_object(Bucket="things", Key="in/a b.txt")
put(Bucket="things", NotificationConfiguration={})
assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket="things")
