"""The handler without a server."""

import unittest

import orders


class Handler(unittest.TestCase):
    def test_every_order_is_billed(self):
        order = '{"what": "a lamp", "price": 120, "buyer": "Ada"}'
        event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": order}}]}
        self.assertEqual(orders.bill(event, None), ["bill to Ada: a lamp for 120"])


if __name__ == "__main__":
    unittest.main()
