"""Stands for a function: the module of the rehearsal. It lies here as source, as users' modules do:
compiling one is part of what is rehearsed."""

import boto3  # noqa: F401
import json
import os


def handler(event, context):
    """Does what first lines of handlers do."""
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    left = context.get_remaining_time_in_millis()
    return {"statusCode": 200, "body": json.dumps({"name": name, "event": event, "left": left})}
