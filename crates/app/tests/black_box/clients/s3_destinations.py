"""Buckets as destinations of failed asynchronous events, as boto3 sets them up and reads them."""

import io
import json
import os
import re
import time
import zipfile

import boto3
from botocore.exceptions import ClientError

s3, sqs, functions = boto3.client("s3"), boto3.client("sqs"), boto3.client("lambda")
ACCOUNT = boto3.client("sts").get_caller_identity()["Account"]
LOST = "arn:aws:s3:::lost"


def function(name, source):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("f.py", source)
    arn = functions.create_function(
        FunctionName=name, Runtime=os.environ["KILN_TEST_RUNTIME"], Role="arn:aws:iam::000000000000:role/r",
        Handler="f.handler", Code={"ZipFile": package.getvalue()},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return arn


def refused(**destinations):
    try:
        functions.put_function_event_invoke_config(FunctionName="fails", DestinationConfig=destinations)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException", error.response
        return error.response["Error"]["Message"]
    raise AssertionError("it was not refused")


def until(what, look):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited for {what}")


def send(event):
    answer = functions.invoke(FunctionName="fails", InvocationType="Event", Payload=json.dumps(event))
    return answer["ResponseMetadata"]["RequestId"]


function("fails", "def handler(event, context):\n    raise ValueError(event.get('say', 'no') * event.get('times', 1))\n")
assert refused(OnFailure={"Destination": LOST}) == f"The destination ARN {LOST} is invalid."
s3.create_bucket(Bucket="lost")
message = refused(OnSuccess={"Destination": LOST})
assert message == f"The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={LOST}), onFailure=null) is invalid.", message
shown = functions.put_function_event_invoke_config(
    FunctionName="fails", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": LOST}},
)
assert shown["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": LOST}}, shown

# The bucket's notifications tell of the record as of any object.
told = sqs.create_queue(QueueName="told")["QueueUrl"]
s3.put_bucket_notification_configuration(Bucket="lost", NotificationConfiguration={"QueueConfigurations": [
    {"QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:told", "Events": ["s3:ObjectCreated:Put"]},
]})
id = send({"say": "broken"})
[listed] = until("the record", lambda: s3.list_objects_v2(Bucket="lost").get("Contents"))
key = rf"aws/lambda/async/fails/(\d{{4}}/\d\d/\d\d)/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-{id}"
assert re.fullmatch(key, listed["Key"]), listed
got = s3.get_object(Bucket="lost", Key=listed["Key"])
record = json.loads(got["Body"].read())
context = record["requestContext"]
assert (context["requestId"], context["condition"], context["approximateInvokeCount"]) == (id, "RetriesExhausted", 2), record
assert record["requestPayload"] == {"say": "broken"} and record["responsePayload"]["errorMessage"] == "broken", record
assert record["responseContext"]["functionError"] == "Unhandled", record
names = []
while len(names) < 2:
    for message in sqs.receive_message(QueueUrl=told, WaitTimeSeconds=20, MaxNumberOfMessages=10)["Messages"]:
        sqs.delete_message(QueueUrl=told, ReceiptHandle=message["ReceiptHandle"])
        body = json.loads(message["Body"])
        names.append(body.get("Event") or body["Records"][0])
[happened] = [one for one in names if one != "s3:TestEvent"]
assert (happened["eventName"], happened["s3"]["object"]["size"]) == ("ObjectCreated:Put", listed["Size"]), happened
assert f'"{happened["s3"]["object"]["eTag"]}"' == listed["ETag"], happened

# A response that no queue would take.
large = send({"say": "x" * 1024, "times": 4000})
name = until("the large record", lambda: [one for one in s3.list_objects_v2(Bucket="lost")["Contents"] if large in one["Key"]])[0]
record = json.loads(s3.get_object(Bucket="lost", Key=name["Key"])["Body"].read())
assert len(record["responsePayload"]["errorMessage"]) == 1024 * 4000, name

# A function that fails on what its bucket tells it of its failures does not go on for ever.
s3.create_bucket(Bucket="loops")
loops = function("loops", "def handler(event, context):\n    raise ValueError('again')\n")
functions.add_permission(FunctionName="loops", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                         SourceArn="arn:aws:s3:::loops", SourceAccount=ACCOUNT)
s3.put_bucket_notification_configuration(Bucket="loops", NotificationConfiguration={"LambdaFunctionConfigurations": [
    {"LambdaFunctionArn": loops, "Events": ["s3:ObjectCreated:*"]},
]})
functions.put_function_event_invoke_config(
    FunctionName="loops", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::loops"}},
)
functions.invoke(FunctionName="loops", InvocationType="Event", Payload="{}")
count, looked = 0, time.monotonic()
while time.monotonic() - looked < 3:
    now = s3.list_objects_v2(Bucket="loops").get("KeyCount", 0)
    if now != count:
        count, looked = now, time.monotonic()
assert count == 16, count

# A bucket that is gone leaves the event where nothing is lost.
for one in s3.list_objects_v2(Bucket="lost")["Contents"]:
    s3.delete_object(Bucket="lost", Key=one["Key"])
s3.delete_bucket(Bucket="lost")
send({"say": "nobody"})
