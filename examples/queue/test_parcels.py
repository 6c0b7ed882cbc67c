"""The handler without a server."""

import unittest

import parcels


class Handler(unittest.TestCase):
    def test_only_what_is_no_parcel_comes_again(self):
        bodies = {"1": '{"what": "a lamp", "where": "Ada"}', "2": "nothing"}
        event = {"Records": [{"messageId": id, "body": body} for id, body in bodies.items()]}
        self.assertEqual(parcels.ship(event, None), {"batchItemFailures": [{"itemIdentifier": "2"}]})


if __name__ == "__main__":
    unittest.main()
