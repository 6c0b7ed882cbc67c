"""Event source mappings as boto3 knows them: made, shown, listed, changed, paused, deleted."""

import sys
import time

import boto3
from functions import mapping_until, raises

client = boto3.client("lambda")
endpoint, kind, topic = sys.argv[1:]
secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop"
asked = {
    "FunctionName": "audit",
    "SelfManagedEventSource": {"Endpoints": {kind: [endpoint]}},
    "Topics": [topic],
    "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}],
    "StartingPosition": "LATEST",
}

made = client.create_event_source_mapping(**asked)
uuid = made["UUID"]
assert made["ResponseMetadata"]["HTTPStatusCode"] == 202, made
assert made["State"] == "Creating", made
assert made["StateTransitionReason"] == "User action", made
assert made["LastProcessingResult"] == "No records processed", made
assert made["EventSourceMappingArn"].endswith(f":event-source-mapping:{uuid}"), made
assert made["FunctionArn"].endswith(":function:audit"), made
assert (made["BatchSize"], made["MaximumRetryAttempts"], made["MaximumRecordAgeInSeconds"]) == (100, -1, -1), made
assert made["DestinationConfig"] == {"OnFailure": {}}, made
assert abs(made["LastModified"].timestamp() - time.time()) < 60, made
for key in ("SelfManagedEventSource", "Topics", "SourceAccessConfigurations", "StartingPosition"):
    assert made[key] == asked[key], made
assert "correct horse" not in str(made), made
mapping_until(client, uuid, "Enabled")

with raises("ResourceConflictException", 409, f"Please update or delete the existing mapping with UUID {uuid}"):
    client.create_event_source_mapping(**asked)
with raises("InvalidParameterValueException", 400, "Function does not exist"):
    client.create_event_source_mapping(**{**asked, "FunctionName": "absent"})
with raises("InvalidParameterValueException", 400, "Unsupported starting position"):
    now = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": time.time()}
    client.create_event_source_mapping(**{**asked, **now})
with raises("ValidationException", 400, "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"):
    client.create_event_source_mapping(**{**asked, "StartingPosition": "LATER"})
with raises("ValidationException", 400, "KAFKA_BOOTSTRAP_SERVERS, MARIADB, MQTT, MYSQL, "):
    client.create_event_source_mapping(**{**asked, "SelfManagedEventSource": {"Endpoints": {"ORACLE": [endpoint]}}})
with raises("InvalidParameterValueException", 400, "Unrecognized event source."):
    client.create_event_source_mapping(FunctionName="audit", EventSourceArn="arn:aws:ec2:us-east-1:000000000000:x")
with raises("InvalidParameterValueException", 400, "Invalid filter pattern definition."):
    client.create_event_source_mapping(**{**asked, "FilterCriteria": {"Filters": [{"Pattern": "{"}]}})
with raises("ResourceNotFoundException", 404, "The resource you requested does not exist."):
    client.get_event_source_mapping(UUID="3b5a9b0e-0000-4000-8000-000000000000")

listed = client.get_paginator("list_event_source_mappings").paginate(FunctionName="audit").build_full_result()
assert [found["UUID"] for found in listed["EventSourceMappings"]] == [uuid], listed

changed = client.update_event_source_mapping(
    UUID=uuid, BatchSize=7, BisectBatchOnFunctionError=True, MaximumRetryAttempts=2,
    FunctionResponseTypes=["ReportBatchItemFailures"], ParallelizationFactor=3,
)
assert changed["ResponseMetadata"]["HTTPStatusCode"] == 202, changed
assert (changed["State"], changed["BatchSize"], changed["MaximumRetryAttempts"]) == ("Updating", 7, 2), changed
assert changed["FunctionResponseTypes"] == ["ReportBatchItemFailures"], changed
mapping_until(client, uuid, "Enabled")
paused = client.update_event_source_mapping(UUID=uuid, Enabled=False)
assert paused["State"] == "Disabling", paused
assert mapping_until(client, uuid, "Disabled")["BatchSize"] == 7
resumed = client.update_event_source_mapping(UUID=uuid, Enabled=True)
assert resumed["State"] == "Enabling", resumed
mapping_until(client, uuid, "Enabled")
deleted = client.delete_event_source_mapping(UUID=uuid)
assert deleted["State"] == "Deleting", deleted
mapping_until(client, uuid, None)
assert client.list_event_source_mappings()["EventSourceMappings"] == []
print("ok")
