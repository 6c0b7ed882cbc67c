"""Stands for a function: the module of the rehearsal. It lies here as source, as users' modules do:
compiling one is part of what is rehearsed."""

import boto3  # noqa: F401


def handler(event, context):
    """Does what every handler does."""
    return {"statusCode": 200}
