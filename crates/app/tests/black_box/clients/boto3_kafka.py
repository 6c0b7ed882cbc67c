"""Mappings of a topic of a Kafka cluster as boto3 knows them: AWS's own members."""

import sys

import boto3
from functions import mapping_until, raises

client = boto3.client("lambda")
servers, topic = sys.argv[1].split(","), sys.argv[2]
asked = {
    "FunctionName": "audit",
    "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": servers}},
    "Topics": [topic],
    "StartingPosition": "TRIM_HORIZON",
    "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "billing"},
}

made = client.create_event_source_mapping(**asked)
uuid = made["UUID"]
assert made["State"] == "Creating", made
assert made["BatchSize"] == 100, made
for key in ("SelfManagedEventSource", "Topics", "StartingPosition", "SelfManagedKafkaEventSourceConfig"):
    assert made[key] == asked[key], made
assert "ParallelizationFactor" not in made and "TumblingWindowInSeconds" not in made, made
assert mapping_until(client, uuid, "Enabled")["LastProcessingResult"] == "No records processed"

with raises("ResourceConflictException", 409, f"Please update or delete the existing mapping with UUID {uuid}"):
    client.create_event_source_mapping(**asked)
del asked["SelfManagedKafkaEventSourceConfig"]
own = client.create_event_source_mapping(**asked)
assert own["SelfManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": own["UUID"]}, own
mapping_until(client, own["UUID"], "Enabled")
client.delete_event_source_mapping(UUID=own["UUID"])
mapping_until(client, own["UUID"], None)
with raises("InvalidParameterValueException", 400, "StartingPosition is required"):
    client.create_event_source_mapping(**{key: value for key, value in asked.items() if key != "StartingPosition"})
with raises("InvalidParameterValueException", 400, "Unsupported ParallelizationFactor parameter"):
    client.update_event_source_mapping(UUID=uuid, ParallelizationFactor=2)

changed = client.update_event_source_mapping(UUID=uuid, BatchSize=10_000, MaximumBatchingWindowInSeconds=1)
assert (changed["State"], changed["BatchSize"]) == ("Updating", 10_000), changed
mapping_until(client, uuid, "Enabled")
client.update_event_source_mapping(UUID=uuid, Enabled=False)
mapping_until(client, uuid, "Disabled")
client.delete_event_source_mapping(UUID=uuid)
mapping_until(client, uuid, None)
print("ok")
