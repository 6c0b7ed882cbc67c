"""Ships what a stream of orders keeps."""


def lambda_handler(event, context):
    failed = []
    for record in event["Records"]:
        message = record["nats"]
        try:
            order = message["json"]
            print(f"order {order['id']}: {int(order['count'])} of {order['what']}")
        except (KeyError, TypeError, ValueError) as error:
            print(f"message {message['sequence']} is no order: {error!r}")
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}
