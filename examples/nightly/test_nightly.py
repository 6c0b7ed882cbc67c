"""The handler, called directly with what its schedule sends."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import lambda_function  # noqa: E402


class Nightly(unittest.TestCase):
    def test_the_report_is_of_the_day_before(self):
        event = {"due": "2027-01-01T02:00:00Z", "execution": "0123456789abcdef"}
        self.assertEqual(lambda_function.handler(event, None), {"day": "2026-12-31"})


if __name__ == "__main__":
    unittest.main()
