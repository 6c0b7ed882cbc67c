"""Lists come in pages, in the order of names, whole and without doubles."""

import boto3
from functions import create, raises

client = boto3.client("lambda")
expected = [f"paged-{number:02}" for number in range(12)]
for name in reversed(expected):
    create(client, name)

first = client.list_functions(MaxItems=5)
assert len(first["Functions"]) == 5 and first["NextMarker"], first
assert first["Functions"][0]["FunctionName"] == expected[0]
pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 5})
sizes, names = [], []
for page in pages:
    sizes.append(len(page["Functions"]))
    names += [function["FunctionName"] for function in page["Functions"]]
assert sizes == [5, 5, 2], sizes
assert names == expected, names

# A function deleted between two pages moves nothing else.
rest = client.list_functions(MaxItems=50, Marker=first["NextMarker"])
client.delete_function(FunctionName=expected[4])
again = client.list_functions(MaxItems=50, Marker=first["NextMarker"])
assert [f["FunctionName"] for f in rest["Functions"]] == [f["FunctionName"] for f in again["Functions"]]
assert "NextMarker" not in again, again

with raises("InvalidParameterValueException", 400):
    client.list_functions(Marker="made up")
