"""Watches doors: what is published to house/<room>/door."""


def lambda_handler(event, context):
    failed = []
    for record in event["Records"]:
        message = record["mqtt"]
        room = message["topic"].split("/")[1]
        try:
            print(f"the door of {room} is {'open' if message['json']['open'] else 'closed'}")
        except (KeyError, TypeError) as error:
            print(f"what {message['topic']} says is of no door: {error!r}")
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}
