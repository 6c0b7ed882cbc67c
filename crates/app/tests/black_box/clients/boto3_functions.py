"""A function's whole life: create, read, invoke, change its code, change its settings, delete."""

import base64
import hashlib
import json
import urllib.request

import boto3
from functions import RUNTIME, create, package, raises

client = boto3.client("lambda")
ONE = "def handler(event, context): return {'code': 1, 'name': context.function_name}"
TWO = "import os\ndef handler(event, context): return {'code': 2, 'x': os.environ.get('NAME')}"


def invoke(**more):
    return json.loads(client.invoke(FunctionName="life", Payload=b"{}", **more)["Payload"].read())


def sha(code):
    return base64.b64encode(hashlib.sha256(code).digest()).decode()


created = create(client, "life", ONE, Description="first", Tags={"team": "a"}, MemorySize=256, Timeout=7)
arn = created["FunctionArn"]
assert arn == "arn:aws:lambda:us-east-1:000000000000:function:life", arn
assert created["CodeSha256"] == sha(package(ONE))
assert created["CodeSize"] == len(package(ONE))
assert created["Version"] == "$LATEST"
assert created["State"] == "Pending" and created["StateReasonCode"] == "Creating", created
assert created["StateReason"] == "The function is being created."
assert created["EphemeralStorage"] == {"Size": 512}
assert created["PackageType"] == "Zip" and created["Architectures"] == ["x86_64"], created
assert created["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/life"}
assert created["TracingConfig"] == {"Mode": "PassThrough"}
assert created["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}

# Read: the whole function by name, by ARN, by partial ARN, with its code.
found = client.get_function(FunctionName="life")
assert found["Tags"] == {"team": "a"}, found
assert found["Code"]["RepositoryType"] == "S3", found["Code"]
with urllib.request.urlopen(found["Code"]["Location"]) as code:
    assert code.read() == package(ONE)
configuration = client.get_function_configuration(FunctionName=arn)
assert configuration["State"] == "Active" and configuration["LastUpdateStatus"] == "Successful"
assert configuration["MemorySize"] == 256 and configuration["Timeout"] == 7
assert configuration["Runtime"] == RUNTIME and configuration["Handler"] == "index.handler"
partial = client.get_function_configuration(FunctionName="000000000000:function:life")
assert partial["RevisionId"] == configuration["RevisionId"]

assert invoke() == {"code": 1, "name": "life"}
assert client.invoke(FunctionName="life", InvocationType="DryRun")["StatusCode"] == 204

# Change the code: a new revision, and the next invocation runs it.
dry = client.update_function_code(FunctionName="life", ZipFile=package(TWO), DryRun=True)
assert dry["CodeSha256"] == sha(package(TWO))
assert invoke() == {"code": 1, "name": "life"}
updated = client.update_function_code(
    FunctionName="life", ZipFile=package(TWO), RevisionId=configuration["RevisionId"]
)
assert updated["RevisionId"] != configuration["RevisionId"]
client.get_waiter("function_updated_v2").wait(FunctionName="life")
assert invoke() == {"code": 2, "x": None}

# Change the settings: what is not named stays.
changed = client.update_function_configuration(
    FunctionName="life", Environment={"Variables": {"NAME": "y"}}, Timeout=9
)
assert changed["LastUpdateStatus"] == "InProgress", changed["LastUpdateStatus"]
client.get_waiter("function_updated_v2").wait(FunctionName="life")
assert invoke() == {"code": 2, "x": "y"}
configuration = client.get_function_configuration(FunctionName="life")
assert configuration["Timeout"] == 9 and configuration["MemorySize"] == 256, configuration
assert configuration["Description"] == "first"
assert configuration["Environment"] == {"Variables": {"NAME": "y"}}

# A precondition that no longer holds.
stale = created["RevisionId"]
with raises("PreconditionFailedException", 412, "The Revision Id provided does not match the latest Revision Id"):
    client.update_function_code(FunctionName="life", ZipFile=package(ONE), RevisionId=stale)
with raises("PreconditionFailedException", 412):
    client.update_function_configuration(FunctionName="life", Timeout=1, RevisionId=stale)
assert invoke() == {"code": 2, "x": "y"}

client.delete_function(FunctionName="life")
with raises("ResourceNotFoundException", 404, f"Function not found: {arn}"):
    client.get_function(FunctionName="life")
with raises("ResourceNotFoundException", 404, f"Function not found: {arn}"):
    client.invoke(FunctionName="life")
with raises("ResourceNotFoundException", 404):
    client.delete_function(FunctionName="life")
