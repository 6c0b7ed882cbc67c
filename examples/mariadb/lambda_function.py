"""Says what happened to orders."""


def lambda_handler(event, context):
    for record in event["Records"]:
        print(sentence(record["mariadb"]))


def sentence(change):
    order, old, new = change["keys"].get("id"), change.get("old"), change.get("new")
    operation = change["operation"]
    if operation == "insert":
        return f"order {order}: {new['customer']} orders for {new['total']:.2f}"
    if operation == "update" and old and old["total"] != new["total"]:
        return f"order {order}: the total is {new['total']:.2f} and was {old['total']:.2f}"
    if operation == "update":
        return f"order {order} has changed"
    if operation == "delete":
        return f"order {order} is gone"
    return "all orders are gone"
