"""A function that hears of orders over a topic."""

import json


def bill(event, context):
    """Hears of every order, in SNS's record."""
    bills = []
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        line = f"bill to {order['buyer']}: {order['what']} for {order['price']}"
        print(line)
        bills.append(line)
    return bills
