import base64
import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class RabbitMq(unittest.TestCase):
    def setUp(self):
        self.event = json.loads((HERE / "test.json").read_text())

    def test_orders_are_shipped(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            lambda_function.lambda_handler(self.event, None)
        self.assertEqual(printed.getvalue(), "order 1: 2 of tea\n")

    def test_what_is_no_order_fails_the_batch(self):
        message = self.event["rmqMessagesByQueue"]["orders::/"][0]
        message["data"] = base64.b64encode(b'{"id": 2}').decode()
        with self.assertRaises(KeyError):
            lambda_function.lambda_handler(self.event, None)


if __name__ == "__main__":
    unittest.main()
