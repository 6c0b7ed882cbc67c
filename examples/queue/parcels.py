"""A function that takes parcels off a queue."""

import json


def ship(event, context):
    """Ships each parcel of a batch, and says which it could not: only those come again."""
    failed = []
    for record in event["Records"]:
        try:
            parcel = json.loads(record["body"])
            print(f"shipped {parcel['what']} to {parcel['where']}")
        except (ValueError, KeyError, TypeError) as error:
            print(f"message {record['messageId']} is no parcel: {error!r}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
