"""Both handlers, called directly. boto3 is imported by the function and not used: any will do."""

import base64
import json
import pathlib
import sys
import types
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
try:
    import boto3  # noqa: F401
except ImportError:
    sys.modules["boto3"] = types.ModuleType("boto3")

import lambda_function  # noqa: E402
import over_http  # noqa: E402


class Sum(unittest.TestCase):
    def test_event_of_two_numbers_gives_their_sum(self):
        event = json.loads((HERE / "test.json").read_text())
        self.assertEqual(lambda_function.lambda_handler(event, None), {"result": 3})

    def test_missing_number_is_the_functions_own_error(self):
        with self.assertRaises(KeyError):
            lambda_function.lambda_handler({"num1": 1}, None)

    def test_http_request_carries_the_numbers_in_its_query_or_its_body(self):
        query = {"queryStringParameters": {"num1": "1", "num2": "2"}}
        self.assertEqual(over_http.lambda_handler(query, None), {"result": 3})
        body = {"body": '{"num1": 1.5, "num2": 2}'}
        self.assertEqual(over_http.lambda_handler(body, None), {"result": 3.5})
        form = {"body": base64.b64encode(b'{"num1": 1, "num2": 2}').decode(), "isBase64Encoded": True}
        self.assertEqual(over_http.lambda_handler(form, None), {"result": 3})


if __name__ == "__main__":
    unittest.main()
