"""Answers that boto3 reads while functions make them: `invoke_with_response_stream`, events in AWS's framing."""

import base64
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

STREAMING, PLAIN, LIMITED = sys.argv[1:4]
client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))


def stream(name, event, **more):
    answer = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **more)
    assert answer["StatusCode"] == 200, answer
    assert answer["ExecutedVersion"] == "$LATEST", answer
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream", answer
    return answer["EventStream"]


def read(events):
    """The pieces of an answer with the times at which they came, and its end."""
    pieces, end = [], None
    for event in events:
        assert end is None, "something came after the end"
        if "PayloadChunk" in event:
            pieces.append((time.monotonic(), event["PayloadChunk"]["Payload"]))
        else:
            end = event["InvokeComplete"]
    return pieces, end


def text(pieces):
    return b"".join(payload for _, payload in pieces).decode()


# The first piece is there before the function has written its last.
pieces, end = read(stream(STREAMING, {"words": ["one ", "two ", "three"], "pause": 300}))
assert text(pieces) == "one two three", pieces
assert end == {}, end
assert pieces[-1][0] - pieces[0][0] > 0.5, pieces

# A function that does not stream, and one that fails.
pieces, end = read(stream(PLAIN, {"a": 1}))
assert json.loads(text(pieces)) == {"a": 1}, pieces
pieces, end = read(stream(PLAIN, {"fails": True}, LogType="Tail"))
assert not pieces, pieces
assert end["ErrorCode"] == "Unhandled", end
assert json.loads(end["ErrorDetails"])["errorType"] == "ValueError", end
log = base64.b64decode(end["LogResult"]).decode()
assert "REPORT RequestId: " in log and "ValueError" in log, log

# An error after pieces, and time that is up after pieces.
pieces, end = read(stream(STREAMING, {"words": ["half"], "fails": True}))
assert text(pieces) == "half", pieces
assert end["ErrorCode"] == "Unhandled", end
assert json.loads(end["ErrorDetails"])["errorMessage"] == "midway", end
pieces, end = read(stream(LIMITED, {"words": ["half", "never"], "pause": 60_000}))
assert text(pieces) == "half", pieces
assert "Task timed out after 1.00 seconds" in end["ErrorDetails"], end

# More than a buffered answer may have.
pieces, end = read(stream(STREAMING, {"bytes": 20_000_000}))
assert len(text(pieces)) == 20_000_000
assert end == {}, end

# `Invoke` gets the same answers whole, as ever.
whole = client.invoke(FunctionName=STREAMING, Payload=json.dumps({"words": ["one ", "two"], "pause": 1}))
assert whole["Payload"].read() == b"one two"
whole = client.invoke(FunctionName=STREAMING, Payload=json.dumps({"bytes": 20_000_000}))
assert whole["FunctionError"] == "Unhandled"
assert json.loads(whole["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"

# What prevents an invocation is an exception.
checked = client.invoke_with_response_stream(FunctionName=STREAMING, InvocationType="DryRun")
assert checked["StatusCode"] == 204, checked
for wrong, code in [
    ({"FunctionName": "nobody"}, "ResourceNotFoundException"),
    ({"FunctionName": STREAMING, "Payload": "{"}, "InvalidRequestContentException"),
    ({"FunctionName": STREAMING, "Qualifier": "7"}, "ResourceNotFoundException"),
    ({"FunctionName": STREAMING, "TenantId": "a"}, "InvalidParameterValueException"),
]:
    try:
        client.invoke_with_response_stream(**wrong)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{wrong} was not refused")

# The context reaches the function as ever.
context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
pieces, end = read(stream(STREAMING, {"tells": "context"}, ClientContext=context))
assert json.loads(text(pieces)) == {"a": 1}, pieces
