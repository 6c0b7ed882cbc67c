"""Calls the handler without a server, with events as an HTTP API makes them."""

import json
import unittest

import app


def event(method, path, query="", body=None):
    """An event of payload format 2.0, as far as Mangum reads it."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "localhost", "content-type": "application/json"},
        "requestContext": {
            "apiId": "a1b2c3d4e5",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }


class Greetings(unittest.TestCase):
    def test_a_language_greets_by_name(self):
        answer = app.handler(event("GET", "/greetings/fr", "name=Ada"), None)
        self.assertEqual(answer["statusCode"], 200)
        self.assertEqual(json.loads(answer["body"]), {"text": "Bonjour, Ada!"})

    def test_an_unknown_language_is_not_found(self):
        self.assertEqual(app.handler(event("GET", "/greetings/xx"), None)["statusCode"], 404)

    def test_a_greeting_is_made_of_json(self):
        body = json.dumps({"lang": "de", "name": "Ada"})
        answer = app.handler(event("POST", "/greetings", body=body), None)
        self.assertEqual(answer["statusCode"], 201)
        self.assertEqual(json.loads(answer["body"]), {"text": "Guten Tag, Ada!"})


if __name__ == "__main__":
    unittest.main()
