"""The handler without a server."""

import json
import os
import unittest
from unittest import mock

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import till  # noqa: E402


class Handler(unittest.TestCase):
    def test_the_secret_is_read_once_and_told_to_nobody(self):
        says = {"SecretString": json.dumps({"username": "till", "password": "hunter2"})}
        with mock.patch.object(till.secrets, "get_secret_value", return_value=says) as read:
            for _ in range(2):
                self.assertEqual(till.open_till({}, None), "as till, with a password of 7 characters")
        read.assert_called_once_with(SecretId="shop/till")


if __name__ == "__main__":
    unittest.main()
