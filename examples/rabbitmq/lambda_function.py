"""Ships what is sent to a queue of orders."""

import base64
import json


def lambda_handler(event, context):
    for queue, messages in event["rmqMessagesByQueue"].items():
        for message in messages:
            order = json.loads(base64.b64decode(message["data"]))
            # A message that is none raises, and the whole batch comes again: a broker knows no partial success.
            print(f"order {order['id']}: {order['count']} of {order['what']}")
