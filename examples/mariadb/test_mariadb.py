import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class MariaDb(unittest.TestCase):
    def test_every_change_is_a_sentence(self):
        event = json.loads((HERE / "test.json").read_text())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            lambda_function.lambda_handler(event, None)
        self.assertEqual(printed.getvalue().splitlines(), [
            "order 1: Ada orders for 12.50",
            "order 1: the total is 15.00 and was 12.50",
            "order 1 is gone",
            "all orders are gone",
        ])


if __name__ == "__main__":
    unittest.main()
