import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class Postgres(unittest.TestCase):
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

    def test_an_update_without_the_old_row_says_less(self):
        change = {"operation": "update", "keys": {"id": 2}, "new": {"id": 2, "total": 1}}
        self.assertEqual(lambda_function.sentence(change), "order 2 has changed")


if __name__ == "__main__":
    unittest.main()
