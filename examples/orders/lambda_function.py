"""Handles orders, some of which cannot be handled, and hears of those."""


def handle_order(event, context):
    """The function that is invoked asynchronously: an order without a customer is an error."""
    customer = event["customer"]
    print(f"order {event['order']} of {customer} is handled")
    return {"handled": event["order"]}


def handle_failure(record, context):
    """The destination of orders that were given up: the record says which, why, and how often."""
    order = record["requestPayload"]
    why = record["requestContext"]["condition"]
    error = record.get("responsePayload", {}).get("errorMessage", "it never ran")
    tries = record["requestContext"]["approximateInvokeCount"]
    print(f"order {order.get('order')} was given up after {tries} tries ({why}): {error}")
    return order
