"""Errors arrive as the exceptions, codes and texts that programs written for AWS look for."""

import boto3
from botocore.config import Config
from functions import ROLE, RUNTIME, create, package, raises

client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, parameter_validation=False))
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def make(**more):
    request = dict(
        FunctionName="made",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": package("def handler(event, context): return 1")},
    )
    request.update(more)
    return client.create_function(**request)


# What is not there.
for call in (
    lambda: client.get_function(FunctionName="absent"),
    lambda: client.invoke(FunctionName="absent"),
    lambda: client.update_function_code(FunctionName="absent", ZipFile=package("")),
):
    with raises("ResourceNotFoundException", 404, f"Function not found: {ARN}absent"):
        call()
with raises("ResourceNotFoundException", 404, f"Function not found: {ARN}absent:7"):
    client.invoke(FunctionName="absent", Qualifier="7")
try:
    client.get_function(FunctionName="absent")
except client.exceptions.ResourceNotFoundException as error:
    assert error.response["Type"] == "User", error.response

# What is there already.
create(client, "twice")
with raises("ResourceConflictException", 409, "Function already exist: twice"):
    make(FunctionName="twice")

# Constraints of the model, with AWS's sentence.
with raises("ValidationException", 400, "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint"):
    make(Timeout=901)
with raises("ValidationException", 400, "at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"):
    make(MemorySize=64)
with raises("ValidationException", 400, "Value 'not a name!' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern"):
    make(FunctionName="not a name!")
with raises("ValidationException", 400, "2 validation errors detected"):
    make(MemorySize=64, FunctionName="not a name!")
with raises("InvalidParameterValueException", 400, "at 'runtime' failed to satisfy constraint: Member must satisfy enum value set"):
    make(Runtime="python9.9")
with raises("InvalidParameterValueException", 400, "The runtime parameter of python3.7 is no longer supported"):
    make(Runtime="python3.7")

# Packages that are none, or too big, or dangerous.
with raises("InvalidParameterValueException", 400, "Could not unzip uploaded file. Please check your file, then try to upload again."):
    make(Code={"ZipFile": b"not a zip"})
with raises("RequestEntityTooLargeException", 413, "Request must be smaller than 70167211 bytes for the CreateFunction operation"):
    make(Code={"ZipFile": bytes(53_000_000)})
with raises("InvalidParameterValueException", 400):
    make(Code={"ZipFile": package("x = 1", name="../../outside.py")})
with raises("InvalidParameterValueException", 400, "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit."):
    make(Environment={"Variables": {"BIG": "x" * 4096}})

# Requests that make no sense to a function.
with raises("InvalidRequestContentException", 400, "Could not parse request body into json"):
    client.invoke(FunctionName="twice", Payload=b"{not json")

# None of the refused ones exists.
names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
assert names == ["twice"], names

# What Kiln does not have yet says so, and is no success.
with raises("NotImplementedException", 501):
    client.list_capacity_providers()

# Services that Kiln does not have: every protocol's parser finds the code and the sentence.
for service, operation in (
    ("cloudformation", "list_stacks"),
    ("route53", "list_hosted_zones"),
    ("dynamodb", "list_tables"),
    ("kms", "list_keys"),
    ("batch", "describe_job_queues"),
):
    lacking = boto3.client(service, config=Config(retries={"total_max_attempts": 1}))
    with raises("NotImplementedException", 501, f"Kiln does not have the service {service} yet."):
        getattr(lacking, operation)()
