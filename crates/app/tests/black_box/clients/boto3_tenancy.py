"""Tenant isolation: no instance serves two tenants of a function."""

import json
import time

import boto3
from functions import ROLE, RUNTIME, package, raises

SOURCE = """
import uuid

INSTANCE, SEEN = str(uuid.uuid4()), []

def handler(event, context):
    SEEN.append(context.tenant_id)
    return {"instance": INSTANCE, "seen": SEEN}
"""
client = boto3.client("lambda")
made = client.create_function(
    FunctionName="shop",
    Role=ROLE,
    Runtime=RUNTIME,
    Handler="index.handler",
    Code={"ZipFile": package(SOURCE)},
    TenancyConfig={"TenantIsolationMode": "PER_TENANT"},
)
assert made["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}, made
client.get_waiter("function_active_v2").wait(FunctionName="shop")
shown = client.get_function_configuration(FunctionName="shop")
assert shown["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}, shown


def run(tenant, **how):
    answer = client.invoke(FunctionName="shop", TenantId=tenant, Payload=b"{}", **how)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"]) if not how else answer["StatusCode"]


# Each tenant finds what it left, and nothing of the others.
first = {tenant: run(tenant) for tenant in ["Shop 7", "shop/8", "a@b"]}
assert len({found["instance"] for found in first.values()}) == 3, first
for tenant, found in first.items():
    assert found["seen"] == [tenant], found
    again = run(tenant)
    assert again == {"instance": found["instance"], "seen": [tenant, tenant]}, again

# Events are for a tenant too, and a published version tells them apart as well.
assert run("Shop 7", InvocationType="Event") == 202
assert run("Shop 7", InvocationType="DryRun") == 204
deadline = time.monotonic() + 20
while len(run("Shop 7")["seen"]) < 4:
    assert time.monotonic() < deadline, "the event did not run"
version = client.publish_version(FunctionName="shop")["Version"]
answer = client.invoke(FunctionName="shop", Qualifier=version, TenantId="a@b")
assert json.load(answer["Payload"])["seen"] == ["a@b"]

# Without a tenant it does not run, in the words of AWS, and others do not run with one.
text = "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
for how in [{}, {"InvocationType": "Event"}, {"InvocationType": "DryRun"}]:
    with raises("InvalidParameterValueException", 400, text):
        client.invoke(FunctionName="shop", **how)
client.create_function(
    FunctionName="plain", Role=ROLE, Runtime=RUNTIME, Handler="index.handler", Code={"ZipFile": package(SOURCE)}
)
client.get_waiter("function_active_v2").wait(FunctionName="plain")
text = "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
with raises("InvalidParameterValueException", 400, text):
    client.invoke(FunctionName="plain", TenantId="a")

# What would share instances, or invoke for nobody, is refused.
queue = boto3.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
for call in [
    lambda: client.create_function_url_config(FunctionName="shop", AuthType="NONE"),
    lambda: client.update_function_configuration(FunctionName="shop", SnapStart={"ApplyOn": "PublishedVersions"}),
    lambda: client.create_event_source_mapping(FunctionName="shop", EventSourceArn=arn),
    lambda: client.put_provisioned_concurrency_config(
        FunctionName="shop", Qualifier=version, ProvisionedConcurrentExecutions=1
    ),
]:
    with raises("InvalidParameterValueException", 400):
        call()
