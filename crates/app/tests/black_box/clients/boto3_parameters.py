"""Parameters as boto3 meets them: every operation, done and refused, and a function that reads some with its role."""

import json

import boto3
from functions import RUNTIME, package, raises

ACCOUNT = "000000000000"
REGION = boto3.session.Session().region_name
ssm = boto3.client("ssm")
iam = boto3.client("iam")


def arn(name):
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


# A parameter of each kind.
made = ssm.put_parameter(Name="/shop/url", Value="https://a", Type="String", Description="d", Tags=[{"Key": "team", "Value": "shop"}])
assert (made["Version"], made["Tier"]) == (1, "Standard"), made
ssm.put_parameter(Name="/shop/hosts", Value="a,b", Type="StringList")
ssm.put_parameter(Name="/shop/db/password", Value="hunter1", Type="SecureString")
read = ssm.get_parameter(Name="/shop/url")["Parameter"]
assert (read["Value"], read["Type"], read["Version"], read["DataType"]) == ("https://a", "String", 1, "text"), read
assert (read["Name"], read["ARN"]) == ("/shop/url", arn("shop/url")), read
sealed = ssm.get_parameter(Name="/shop/db/password")["Parameter"]["Value"]
assert "hunter1" not in sealed and len(sealed) > 20, sealed
assert ssm.get_parameter(Name="/shop/db/password", WithDecryption=True)["Parameter"]["Value"] == "hunter1"
with raises("ParameterAlreadyExists", 400, "To overwrite this value, set the overwrite option in the request to true."):
    ssm.put_parameter(Name="/shop/url", Value="x", Type="String")
with raises("ValidationException", 400, "A parameter type is required when you create a parameter."):
    ssm.put_parameter(Name="/shop/new", Value="x")
with raises("ValidationException", 400, "tags and overwrite can't be used together"):
    ssm.put_parameter(Name="/shop/url", Value="x", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}])
with raises("ValidationException", 400, "fully qualified"):
    ssm.put_parameter(Name="shop/url", Value="x", Type="String")
with raises("ValidationException", 400, 'can\'t be prefixed with "aws" or "ssm"'):
    ssm.put_parameter(Name="/aws/x", Value="x", Type="String")
with raises("HierarchyLevelLimitExceededException", 400):
    ssm.put_parameter(Name="/x" * 16, Value="x", Type="String")
with raises("ValidationException", 400, "Standard tier parameters support a maximum parameter value of 4096 characters."):
    ssm.put_parameter(Name="/large", Value="x" * 4097, Type="String")
assert ssm.put_parameter(Name="/large", Value="x" * 8192, Type="String", Tier="Advanced")["Tier"] == "Advanced"
with raises("ValidationException", 400, "can't downgrade"):
    ssm.put_parameter(Name="/large", Value="x", Overwrite=True, Tier="Standard")
with raises("ParameterPatternMismatchException", 400):
    ssm.put_parameter(Name="/number", Value="x", Type="String", AllowedPattern="^[0-9]+$")
with raises("InvalidAllowedPatternException", 400):
    ssm.put_parameter(Name="/number", Value="x", Type="String", AllowedPattern="[")
with raises("NotImplementedException", 501):
    ssm.put_parameter(Name="/number", Value="x", Type="String", Tier="Advanced", Policies="[]")
with raises("ParameterNotFound", 400):
    ssm.get_parameter(Name="/nothing")

# Versions and labels.
assert ssm.put_parameter(Name="/shop/url", Value="https://b", Overwrite=True)["Version"] == 2
labelled = ssm.label_parameter_version(Name="/shop/url", ParameterVersion=1, Labels=["old", "1st"])
assert (labelled["InvalidLabels"], labelled["ParameterVersion"]) == (["1st"], 1), labelled
for name, value in [("/shop/url", "https://b"), ("/shop/url:1", "https://a"), ("/shop/url:old", "https://a"), (arn("shop/url:2"), "https://b")]:
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == value, name
assert ssm.get_parameter(Name="/shop/url:old")["Parameter"]["Selector"] == ":old"
with raises("ParameterVersionNotFound", 400):
    ssm.get_parameter(Name="/shop/url:3")
with raises("ParameterVersionNotFound", 400):
    ssm.label_parameter_version(Name="/shop/url", ParameterVersion=9, Labels=["new"])
with raises("ParameterVersionLabelLimitExceeded", 400):
    ssm.label_parameter_version(Name="/shop/url", ParameterVersion=1, Labels=[f"l{number}" for number in range(10)])
history = ssm.get_parameter_history(Name="/shop/url")["Parameters"]
assert [(one["Version"], one["Value"], one["Labels"]) for one in history] == [(1, "https://a", ["old"]), (2, "https://b", [])], history
assert history[0]["Description"] == "d" and history[0]["LastModifiedUser"].startswith("arn:aws:iam::"), history
removed = ssm.unlabel_parameter_version(Name="/shop/url", ParameterVersion=1, Labels=["old", "new"])
assert (removed["RemovedLabels"], removed["InvalidLabels"]) == (["old"], ["new"]), removed
with raises("ParameterNotFound", 400):
    ssm.get_parameter_history(Name="/nothing")

# Several at once, by path and by what is known of them.
several = ssm.get_parameters(Names=["/shop/hosts", "/nothing", "/shop/db/password"], WithDecryption=True)
assert [one["Value"] for one in several["Parameters"]] == ["a,b", "hunter1"], several
assert several["InvalidParameters"] == ["/nothing"], several
below = ssm.get_parameters_by_path(Path="/shop")["Parameters"]
assert [one["Name"] for one in below] == ["/shop/hosts", "/shop/url"], below
pages = ssm.get_paginator("get_parameters_by_path").paginate(
    Path="/shop/", Recursive=True, WithDecryption=True, PaginationConfig={"PageSize": 2}
)
pages = [[one["Value"] for one in page["Parameters"]] for page in pages]
assert pages == [["hunter1", "a,b"], ["https://b"]], pages
kinds = ssm.get_parameters_by_path(
    Path="/", Recursive=True, ParameterFilters=[{"Key": "Type", "Values": ["SecureString"]}]
)["Parameters"]
assert [one["Name"] for one in kinds] == ["/shop/db/password"], kinds
with raises("ValidationException", 400, "must begin with a forward slash"):
    ssm.get_parameters_by_path(Path="shop")
with raises("InvalidFilterKey", 400):
    ssm.get_parameters_by_path(Path="/", ParameterFilters=[{"Key": "Name", "Values": ["x"]}])
with raises("InvalidNextToken", 400):
    ssm.get_parameters_by_path(Path="/", NextToken="!")
described = ssm.describe_parameters(ParameterFilters=[{"Key": "tag:team", "Values": ["shop"]}])["Parameters"]
assert [(one["Name"], one["Version"], one["Tier"]) for one in described] == [("/shop/url", 2, "Standard")], described
described = ssm.describe_parameters(Filters=[{"Key": "Name", "Values": ["/shop/d"]}])["Parameters"]
assert [(one["Name"], one["KeyId"]) for one in described] == [("/shop/db/password", "alias/aws/ssm")], described
with raises("InvalidFilterOption", 400):
    ssm.describe_parameters(ParameterFilters=[{"Key": "Type", "Option": "Near", "Values": ["String"]}])

# Tags.
tagged = dict(ResourceType="Parameter", ResourceId="/shop/url")
ssm.add_tags_to_resource(**tagged, Tags=[{"Key": "env", "Value": "prod"}])
ssm.remove_tags_from_resource(**tagged, TagKeys=["team"])
assert ssm.list_tags_for_resource(**tagged)["TagList"] == [{"Key": "env", "Value": "prod"}]
with raises("InvalidResourceId", 400):
    ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/nothing")
with raises("InvalidResourceType", 400):
    ssm.list_tags_for_resource(ResourceType="Document", ResourceId="x")
with raises("TooManyTagsError", 400):
    ssm.add_tags_to_resource(**tagged, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])

# A secret, read as a parameter.
secrets = boto3.client("secretsmanager")
secret = secrets.create_secret(Name="shop/key", SecretString="hunter2")
reference = "/aws/reference/secretsmanager/shop/key"
read = ssm.get_parameter(Name=reference, WithDecryption=True)["Parameter"]
assert (read["Value"], read["Type"], read["ARN"]) == ("hunter2", "SecureString", secret["ARN"]), read
assert "hunter2" not in read["SourceResult"], read
with raises("ValidationException", 400, "WithDecryption flag must be True"):
    ssm.get_parameter(Name=reference)
with raises("ParameterNotFound", 400):
    ssm.get_parameter(Name=reference + "s", WithDecryption=True)

# What is not of parameters says so.
with raises("NotImplementedException", 501):
    ssm.list_documents()

# Users and functions may what their policies allow.
iam.create_user(UserName="shop")
policy = document(
    allow(["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"], [arn("shop"), arn("shop/*")]),
    {"Effect": "Deny", "Action": "ssm:GetParameter", "Resource": arn("shop/db/*")},
    allow("ssm:DeleteParameter", Condition={"StringEquals": {"aws:ResourceTag/env": "prod"}}),
    allow("ssm:GetParameter", arn("aws/reference/secretsmanager/*")),
)
iam.put_user_policy(UserName="shop", PolicyName="own", PolicyDocument=policy)
keys = iam.create_access_key(UserName="shop")["AccessKey"]
shop = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"]).client("ssm")
assert shop.get_parameter(Name="/shop/url:1")["Parameter"]["Value"] == "https://a"
assert len(shop.get_parameters_by_path(Path="/shop")["Parameters"]) == 2
for call, arguments in [
    (shop.get_parameter, {"Name": "/shop/db/password"}),
    (shop.get_parameter, {"Name": "/large"}),
    (shop.get_parameter, {"Name": reference, "WithDecryption": True}),
    (shop.get_parameters, {"Names": ["/shop/url", "/large"]}),
    (shop.get_parameters_by_path, {"Path": "/"}),
    (shop.put_parameter, {"Name": "/shop/url", "Value": "x", "Overwrite": True}),
    (shop.delete_parameter, {"Name": "/shop/hosts"}),
    (shop.describe_parameters, {}),
]:
    with raises("AccessDeniedException", 400, "is not authorized to perform: "):
        call(**arguments)
shop.delete_parameter(Name="/shop/url")

trust = document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
role = iam.create_role(RoleName="till", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
iam.put_role_policy(RoleName="till", PolicyName="own", PolicyDocument=document(allow("ssm:GetParameter", arn("shop/*"))))
SOURCE = """
import boto3
from botocore.exceptions import ClientError
ssm = boto3.client("ssm")

def handler(event, context):
    def read(name):
        try:
            return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except ClientError as error:
            return error.response["Error"]["Code"]
    return [read(name) for name in event]
"""
functions = boto3.client("lambda")
functions.create_function(
    FunctionName="till", Runtime=RUNTIME, Role=role, Handler="index.handler", Code={"ZipFile": package(SOURCE)}, Timeout=30
)
functions.get_waiter("function_active_v2").wait(FunctionName="till")
answer = functions.invoke(FunctionName="till", Payload=json.dumps(["/shop/db/password", "/large"]))
assert json.load(answer["Payload"]) == ["hunter1", "AccessDeniedException"], answer

# What is deleted is gone, and begins anew.
with raises("ParameterNotFound", 400):
    ssm.delete_parameter(Name="/shop/url")
gone = ssm.delete_parameters(Names=["/shop/hosts", "/shop/url", "/large"])
assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["/shop/hosts", "/large"], ["/shop/url"]), gone
assert ssm.put_parameter(Name="/large", Value="anew", Type="String")["Version"] == 1
