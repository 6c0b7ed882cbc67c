import contextlib
import io
import json
import pathlib
import unittest

import lambda_function

HERE = pathlib.Path(__file__).parent


class Mqtt(unittest.TestCase):
    def test_doors_are_told_of_and_what_is_none_is_reported(self):
        event = json.loads((HERE / "test.json").read_text())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            answer = lambda_function.lambda_handler(event, None)
        self.assertEqual(answer, {"batchItemFailures": [{"itemIdentifier": "2"}]})
        self.assertEqual(printed.getvalue().splitlines(), [
            "the door of kitchen is open",
            "what house/hall/door says is of no door: KeyError('json')",
        ])


if __name__ == "__main__":
    unittest.main()
