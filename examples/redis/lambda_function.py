"""Ships what is added to a stream of orders."""


def lambda_handler(event, context):
    failed = []
    for record in event["Records"]:
        order = record["redis"]["fields"]
        try:
            print(f"order {order['id']}: {int(order['count'])} of {order['what']}")
        except (KeyError, ValueError) as error:
            print(f"entry {record['redis']['id']} is no order: {error!r}")
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}
