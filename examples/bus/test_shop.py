"""The handlers without a server."""

import unittest

import shop


class Handlers(unittest.TestCase):
    def test_a_dear_sale_is_told_in_a_line(self):
        sale = {"what": "a lamp", "price": 120, "buyer": "Ada"}
        self.assertEqual(shop.watch(sale, None), "Ada bought a lamp for 120")

    def test_every_sale_is_known_by_its_event(self):
        event = {"id": "1", "detail": {"what": "a pen"}}
        self.assertEqual(shop.count(event, None), "1")


if __name__ == "__main__":
    unittest.main()
