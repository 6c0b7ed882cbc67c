"""File systems that a server does not have."""

import sys

import boto3
from functions import create, raises

client = boto3.client("lambda")
unknown = sys.argv[1]


def attach(arn, path="/mnt/data"):
    client.update_function_configuration(
        FunctionName="user", FileSystemConfigs=[{"Arn": arn, "LocalMountPath": path}]
    )


create(client, "user")
with raises("InvalidParameterValueException", 400, f"The access point {unknown} does not exist."):
    attach(unknown)
with raises("ValidationException", 400, "failed to satisfy constraint"):
    attach("arn:aws:elasticfilesystem:us-east-1:000000000000:file-system/fs-1")
with raises("ValidationException", 400, "failed to satisfy constraint"):
    attach(unknown, "/data")
assert "FileSystemConfigs" not in client.get_function_configuration(FunctionName="user")
