"""Deploys app.py behind an HTTP API with boto3: the same calls as on AWS, and safe to repeat.

The packages of requirements.txt are installed into packages/ once; remove it to have them installed anew.
"""

import io
import pathlib
import subprocess
import sys
import zipfile

import boto3

NAME = "http-api-starlette"
HERE = pathlib.Path(__file__).parent
PACKAGES = HERE / "packages"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

functions = boto3.client("lambda")
apis = boto3.client("apigatewayv2")


def package():
    """app.py and the packages it needs, as a zip."""
    if not PACKAGES.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES)]
        subprocess.run([*pip, "--requirement", str(HERE / "requirements.txt")], check=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(HERE / "app.py", "app.py")
        for path in sorted(PACKAGES.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(PACKAGES))
    return buffer.getvalue()


def deploy_function(zipped):
    """Creates the function, or gives it this code; its ARN."""
    try:
        arn = functions.update_function_code(FunctionName=NAME, ZipFile=zipped)["FunctionArn"]
        functions.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    except functions.exceptions.ResourceNotFoundException:
        account = boto3.client("sts").get_caller_identity()["Account"]
        arn = functions.create_function(
            FunctionName=NAME, Runtime=RUNTIME, Handler="app.handler", Code={"ZipFile": zipped},
            Role=f"arn:aws:iam::{account}:role/lambda", MemorySize=256, Timeout=10,
        )["FunctionArn"]
        functions.get_waiter("function_active_v2").wait(FunctionName=NAME)
    return arn


def deploy_api(arn):
    """Makes an API for the function unless there is one; its description."""
    for page in apis.get_paginator("get_apis").paginate():
        for api in page["Items"]:
            if api["Name"] == NAME:
                return api
    cors = {"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["content-type"]}
    api = apis.create_api(Name=NAME, ProtocolType="HTTP", CorsConfiguration=cors)
    integration = apis.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )
    target = f"integrations/{integration['IntegrationId']}"
    apis.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    region, account = arn.split(":")[3:5]
    functions.add_permission(
        FunctionName=NAME, StatementId=f"api-{api['ApiId']}", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{region}:{account}:{api['ApiId']}/*",
    )
    return api


print(deploy_api(deploy_function(package()))["ApiEndpoint"])
