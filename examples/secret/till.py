"""A function whose password is in Secrets Manager."""

import json
import time

import boto3

SECRET = "shop/till"
KEPT_SECS = 300

secrets = boto3.client("secretsmanager")
kept = {}


def credentials():
    """What the secret says; asked for again now and then, so that a new password is used soon."""
    if time.monotonic() >= kept.get("until", 0):
        text = secrets.get_secret_value(SecretId=SECRET)["SecretString"]
        kept.update(until=time.monotonic() + KEPT_SECS, said=json.loads(text))
    return kept["said"]


def open_till(event, context):
    """Says whom it would connect as; the password itself is nobody's to see."""
    said = credentials()
    return f"as {said['username']}, with a password of {len(said['password'])} characters"
