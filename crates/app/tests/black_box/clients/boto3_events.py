"""Asynchronous invocation as boto3 knows it: events handed over, and how they are handled."""

import json
import time

import boto3
from functions import create, raises

client = boto3.client("lambda")
arn = create(client, "handles")["FunctionArn"]
told = create(client, "told")["FunctionArn"]

# 202, and no more.
answer = client.invoke(FunctionName="handles", InvocationType="Event", Payload=b'{"a": 1}')
assert answer["StatusCode"] == 202, answer
assert answer["Payload"].read() == b"", answer
assert "ExecutedVersion" not in answer and "FunctionError" not in answer, answer
old = client.invoke_async(FunctionName="handles", InvokeArgs=b'{"a": 2}')
assert old["Status"] == 202, old

with raises("ResourceNotFoundException", 404):
    client.invoke(FunctionName="absent", InvocationType="Event")
with raises("InvalidRequestContentException", 400):
    client.invoke(FunctionName="handles", InvocationType="Event", Payload=b"{'a': 1}")
too_large = json.dumps("x" * (1024 * 1024 - 1)).encode()
with raises(
    "RequestEntityTooLargeException", 413,
    "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
):
    client.invoke(FunctionName="handles", InvocationType="Event", Payload=too_large)

# How events are handled.
with raises("ResourceNotFoundException", 404, f"The function {arn}:$LATEST doesn't have an EventInvokeConfig"):
    client.get_function_event_invoke_config(FunctionName="handles")
put = client.put_function_event_invoke_config(
    FunctionName="handles", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60,
    DestinationConfig={"OnFailure": {"Destination": told}},
)
assert put["FunctionArn"] == f"{arn}:$LATEST", put
assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": told}}, put
assert abs(put["LastModified"].timestamp() - time.time()) < 60, put
updated = client.update_function_event_invoke_config(FunctionName="handles", MaximumRetryAttempts=0)
assert updated["MaximumRetryAttempts"] == 0 and updated["MaximumEventAgeInSeconds"] == 60, updated
listed = client.list_function_event_invoke_configs(FunctionName="handles")["FunctionEventInvokeConfigs"]
assert [config["MaximumRetryAttempts"] for config in listed] == [0], listed
with raises("InvalidParameterValueException", 400, "is invalid."):
    client.put_function_event_invoke_config(
        FunctionName="handles",
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::bucket"}},
    )
client.delete_function_event_invoke_config(FunctionName="handles")
with raises("ResourceNotFoundException", 404):
    client.get_function_event_invoke_config(FunctionName="handles")

# Loops.
assert client.get_function_recursion_config(FunctionName="handles")["RecursiveLoop"] == "Terminate"
client.put_function_recursion_config(FunctionName="handles", RecursiveLoop="Allow")
assert client.get_function_recursion_config(FunctionName="handles")["RecursiveLoop"] == "Allow"
