import base64
import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class Kafka(unittest.TestCase):
    def setUp(self):
        self.event = json.loads((HERE / "test.json").read_text())

    def test_orders_are_shipped(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertIsNone(lambda_function.lambda_handler(self.event, None))
        self.assertEqual(printed.getvalue(), "order 1: 2 of tea\n")

    def test_what_is_no_order_is_named(self):
        for value in (b'{"id": 2}', b"text", b"7"):
            record = self.event["records"]["orders-0"][0]
            record["value"] = base64.b64encode(value).decode()
            report = lambda_function.lambda_handler(self.event, None)
            failed = report["batchItemFailures"][0]["itemIdentifier"]
            self.assertEqual(failed, {"partition": "orders-0", "offset": 15})


if __name__ == "__main__":
    unittest.main()
