"""A report that is made every night: told for which night, however late it runs."""

import datetime


def handler(event, context):
    """The schedule's input names the time at which the report was due, and the attempt."""
    due = datetime.datetime.fromisoformat(event["due"].replace("Z", "+00:00"))
    day = (due - datetime.timedelta(days=1)).date().isoformat()
    print(f"report of {day} (execution {event['execution']})")
    return {"day": day}
