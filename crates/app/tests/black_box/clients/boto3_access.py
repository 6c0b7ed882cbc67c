"""What policies let users, sessions of roles and functions do, as boto3 meets it: in every service, allowed and refused."""

import json

import boto3
from botocore.exceptions import ClientError
from functions import RUNTIME, package, raises

ACCOUNT = "000000000000"
REGION = boto3.session.Session().region_name
iam = boto3.client("iam")
sqs = boto3.client("sqs")
s3 = boto3.client("s3")


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*"):
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def trust(principal):
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def session(keys):
    return boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken"))


def user(name, *statements):
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    return session(iam.create_access_key(UserName=name)["AccessKey"])


# A user without policies may ask who it is, and nothing else, in any service's words.
nobody = user("nobody")
assert nobody.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/nobody"
for service, call, refusal, status in [
    ("lambda", lambda client: client.list_functions(), "AccessDeniedException", 403),
    ("sqs", lambda client: client.list_queues(), "AccessDenied", 403),
    ("sns", lambda client: client.list_topics(), "AuthorizationError", 403),
    ("events", lambda client: client.list_rules(), "AccessDeniedException", 400),
    ("scheduler", lambda client: client.list_schedules(), "AccessDeniedException", 403),
    ("logs", lambda client: client.describe_log_groups(), "AccessDeniedException", 400),
    ("apigatewayv2", lambda client: client.get_apis(), "AccessDeniedException", 403),
    ("iam", lambda client: client.list_users(), "AccessDenied", 403),
    ("s3", lambda client: client.list_buckets(), "AccessDenied", 403),
]:
    with raises(refusal, status):
        call(nobody.client(service))
try:
    nobody.client("lambda").get_function(FunctionName="sum")
    raise AssertionError("it was let in")
except ClientError as error:
    assert error.response["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: lambda:GetFunction on resource: "
        f"{arn('lambda', 'function:sum')} because no identity-based policy allows the lambda:GetFunction action"
    ), error

# A deploy tool's user: its functions and nobody else's, with one role and no other.
iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
worker = f"arn:aws:iam::{ACCOUNT}:role/worker"
deploy = user(
    "deploy",
    allow("lambda:*", arn("lambda", "function:shop-*")),
    deny("lambda:DeleteFunction"),
    allow("iam:PassRole", worker, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
)
SOURCE = """
import boto3
from botocore.exceptions import ClientError

def attempt(call, **arguments):
    try:
        call(**arguments)
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]

def handler(event, context):
    sqs = boto3.client("sqs")
    return {
        "who": boto3.client("sts").get_caller_identity()["Arn"],
        "send": attempt(sqs.send_message, QueueUrl=event["queue"], MessageBody="from inside"),
        "purge": attempt(sqs.purge_queue, QueueUrl=event["queue"]),
        "buckets": attempt(boto3.client("s3").list_buckets),
        "functions": attempt(boto3.client("lambda").list_functions),
        "users": attempt(boto3.client("iam").list_users),
    }
"""
functions = deploy.client("lambda")
function = dict(Runtime=RUNTIME, Handler="index.handler", Code={"ZipFile": package(SOURCE)}, Timeout=30)
with raises("AccessDeniedException", 403):
    functions.create_function(FunctionName="other", Role=worker, **function)
with raises("AccessDeniedException", 403):
    functions.create_function(FunctionName="shop-orders", Role=worker.replace("worker", "admin"), **function)
functions.create_function(FunctionName="shop-orders", Role=worker, **function)
functions.get_waiter("function_active_v2").wait(FunctionName="shop-orders")
with raises("AccessDeniedException", 403):
    functions.delete_function(FunctionName="shop-orders")
location = functions.get_function(FunctionName="shop-orders")["Code"]["Location"]
assert "X-Amz-Signature" in location, location


# A bucket's policy lets in whom nothing else allows it, and keeps out whom everything is allowed.
s3.create_bucket(Bucket="shared")
s3.put_object(Bucket="shared", Key="k", Body=b"1")
guest, chief = user("guest"), user("chief", allow("*"))
with raises("AccessDenied", 403):
    guest.client("s3").get_object(Bucket="shared", Key="k")
principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/guest"}
let_in = allow("s3:GetObject", "arn:aws:s3:::shared/*", Principal=principal)
keep_out = {**deny("s3:GetObject", "arn:aws:s3:::shared/*"), "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/chief"}}
s3.put_bucket_policy(Bucket="shared", Policy=document(let_in, keep_out))
assert guest.client("s3").get_object(Bucket="shared", Key="k")["Body"].read() == b"1"
for client, call in [(guest.client("s3"), "delete_object"), (chief.client("s3"), "get_object")]:
    with raises("AccessDenied", 403):
        getattr(client, call)(Bucket="shared", Key="k")
s3.delete_bucket_policy(Bucket="shared")
assert chief.client("s3").get_object(Bucket="shared", Key="k")["Body"].read() == b"1"

# So does a function's, put as a whole: it says all that policies can, and statements are added to it and taken from it.
lambdas = boto3.client("lambda")
orders_arn = arn("lambda", "function:shop-orders")
with raises("ResourceNotFoundException", 404):
    lambdas.get_resource_policy(ResourceArn=orders_arn)
with raises("AccessDeniedException", 403):
    guest.client("lambda").get_function(FunctionName="shop-orders")
let_in = {"Sid": "in", **allow("lambda:GetFunction*", orders_arn, Principal=principal)}
keep_out = {**deny("lambda:*", orders_arn), "Principal": "*", "Condition": {"StringLike": {"aws:username": "chi*"}}}
put = lambdas.put_resource_policy(ResourceArn=orders_arn, Policy=document(let_in, keep_out))
assert lambdas.get_resource_policy(ResourceArn=orders_arn)["RevisionId"] == put["RevisionId"]
guest.client("lambda").get_function(FunctionName="shop-orders")
with raises("AccessDeniedException", 403):
    guest.client("lambda").invoke(FunctionName="shop-orders")
with raises("AccessDeniedException", 403):
    chief.client("lambda").get_function(FunctionName="shop-orders")
lambdas.add_permission(
    FunctionName="shop-orders", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
)
lambdas.remove_permission(FunctionName="shop-orders", StatementId="in")
whole = json.loads(lambdas.get_policy(FunctionName="shop-orders")["Policy"])
assert [statement.get("Sid") for statement in whole["Statement"]] == [None, "s3"], whole
with raises("PreconditionFailedException", 412):
    lambdas.delete_resource_policy(ResourceArn=orders_arn, RevisionId=put["RevisionId"])
lambdas.delete_resource_policy(ResourceArn=orders_arn)
chief.client("lambda").get_function(FunctionName="shop-orders")
with raises("AccessDeniedException", 403):
    guest.client("lambda").get_function(FunctionName="shop-orders")


# Inside, a function may what its role allows and nothing else; a change holds at once.
def run():
    answer = functions.invoke(FunctionName="shop-orders", Payload=json.dumps({"queue": orders}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"])


orders = sqs.create_queue(QueueName="orders")["QueueUrl"]
found = run()
assert found["who"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/shop-orders", found
assert (found["send"], found["purge"]) == ("AccessDenied", "AccessDenied"), found
iam.put_role_policy(
    RoleName="worker", PolicyName="sends", PolicyDocument=document(allow("sqs:SendMessage", arn("sqs", "orders")))
)
found = run()
assert found == {
    "who": found["who"],
    "send": "allowed",
    "purge": "AccessDenied",
    "buckets": "AccessDenied",
    "functions": "AccessDeniedException",
    "users": "AccessDenied",
}, found

# A mapping reads a queue as the function's role may, or as its maker may.
with raises("AccessDeniedException", 403):
    functions.create_event_source_mapping(FunctionName="shop-orders", EventSourceArn=arn("sqs", "orders"))

# A queue's policy lets in whom it names.
reader = user("reader")
with raises("AccessDenied", 403):
    reader.client("sqs").receive_message(QueueUrl=orders)
policy = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/reader"}, "Action": "sqs:ReceiveMessage"}
sqs.set_queue_attributes(QueueUrl=orders, Attributes={"Policy": document({**policy, "Resource": arn("sqs", "orders")})})
assert reader.client("sqs").receive_message(QueueUrl=orders)["Messages"][0]["Body"] == "from inside"

# Objects, by prefix, also of those deleted together and those copied; presigned URLs say it in their signer's name.
s3.create_bucket(Bucket="photos")
for key in ["own/a", "own/b", "other/c"]:
    s3.put_object(Bucket="photos", Key=key, Body=b"x")
keeper = user(
    "keeper",
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::photos/own/*"),
    allow("s3:ListBucket", "arn:aws:s3:::photos", Condition={"StringLike": {"s3:prefix": "own/*"}}),
).client("s3")
assert keeper.get_object(Bucket="photos", Key="own/a")["Body"].read() == b"x"
assert keeper.list_objects_v2(Bucket="photos", Prefix="own/")["KeyCount"] == 2
for refused in [
    lambda: keeper.get_object(Bucket="photos", Key="other/c"),
    lambda: keeper.list_objects_v2(Bucket="photos"),
    lambda: keeper.copy_object(Bucket="photos", Key="own/c", CopySource="photos/other/c"),
    lambda: keeper.delete_bucket(Bucket="photos"),
    lambda: keeper.put_object(Bucket="photos", Key="own/d", Body=b"x", Tagging="a=b"),
]:
    with raises("AccessDenied", 403):
        refused()
keeper.copy_object(Bucket="photos", Key="own/c", CopySource="photos/own/a")
deleted = keeper.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "own/b"}, {"Key": "other/c"}]})
assert [one["Key"] for one in deleted["Deleted"]] == ["own/b"], deleted
assert [(one["Key"], one["Code"]) for one in deleted["Errors"]] == [("other/c", "AccessDenied")], deleted
assert s3.head_object(Bucket="photos", Key="other/c")["ContentLength"] == 1

# A user becomes a role for a while, narrowed or not.
iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
iam.attach_role_policy(RoleName="auditor", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
auditor = f"arn:aws:iam::{ACCOUNT}:role/auditor"
with raises("AccessDenied", 403):
    nobody.client("sts").assume_role(RoleArn=auditor, RoleSessionName="ada")
assumer = user("assumer", allow("sts:AssumeRole", auditor))
made = assumer.client("sts").assume_role(RoleArn=auditor, RoleSessionName="ada", DurationSeconds=900)
assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/ada", made
audits = session(made["Credentials"])
assert audits.client("sts").get_caller_identity()["Arn"] == made["AssumedRoleUser"]["Arn"]
assert [one["FunctionName"] for one in audits.client("lambda").list_functions()["Functions"]] == ["shop-orders"]
assert audits.client("s3").get_object(Bucket="photos", Key="own/a")["Body"].read() == b"x"
with raises("AccessDenied", 403):
    audits.client("sqs").send_message(QueueUrl=orders, MessageBody="x")
narrow = assumer.client("sts").assume_role(
    RoleArn=auditor, RoleSessionName="ada", Policy=document(allow("s3:Get*", "arn:aws:s3:::photos/*"))
)
narrow = session(narrow["Credentials"])
assert narrow.client("s3").get_object(Bucket="photos", Key="own/a")["Body"].read() == b"x"
with raises("AccessDeniedException", 403):
    narrow.client("lambda").list_functions()
with raises("ValidationError", 400):
    assumer.client("sts").assume_role(RoleArn=auditor, RoleSessionName="ada", DurationSeconds=7200)

# Credentials that somebody altered, or whose role is gone, are nobody's.
stolen = dict(made["Credentials"])
stolen["SessionToken"] = stolen["SessionToken"][:-2] + "AA"
with raises("InvalidClientTokenId", 403):
    session(stolen).client("sts").get_caller_identity()
with raises("InvalidClientTokenId", 403):
    session({**made["Credentials"], "SessionToken": None}).client("sts").get_caller_identity()
iam.detach_role_policy(RoleName="auditor", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
with raises("AccessDeniedException", 403):
    audits.client("lambda").list_functions()
iam.delete_role(RoleName="auditor")
with raises("InvalidClientTokenId", 403):
    audits.client("sts").get_caller_identity()

# Temporary credentials of a user end with the key that asked for them.
keys = iam.create_access_key(UserName="reader")["AccessKey"]
short = session(session(keys).client("sts").get_session_token()["Credentials"])
assert short.client("sts").get_caller_identity()["Arn"].endswith(":user/reader")
assert short.client("sqs").receive_message(QueueUrl=orders)["ResponseMetadata"]["HTTPStatusCode"] == 200
with raises("AccessDenied", 403):
    short.client("iam").create_access_key()
iam.update_access_key(UserName="reader", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
with raises("InvalidClientTokenId", 403):
    short.client("sts").get_caller_identity()

# What would be decided, and by which statement.
simulated = iam.simulate_principal_policy(
    PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/deploy",
    ActionNames=["lambda:InvokeFunction", "lambda:DeleteFunction", "s3:GetObject"],
    ResourceArns=[arn("lambda", "function:shop-orders")],
)["EvaluationResults"]
assert [one["EvalDecision"] for one in simulated] == ["allowed", "explicitDeny", "implicitDeny"], simulated
(matched,) = simulated[1]["MatchedStatements"]
assert (matched["SourcePolicyId"], matched["SourcePolicyType"]) == ("policy own of user/deploy", "user"), matched
assert matched["StartPosition"]["Line"] == 1 and matched["StartPosition"]["Column"] > 100, matched
custom = iam.simulate_custom_policy(
    PolicyInputList=[document(allow("sqs:*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))],
    ActionNames=["sqs:SendMessage"],
    ContextEntries=[
        {"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["192.0.2.7"], "ContextKeyType": "ip"},
    ],
)["EvaluationResults"]
assert custom[0]["EvalDecision"] == "allowed", custom
assert custom[0]["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1", custom
