"""Mappings of a queue of a RabbitMQ broker as boto3 knows them, with the members of Amazon MQ."""

import sys

import boto3
from functions import mapping_until, raises

client = boto3.client("lambda")
endpoint, queue = sys.argv[1:]
secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop"
asked = {
    "FunctionName": "audit",
    "SelfManagedEventSource": {"Endpoints": {"RABBITMQ": [endpoint]}},
    "Queues": [queue],
    "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}, {"Type": "VIRTUAL_HOST", "URI": "/"}],
}

made = client.create_event_source_mapping(**asked)
uuid = made["UUID"]
assert made["State"] == "Creating", made
assert made["BatchSize"] == 100, made
for key in ("SelfManagedEventSource", "Queues", "SourceAccessConfigurations"):
    assert made[key] == asked[key], made
assert "StartingPosition" not in made and "Topics" not in made, made
assert mapping_until(client, uuid, "Enabled")["LastProcessingResult"] == "No records processed"

with raises("ResourceConflictException", 409, f"Please update or delete the existing mapping with UUID {uuid}"):
    client.create_event_source_mapping(**asked)
with raises("InvalidParameterValueException", 400, "StartingPosition is not valid"):
    client.create_event_source_mapping(**asked, StartingPosition="LATEST")
with raises("InvalidParameterValueException", 400, "Unsupported FunctionResponseTypes parameter"):
    client.update_event_source_mapping(UUID=uuid, FunctionResponseTypes=["ReportBatchItemFailures"])

changed = client.update_event_source_mapping(UUID=uuid, BatchSize=10_000, MaximumBatchingWindowInSeconds=1)
assert (changed["State"], changed["BatchSize"]) == ("Updating", 10_000), changed
mapping_until(client, uuid, "Enabled")
client.update_event_source_mapping(UUID=uuid, Enabled=False)
mapping_until(client, uuid, "Disabled")
client.delete_event_source_mapping(UUID=uuid)
mapping_until(client, uuid, None)
print("ok")
