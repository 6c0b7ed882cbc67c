"""The same sum behind a URL: a function URL sends an HTTP request, not the bare numbers."""

import base64
import json

import lambda_function


def lambda_handler(event, context):
    query = event.get("queryStringParameters")
    if query:
        numbers = {name: json.loads(number) for name, number in query.items()}
    else:
        # Only text and JSON come as they are; what `curl -d` calls a form comes in base64.
        body = event["body"]
        numbers = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    return lambda_function.lambda_handler(numbers, context)
