"""Provisioned concurrency through boto3, with its own exceptions and paginator."""

import time

import boto3

client = boto3.client("lambda")
name = {"FunctionName": "ready", "Qualifier": "1"}

put = client.put_provisioned_concurrency_config(**name, ProvisionedConcurrentExecutions=2)
assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
assert put["RequestedProvisionedConcurrentExecutions"] == 2
assert put["Status"] == "IN_PROGRESS", put

end = time.monotonic() + 30
while (state := client.get_provisioned_concurrency_config(**name))["Status"] != "READY":
    assert time.monotonic() < end, state
    time.sleep(0.02)
assert state["AllocatedProvisionedConcurrentExecutions"] == 2, state

pages = client.get_paginator("list_provisioned_concurrency_configs").paginate(FunctionName="ready")
(config,) = [config for page in pages for config in page["ProvisionedConcurrencyConfigs"]]
assert config["FunctionArn"].endswith(":function:ready:1")
assert config["Status"] == "READY"

usage = client.get_account_settings()["AccountLimit"]
assert usage["ConcurrentExecutions"] - usage["UnreservedConcurrentExecutions"] == 2, usage

assert b"provisioned-concurrency" in client.invoke(FunctionName="ready:1", Payload=b"{}")["Payload"].read()

try:
    client.put_provisioned_concurrency_config(
        FunctionName="ready", Qualifier="$LATEST", ProvisionedConcurrentExecutions=1
    )
    raise AssertionError("$LATEST has no instances kept ready")
except client.exceptions.InvalidParameterValueException as error:
    assert "unpublished function versions" in str(error)

client.delete_provisioned_concurrency_config(**name)
try:
    client.get_provisioned_concurrency_config(**name)
    raise AssertionError("it was deleted")
except client.exceptions.ProvisionedConcurrencyConfigNotFoundException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
