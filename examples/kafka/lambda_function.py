"""Ships what is sent to a topic of orders."""

import base64
import json


def lambda_handler(event, context):
    for partition, records in event["records"].items():
        for record in records:
            try:
                order = json.loads(base64.b64decode(record["value"]))
                print(f"order {order['id']}: {order['count']} of {order['what']}")
            except (KeyError, TypeError, ValueError):
                # All before it in the partition is done; it comes again, and what is behind it waits until it is given up.
                failed = {"partition": partition, "offset": record["offset"]}
                return {"batchItemFailures": [{"itemIdentifier": failed}]}
    return None
