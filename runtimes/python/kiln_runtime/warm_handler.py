"""Stands for a function while a runtime warms up."""


def handler(event, context):
    """Succeeds or raises, as the event says."""
    return {"sum": sum(event["numbers"]), "left": context.get_remaining_time_in_millis()}
