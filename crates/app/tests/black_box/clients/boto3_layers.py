"""Layers: published, found, attached, permitted and deleted."""

import io
import json
import urllib.request
import zipfile

import boto3
from functions import RUNTIME, create, package, raises

client = boto3.client("lambda")


def layer_zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def publish(name, files, **more):
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": layer_zip(files)}, **more)


def call(name):
    answer = client.invoke(FunctionName=name, Payload=b"{}")
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result


# Versions are counted.
first = publish("deps", {"python/dep.py": "VALUE = 1"}, Description="one", LicenseInfo="MIT",
                CompatibleRuntimes=[RUNTIME], CompatibleArchitectures=["x86_64", "arm64"])
assert first["Version"] == 1 and first["Description"] == "one" and first["LicenseInfo"] == "MIT", first
assert first["LayerVersionArn"] == "arn:aws:lambda:us-east-1:000000000000:layer:deps:1", first
assert first["CompatibleRuntimes"] == [RUNTIME] and first["CompatibleArchitectures"] == ["x86_64", "arm64"]
second = publish("deps", {"python/dep.py": "VALUE = 2", "shared.txt": "deps", "bin/hello": "x"})
assert second["Version"] == 2 and "CompatibleRuntimes" not in second, second
other = publish("other", {f"python/lib/{RUNTIME}/site-packages/site_dep.py": "VALUE = 3", "shared.txt": "other"})

# They are found again, with their content.
got = client.get_layer_version(LayerName="deps", VersionNumber=1)
assert {k: v for k, v in got.items() if k not in ("ResponseMetadata", "Content")} == {
    k: v for k, v in first.items() if k not in ("ResponseMetadata", "Content")
}
assert got["Content"]["CodeSha256"] == first["Content"]["CodeSha256"]
content = urllib.request.urlopen(got["Content"]["Location"]).read()
assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["python/dep.py"]
assert len(content) == got["Content"]["CodeSize"]
by_arn = client.get_layer_version_by_arn(Arn=second["LayerVersionArn"])
assert by_arn["Version"] == 2, by_arn
listed = client.list_layers()["Layers"]
assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in listed] == [("deps", 2), ("other", 1)]
listed = client.list_layers(CompatibleRuntime=RUNTIME)["Layers"]
assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in listed] == [("deps", 1)]
pages = client.get_paginator("list_layer_versions").paginate(LayerName="deps", PaginationConfig={"PageSize": 1})
assert [v["Version"] for page in pages for v in page["LayerVersions"]] == [2, 1]
with raises("ResourceNotFoundException", 404, "The resource you requested does not exist."):
    client.get_layer_version(LayerName="deps", VersionNumber=3)
with raises("InvalidParameterValueException", 400, "Layer Version Cannot be less than 1"):
    client.get_layer_version(LayerName="deps", VersionNumber=0)
with raises("ValidationException", 400, "'arn' failed to satisfy constraint"):
    client.get_layer_version_by_arn(Arn=second["LayerArn"])
with raises("InvalidParameterValueException", 400, "Could not unzip uploaded file."):
    client.publish_layer_version(LayerName="deps", Content={"ZipFile": b"x"})
with raises("ValidationException", 400, "'compatibleRuntimes' failed to satisfy constraint"):
    publish("deps", {"a": ""}, CompatibleRuntimes=["cobol"])

# Functions see them in order.
SOURCE = """
def handler(event, context):
    import os, sys
    import dep, site_dep
    return {"dep": dep.VALUE, "site": site_dep.VALUE, "shared": open("/opt/shared.txt").read(),
            "opt": sorted(os.listdir("/opt")), "path": sys.path}
"""
arns = [second["LayerVersionArn"], other["LayerVersionArn"]]
created = create(client, "user", SOURCE, Layers=arns)
assert [layer["Arn"] for layer in created["Layers"]] == arns, created
assert [layer["CodeSize"] for layer in created["Layers"]] == [
    second["Content"]["CodeSize"], other["Content"]["CodeSize"]
]
seen = call("user")
assert (seen["dep"], seen["site"], seen["shared"]) == (2, 3, "other"), seen
assert seen["opt"] == ["bin", "python", "shared.txt"], seen
assert seen["path"][:4] == [
    "/var/task", f"/opt/python/lib/{RUNTIME}/site-packages", "/opt/python", "/var/runtime"
], seen


def attach(arns):
    changed = client.update_function_configuration(FunctionName="user", Layers=arns)
    client.get_waiter("function_updated_v2").wait(FunctionName="user")
    return changed


attach(list(reversed(arns)))
assert call("user")["shared"] == "deps"
changed = attach([first["LayerVersionArn"], other["LayerVersionArn"]])
assert len(changed["Layers"]) == 2, changed
assert call("user")["dep"] == 1
listed = client.list_functions()["Functions"][0]
assert [layer["Arn"] for layer in listed["Layers"]] == [first["LayerVersionArn"], other["LayerVersionArn"]]

# What cannot be attached.
missing = "arn:aws:lambda:us-east-1:000000000000:layer:deps:9"
with raises("InvalidParameterValueException", 400, f"Layer version {missing} does not exist."):
    attach([missing])
with raises("InvalidParameterValueException", 400, "are versions of the same layer."):
    attach([first["LayerVersionArn"], second["LayerVersionArn"]])
with raises("InvalidParameterValueException", 400, "Cannot reference more than 5 layers."):
    attach([f"arn:aws:lambda:us-east-1:000000000000:layer:l{number}:1" for number in range(6)])
with raises("ValidationException", 400, "'layers' failed to satisfy constraint"):
    attach([first["LayerArn"]])

# Permissions.
version = {"LayerName": "deps", "VersionNumber": 1}
with raises("ResourceNotFoundException", 404, "No policy is associated with the given resource."):
    client.get_layer_version_policy(**version)
added = client.add_layer_version_permission(
    **version, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
)
policy = client.get_layer_version_policy(**version)
assert json.loads(policy["Policy"])["Statement"] == [json.loads(added["Statement"])], policy
assert policy["RevisionId"] == added["RevisionId"]
with raises("ResourceConflictException", 409, "The statement id (all) provided already exists."):
    client.add_layer_version_permission(
        **version, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
    )
with raises("PreconditionFailedException", 412, "Call the GetLayerPolicy API"):
    client.remove_layer_version_permission(**version, StatementId="all", RevisionId="x")
client.remove_layer_version_permission(**version, StatementId="all")

# A deleted version stays with its functions, also with new instances.
for _ in range(2):
    client.delete_layer_version(**version)
with raises("ResourceNotFoundException", 404):
    client.get_layer_version(**version)
assert call("user")["dep"] == 1
client.update_function_code(FunctionName="user", ZipFile=package(SOURCE + "\n"))
client.get_waiter("function_updated_v2").wait(FunctionName="user")
assert call("user")["dep"] == 1
assert publish("deps", {"a": "b"})["Version"] == 3

# And all can be taken away.
assert "Layers" not in attach([])
answer = client.invoke(FunctionName="user", Payload=b"{}")
assert "No module named 'dep'" in answer["Payload"].read().decode()
