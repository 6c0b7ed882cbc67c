import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class Nats(unittest.TestCase):
    def test_orders_are_shipped_and_what_is_none_is_reported(self):
        event = json.loads((HERE / "test.json").read_text())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            answer = lambda_function.lambda_handler(event, None)
        self.assertEqual(answer, {"batchItemFailures": [{"itemIdentifier": "2"}]})
        self.assertEqual(printed.getvalue().splitlines(), [
            "order 1: 2 of tea",
            "message 2 is no order: KeyError('json')",
        ])


if __name__ == "__main__":
    unittest.main()
