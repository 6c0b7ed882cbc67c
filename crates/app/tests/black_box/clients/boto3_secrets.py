"""Secrets as boto3 meets them: every operation, done and refused, and a function that reads one with its role."""

import json

import boto3
from functions import RUNTIME, mapping_until, package, raises

ACCOUNT = "000000000000"
REGION = boto3.session.Session().region_name
secrets = boto3.client("secretsmanager")
iam = boto3.client("iam")
missing = "Secrets Manager can't find the specified secret."


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def session(keys):
    return boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"])


def user(name, *statements):
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    return session(iam.create_access_key(UserName=name)["AccessKey"])


# A secret is made, read, described and listed.
made = secrets.create_secret(Name="shop/db", SecretString="hunter1", Description="the shop's", Tags=[{"Key": "team", "Value": "shop"}])
arn, first = made["ARN"], made["VersionId"]
prefix = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop/db-"
assert arn.startswith(prefix) and len(arn) == len(prefix) + 6, arn
for name in ["shop/db", arn, prefix[:-1]]:
    read = secrets.get_secret_value(SecretId=name)
    assert (read["SecretString"], read["VersionStages"]) == ("hunter1", ["AWSCURRENT"]), read
    assert (read["ARN"], read["Name"], read["VersionId"]) == (arn, "shop/db", first), read
described = secrets.describe_secret(SecretId="shop/db")
assert described["VersionIdsToStages"] == {first: ["AWSCURRENT"]}, described
assert described["Tags"] == [{"Key": "team", "Value": "shop"}], described
assert described["LastAccessedDate"] <= described["LastChangedDate"].replace(hour=23, minute=59), described
with raises("ResourceExistsException", 400, "The operation failed because the secret shop/db already exists."):
    secrets.create_secret(Name="shop/db", SecretString="other")
with raises("ValidationException", 400, "Invalid name."):
    secrets.create_secret(Name="a b", SecretString="x")
with raises("InvalidParameterException", 400):
    secrets.create_secret(Name="both", SecretString="x", SecretBinary=b"x")
with raises("NotImplementedException", 501):
    secrets.create_secret(Name="far", AddReplicaRegions=[{"Region": "eu-west-1"}])
for call in [
    secrets.get_secret_value,
    secrets.describe_secret,
    secrets.restore_secret,
    secrets.delete_secret,
    secrets.list_secret_version_ids,
    secrets.get_resource_policy,
    secrets.delete_resource_policy,
]:
    with raises("ResourceNotFoundException", 400, missing):
        call(SecretId="nothing")

# Versions: bytes, labels, tokens that are repeated.
binary = bytes(range(256)) * 256
second = secrets.put_secret_value(SecretId="shop/db", SecretBinary=binary)
assert second["VersionStages"] == ["AWSCURRENT"], second
assert secrets.get_secret_value(SecretId=arn)["SecretBinary"] == binary
assert secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")["SecretString"] == "hunter1"
assert secrets.get_secret_value(SecretId=arn, VersionId=first)["VersionStages"] == ["AWSPREVIOUS"]
with raises("ValidationException", 400):
    secrets.put_secret_value(SecretId="shop/db", SecretBinary=binary + b"x")
with raises("ValidationException", 400):
    secrets.put_secret_value(SecretId="shop/db", SecretString="x" * 65_537)
with raises("InvalidRequestException", 400, "You must provide either SecretString or SecretBinary."):
    secrets.put_secret_value(SecretId="shop/db")
token = "0" * 32
third = secrets.put_secret_value(
    SecretId="shop/db", SecretString="hunter3", ClientRequestToken=token, VersionStages=["AWSPENDING"]
)
assert (third["VersionId"], third["VersionStages"]) == (token, ["AWSPENDING"]), third
again = secrets.put_secret_value(SecretId="shop/db", SecretString="hunter3", ClientRequestToken=token)
assert again["VersionStages"] == ["AWSPENDING"], again
with raises("ResourceExistsException", 400, f"You can't use ClientRequestToken {token}"):
    secrets.put_secret_value(SecretId="shop/db", SecretString="other", ClientRequestToken=token)
with raises("ResourceNotFoundException", 400, "staging label: mine"):
    secrets.get_secret_value(SecretId="shop/db", VersionStage="mine")
with raises("InvalidRequestException", 400, "not associated"):
    secrets.get_secret_value(SecretId="shop/db", VersionId=token, VersionStage="AWSCURRENT")
with raises("InvalidParameterException", 400, "The parameter RemoveFromVersionId can't be empty."):
    secrets.update_secret_version_stage(SecretId="shop/db", VersionStage="AWSCURRENT", MoveToVersionId=token)
with raises("InvalidParameterException", 400, "You can only move staging label AWSCURRENT"):
    secrets.update_secret_version_stage(
        SecretId="shop/db", VersionStage="AWSCURRENT", RemoveFromVersionId=second["VersionId"]
    )
secrets.update_secret_version_stage(
    SecretId="shop/db", VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=second["VersionId"]
)
labels = secrets.describe_secret(SecretId="shop/db")["VersionIdsToStages"]
assert labels == {token: ["AWSCURRENT", "AWSPENDING"], second["VersionId"]: ["AWSPREVIOUS"]}, labels
listed = secrets.list_secret_version_ids(SecretId="shop/db")["Versions"]
assert {version["VersionId"] for version in listed} == set(labels), listed
listed = secrets.list_secret_version_ids(SecretId="shop/db", IncludeDeprecated=True)["Versions"]
assert {version["VersionId"] for version in listed} == {first, *labels}, listed

# Words, tags, passwords.
updated = secrets.update_secret(SecretId="shop/db", Description="another's", KmsKeyId="alias/own")
assert "VersionId" not in updated, updated
assert secrets.update_secret(SecretId="shop/db", SecretString="hunter4")["VersionId"]
secrets.tag_resource(SecretId="shop/db", Tags=[{"Key": "env", "Value": "prod"}])
secrets.untag_resource(SecretId="shop/db", TagKeys=["team"])
described = secrets.describe_secret(SecretId="shop/db")
assert (described["Description"], described["KmsKeyId"]) == ("another's", "alias/own"), described
assert described["Tags"] == [{"Key": "env", "Value": "prod"}], described
with raises("InvalidParameterException", 400):
    secrets.tag_resource(SecretId="shop/db", Tags=[{"Key": "aws:own", "Value": "x"}])
with raises("ResourceNotFoundException", 400):
    secrets.untag_resource(SecretId="nothing", TagKeys=["team"])
password = secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True)["RandomPassword"]
assert len(password) == 20 and password.isalnum(), password
with raises("InvalidParameterException", 400, "Password length is too short based on the required types."):
    secrets.get_random_password(PasswordLength=3)
with raises("ValidationException", 400):
    secrets.get_random_password(PasswordLength=5000)

# Lists in pages, and several at once.
for number in range(3):
    secrets.create_secret(Name=f"mail/{number}", SecretString=f"mail{number}")
pages = secrets.get_paginator("list_secrets").paginate(
    Filters=[{"Key": "name", "Values": ["mail/"]}], PaginationConfig={"PageSize": 2}
)
pages = [[secret["Name"] for secret in page["SecretList"]] for page in pages]
assert pages == [["mail/0", "mail/1"], ["mail/2"]], pages
with raises("InvalidNextTokenException", 400):
    secrets.list_secrets(NextToken="!")
several = secrets.batch_get_secret_value(SecretIdList=["mail/2", "nothing", "mail/0"])
assert [value["SecretString"] for value in several["SecretValues"]] == ["mail2", "mail0"], several
assert [(error["SecretId"], error["ErrorCode"]) for error in several["Errors"]] == [
    ("nothing", "ResourceNotFoundException")
], several
several = secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["mail"]}], MaxResults=2)
assert len(several["SecretValues"]) == 2 and several["NextToken"], several
with raises("InvalidParameterException", 400, "but not both"):
    secrets.batch_get_secret_value()

# What is deleted can be had back for a while.
with raises("InvalidParameterException", 400, "between 7 and 30 days"):
    secrets.delete_secret(SecretId="mail/0", RecoveryWindowInDays=6)
with raises("InvalidParameterException", 400, "in conjunction"):
    secrets.delete_secret(SecretId="mail/0", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
deleted = secrets.delete_secret(SecretId="mail/0", RecoveryWindowInDays=7)
asked = secrets.describe_secret(SecretId="mail/0")["DeletedDate"]
assert round((deleted["DeletionDate"] - asked).total_seconds()) == 7 * 86_400, deleted
with raises("InvalidRequestException", 400, "because it was marked for deletion."):
    secrets.get_secret_value(SecretId="mail/0")
with raises("InvalidRequestException", 400, "already scheduled for deletion"):
    secrets.create_secret(Name="mail/0", SecretString="x")
with raises("InvalidRequestException", 400, "already scheduled for deletion"):
    secrets.delete_secret(SecretId="mail/0")
names = [secret["Name"] for secret in secrets.list_secrets()["SecretList"]]
assert "mail/0" not in names, names
names = [secret["Name"] for secret in secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]]
assert "mail/0" in names, names
secrets.restore_secret(SecretId="mail/0")
assert secrets.get_secret_value(SecretId="mail/0")["SecretString"] == "mail0"
before = secrets.describe_secret(SecretId="mail/1")["ARN"]
secrets.delete_secret(SecretId="mail/1", ForceDeleteWithoutRecovery=True)
secrets.delete_secret(SecretId="mail/1", ForceDeleteWithoutRecovery=True)
assert secrets.create_secret(Name="mail/1", SecretString="anew")["ARN"] != before
for call, arguments in [
    (secrets.rotate_secret, {}),
    (secrets.cancel_rotate_secret, {}),
    (secrets.replicate_secret_to_regions, {"AddReplicaRegions": [{"Region": "eu-west-1"}]}),
]:
    with raises("NotImplementedException", 501):
        call(SecretId="mail/1", **arguments)

# Resource policies.
reader = f"arn:aws:iam::{ACCOUNT}:user/reader"
everybody = document({"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"})
with raises("PublicPolicyException", 400):
    secrets.put_resource_policy(SecretId="mail/1", ResourcePolicy=everybody, BlockPublicPolicy=True)
with raises("MalformedPolicyDocumentException", 400):
    secrets.put_resource_policy(SecretId="mail/1", ResourcePolicy="{}")
assert not secrets.validate_resource_policy(ResourcePolicy=everybody)["PolicyValidationPassed"]
own = document(
    {"Effect": "Allow", "Principal": {"AWS": reader}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
)
iam_reader = user("reader", allow("secretsmanager:BatchGetSecretValue"))
secrets.put_resource_policy(SecretId="mail/1", ResourcePolicy=own, BlockPublicPolicy=True)
assert json.loads(secrets.get_resource_policy(SecretId="mail/1")["ResourcePolicy"]) == json.loads(own)
assert secrets.validate_resource_policy(SecretId="mail/1", ResourcePolicy=own)["PolicyValidationPassed"]
assert iam_reader.client("secretsmanager").get_secret_value(SecretId="mail/1")["SecretString"] == "anew"
several = iam_reader.client("secretsmanager").batch_get_secret_value(SecretIdList=["mail/1", "mail/2"])
assert [value["Name"] for value in several["SecretValues"]] == ["mail/1"], several
assert [error["ErrorCode"] for error in several["Errors"]] == ["AccessDeniedException"], several
secrets.delete_resource_policy(SecretId="mail/1")
assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId="mail/1")
with raises("AccessDeniedException", 400):
    iam_reader.client("secretsmanager").get_secret_value(SecretId="mail/1")

# Users may what their policies allow: by ARN, by tag, by label.
shop = user(
    "shop",
    allow("secretsmanager:GetSecretValue", f"{prefix}??????", Condition={"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}),
    allow("secretsmanager:DescribeSecret", Condition={"StringEquals": {"secretsmanager:ResourceTag/env": "prod"}}),
    allow("secretsmanager:CreateSecret", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop/*"),
).client("secretsmanager")
assert shop.get_secret_value(SecretId="shop/db")["SecretString"] == "hunter4"
assert shop.describe_secret(SecretId=arn)["Name"] == "shop/db"
shop.create_secret(Name="shop/mail", SecretString="x")
for call, arguments in [
    (shop.get_secret_value, {"SecretId": "shop/db", "VersionStage": "AWSPREVIOUS"}),
    (shop.get_secret_value, {"SecretId": "mail/1"}),
    (shop.get_secret_value, {"SecretId": "nothing"}),
    (shop.describe_secret, {"SecretId": "mail/1"}),
    (shop.create_secret, {"Name": "mail/9", "SecretString": "x"}),
    (shop.put_secret_value, {"SecretId": "shop/db", "SecretString": "x"}),
    (shop.delete_secret, {"SecretId": "shop/db"}),
    (shop.list_secrets, {}),
]:
    with raises("AccessDeniedException", 400, "is not authorized to perform: secretsmanager:"):
        call(**arguments)

# A function reads its secret with its role, and no other.
trust = document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
role = iam.create_role(RoleName="till", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
iam.put_role_policy(
    RoleName="till", PolicyName="own", PolicyDocument=document(allow("secretsmanager:GetSecretValue", arn))
)
SOURCE = """
import boto3
from botocore.exceptions import ClientError
secrets = boto3.client("secretsmanager")

def handler(event, context):
    def read(name):
        try:
            return secrets.get_secret_value(SecretId=name)["SecretString"]
        except ClientError as error:
            return error.response["Error"]["Code"]
    return [read(name) for name in event]
"""
functions = boto3.client("lambda")
functions.create_function(
    FunctionName="till", Runtime=RUNTIME, Role=role, Handler="index.handler", Code={"ZipFile": package(SOURCE)}, Timeout=30
)
functions.get_waiter("function_active_v2").wait(FunctionName="till")
answer = functions.invoke(FunctionName="till", Payload=json.dumps(["shop/db", "mail/1"]))
assert json.load(answer["Payload"]) == ["hunter4", "AccessDeniedException"], answer

# A mapping listens with a secret that whoever makes it may read, and its function's role need not; partial ARNs are whole ones then.
partial = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
readable = allow("secretsmanager:GetSecretValue", f"{partial}shop/db-??????")
mapper = user("mapper", allow("lambda:*"), readable).client("lambda")


def mapping(secret):
    return mapper.create_event_source_mapping(
        FunctionName="till",
        SelfManagedEventSource={"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["127.0.0.1:9092"]}},
        Topics=["orders"],
        SourceAccessConfigurations=[{"Type": "SASL_SCRAM_512_AUTH", "URI": partial + secret}],
        StartingPosition="LATEST",
        Enabled=False,
    )


with raises("AccessDeniedException", 403, "is not authorized to perform: secretsmanager:GetSecretValue"):
    mapping("mail/1")
mapping_until(functions, mapping("shop/db")["UUID"], "Disabled")
