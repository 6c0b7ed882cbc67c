"""What surrounds a function: permissions, tags, concurrency, the account, and who is calling."""

import json

import boto3
from functions import create, raises

client = boto3.client("lambda")
arn = create(client, "around")["FunctionArn"]

# Permissions are one policy document.
with raises("ResourceNotFoundException", 404):
    client.get_policy(FunctionName="around")
added = client.add_permission(
    FunctionName="around", StatementId="s3", Action="lambda:InvokeFunction",
    Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::photos", SourceAccount="000000000000",
)
statement = json.loads(added["Statement"])
assert statement["Principal"] == {"Service": "s3.amazonaws.com"}, statement
assert statement["Resource"] == arn and statement["Effect"] == "Allow", statement
assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": "arn:aws:s3:::photos"}, statement
with raises("ResourceConflictException", 409, "The statement id (s3) provided already exists."):
    client.add_permission(FunctionName="around", StatementId="s3", Action="lambda:InvokeFunction", Principal="*")
policy = client.get_policy(FunctionName="around")
assert [s["Sid"] for s in json.loads(policy["Policy"])["Statement"]] == ["s3"]
with raises("PreconditionFailedException", 412):
    client.remove_permission(FunctionName="around", StatementId="s3", RevisionId="0" * 36)
client.remove_permission(FunctionName="around", StatementId="s3", RevisionId=policy["RevisionId"])
with raises("ResourceNotFoundException", 404):
    client.get_policy(FunctionName="around")
with raises("ResourceNotFoundException", 404):
    client.remove_permission(FunctionName="around", StatementId="s3")

# Tags.
client.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
client.tag_resource(Resource=arn, Tags={"b": "3"})
client.untag_resource(Resource=arn, TagKeys=["a", "absent"])
assert client.list_tags(Resource=arn)["Tags"] == {"b": "3"}

# Concurrency: reserved is taken from the account's unreserved, which keeps at least 100.
assert client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000
assert client.get_account_settings()["AccountUsage"]["FunctionCount"] == 1
assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="around")
assert client.put_function_concurrency(FunctionName="around", ReservedConcurrentExecutions=7)["ReservedConcurrentExecutions"] == 7
assert client.get_function_concurrency(FunctionName="around")["ReservedConcurrentExecutions"] == 7
assert client.get_function(FunctionName="around")["Concurrency"] == {"ReservedConcurrentExecutions": 7}
assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 993
with raises("InvalidParameterValueException", 400, "decreases account's UnreservedConcurrentExecution below its minimum value of [100]"):
    client.put_function_concurrency(FunctionName="around", ReservedConcurrentExecutions=901)
client.delete_function_concurrency(FunctionName="around")
assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="around")

# A function URL's settings.
made = client.create_function_url_config(FunctionName="around", AuthType="NONE")
assert made["FunctionUrl"].endswith("/") and ".lambda-url.us-east-1." in made["FunctionUrl"], made
with raises("ResourceConflictException", 409, "FunctionUrlConfig exists for this Lambda function"):
    client.create_function_url_config(FunctionName="around", AuthType="NONE")
changed = client.update_function_url_config(FunctionName="around", AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]})
assert changed["AuthType"] == "AWS_IAM" and changed["FunctionUrl"] == made["FunctionUrl"]
cors = client.get_function_url_config(FunctionName="around")["Cors"]
assert cors["AllowOrigins"] == ["*"], cors
assert len(client.list_function_url_configs(FunctionName="around")["FunctionUrlConfigs"]) == 1
client.delete_function_url_config(FunctionName="around")
with raises("ResourceNotFoundException", 404):
    client.get_function_url_config(FunctionName="around")

identity = boto3.client("sts").get_caller_identity()
assert identity["Account"] == "000000000000", identity
assert identity["Arn"].startswith("arn:aws:"), identity
