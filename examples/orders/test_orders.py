"""Both handlers, called directly with what Kiln and AWS hand them."""

import contextlib
import io
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import lambda_function  # noqa: E402


class Orders(unittest.TestCase):
    def test_an_order_is_handled(self):
        event = json.loads((HERE / "test.json").read_text())
        self.assertEqual(lambda_function.handle_order(event, None), {"handled": 7})

    def test_a_failure_is_told_with_its_reason(self):
        record = {
            "version": "1.0",
            "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": {"order": 8},
            "responsePayload": {"errorMessage": "'customer'"},
        }
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(lambda_function.handle_failure(record, None), {"order": 8})
        self.assertIn("order 8 was given up after 3 tries (RetriesExhausted): 'customer'", said.getvalue())


if __name__ == "__main__":
    unittest.main()
