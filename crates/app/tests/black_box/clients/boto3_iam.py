"""Identities as boto3 knows them: what a tool that deploys a function does from its first role to the last key, and what is refused."""

import json
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from functions import create, raises

iam = boto3.client("iam")
lambda_ = boto3.client("lambda")
ACCOUNT = "000000000000"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def text(document, **how):
    return json.dumps(document, **how)


TRUST = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
WRITES = policy(allow(["s3:PutObject", "s3:GetObject"], "arn:aws:s3:::photos/*"))

# A role for a function, as a deploy tool makes it.
with raises("MalformedPolicyDocument", 400):
    iam.create_role(RoleName="thumbs", AssumeRolePolicyDocument="{")
made = iam.create_role(
    RoleName="thumbs",
    Path="/service/",
    AssumeRolePolicyDocument=text(TRUST, indent=2),
    Description="makes small pictures",
    MaxSessionDuration=7200,
    Tags=[{"Key": "team", "Value": "shop"}],
)["Role"]
assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service/thumbs", made
assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21, made
iam.get_waiter("role_exists").wait(RoleName="thumbs", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
shown = iam.get_role(RoleName="thumbs")["Role"]
assert shown["AssumeRolePolicyDocument"] == TRUST, shown
assert (shown["Description"], shown["MaxSessionDuration"]) == ("makes small pictures", 7200), shown
assert shown["CreateDate"] == made["CreateDate"] and shown["CreateDate"].year > 2000, shown
assert shown["Tags"] == [{"Key": "team", "Value": "shop"}], shown
with raises("EntityAlreadyExists", 409, "Role with name thumbs already exists."):
    iam.create_role(RoleName="thumbs", AssumeRolePolicyDocument=text(TRUST))
with raises("NoSuchEntity", 404, "The role with name other cannot be found."):
    iam.get_role(RoleName="other")
create(lambda_, "thumbs")

# Its policies: AWS's own, one of the account, one of its own.
iam.attach_role_policy(RoleName="thumbs", PolicyArn=BASIC)
iam.attach_role_policy(RoleName="thumbs", PolicyArn=BASIC)
writes = iam.create_policy(PolicyName="writes", Path="/shop/", PolicyDocument=text(WRITES), Description="photos")
writes = writes["Policy"]["Arn"]
assert writes == f"arn:aws:iam::{ACCOUNT}:policy/shop/writes", writes
with raises("EntityAlreadyExists", 409, "A policy called writes already exists. Duplicate names are not allowed."):
    iam.create_policy(PolicyName="writes", PolicyDocument=text(WRITES))
with raises("MalformedPolicyDocument", 400, "Policy statement must contain resources."):
    iam.create_policy(PolicyName="bad", PolicyDocument=text(policy({"Effect": "Allow", "Action": "s3:*"})))
iam.attach_role_policy(RoleName="thumbs", PolicyArn=writes)
iam.put_role_policy(RoleName="thumbs", PolicyName="own", PolicyDocument=text(WRITES))
own = iam.get_role_policy(RoleName="thumbs", PolicyName="own")
assert (own["RoleName"], own["PolicyDocument"]) == ("thumbs", WRITES), own
assert iam.list_role_policies(RoleName="thumbs")["PolicyNames"] == ["own"]
attached = iam.list_attached_role_policies(RoleName="thumbs")["AttachedPolicies"]
assert [one["PolicyArn"] for one in attached] == [BASIC, writes], attached
in_shop = iam.list_attached_role_policies(RoleName="thumbs", PathPrefix="/shop/")["AttachedPolicies"]
assert [one["PolicyName"] for one in in_shop] == ["writes"], in_shop
with raises("NoSuchEntity", 404, "Policy arn:aws:iam::aws:policy/Nonsense does not exist or is not attachable."):
    iam.attach_role_policy(RoleName="thumbs", PolicyArn="arn:aws:iam::aws:policy/Nonsense")
basic = iam.get_policy(PolicyArn=BASIC)["Policy"]
assert (basic["AttachmentCount"], basic["IsAttachable"]) == (1, True), basic
says = iam.get_policy_version(PolicyArn=BASIC, VersionId=basic["DefaultVersionId"])["PolicyVersion"]["Document"]
assert "logs:PutLogEvents" in says["Statement"][0]["Action"], says
users_of = iam.list_entities_for_policy(PolicyArn=writes)
assert [one["RoleName"] for one in users_of["PolicyRoles"]] == ["thumbs"], users_of

# A new version of the policy, and the old one back.
second = iam.create_policy_version(PolicyArn=writes, PolicyDocument=text(policy(allow("s3:*"))), SetAsDefault=True)
assert second["PolicyVersion"]["VersionId"] == "v2" and second["PolicyVersion"]["IsDefaultVersion"], second
versions = iam.list_policy_versions(PolicyArn=writes)["Versions"]
assert [(one["VersionId"], one["IsDefaultVersion"]) for one in versions] == [("v2", True), ("v1", False)], versions
iam.set_default_policy_version(PolicyArn=writes, VersionId="v1")
assert iam.get_policy_version(PolicyArn=writes, VersionId="v2")["PolicyVersion"]["Document"] == policy(allow("s3:*"))
with raises("DeleteConflict", 409, "Cannot delete the default version of a policy."):
    iam.delete_policy_version(PolicyArn=writes, VersionId="v1")

# Changes of the role.
iam.update_role(RoleName="thumbs", Description="", MaxSessionDuration=3600)
both = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, TRUST["Statement"][0])
iam.update_assume_role_policy(RoleName="thumbs", PolicyDocument=text(both))
iam.tag_role(RoleName="thumbs", Tags=[{"Key": "Team", "Value": "photos"}, {"Key": "stage", "Value": ""}])
iam.untag_role(RoleName="thumbs", TagKeys=["stage"])
assert iam.list_role_tags(RoleName="thumbs")["Tags"] == [{"Key": "Team", "Value": "photos"}]
with raises("InvalidInput", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive."):
    iam.tag_role(RoleName="thumbs", Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}])
iam.put_role_permissions_boundary(RoleName="thumbs", PermissionsBoundary=writes)
shown = iam.get_role(RoleName="thumbs")["Role"]
assert shown["AssumeRolePolicyDocument"] == both and shown["MaxSessionDuration"] == 3600, shown
assert shown["PermissionsBoundary"]["PermissionsBoundaryArn"] == writes, shown
iam.delete_role_permissions_boundary(RoleName="thumbs")
assert "PermissionsBoundary" not in iam.get_role(RoleName="thumbs")["Role"]

# Lists, page by page.
for number in range(7):
    iam.create_user(UserName=f"robot-{number}", Path="/robots/" if number % 2 else "/")
pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
assert [len(page["Users"]) for page in pages] == [3, 3, 1], pages
assert [page["IsTruncated"] for page in pages] == [True, True, False], pages
robots = iam.get_paginator("list_users").paginate(PathPrefix="/robots/").build_full_result()["Users"]
assert [user["UserName"] for user in robots] == ["robot-1", "robot-3", "robot-5"], robots
local = iam.list_policies(Scope="Local")["Policies"]
assert [one["PolicyName"] for one in local] == ["writes"], local
used = iam.list_policies(OnlyAttached=True)["Policies"]
assert [one["PolicyName"] for one in used] == ["AWSLambdaBasicExecutionRole", "writes"], used
assert "AdministratorAccess" in [one["PolicyName"] for one in iam.list_policies(Scope="AWS")["Policies"]]

# A user in a group, with a key that is replaced while both are good.
user = iam.create_user(UserName="deploy", Tags=[{"Key": "kind", "Value": "robot"}])["User"]
assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/deploy" and user["UserId"].startswith("AIDA"), user
iam.create_group(GroupName="robots")
iam.put_group_policy(GroupName="robots", PolicyName="all", PolicyDocument=text(policy(allow(["lambda:*", "iam:*AccessKey*", "iam:GetUser"]))))
iam.add_user_to_group(GroupName="robots", UserName="deploy")
assert [one["UserName"] for one in iam.get_group(GroupName="robots")["Users"]] == ["deploy"]
assert [one["GroupName"] for one in iam.list_groups_for_user(UserName="deploy")["Groups"]] == ["robots"]


def by(key, service="sts"):
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return boto3.client(service, config=Config(retries={"max_attempts": 0}), **keys)


first = iam.create_access_key(UserName="deploy")["AccessKey"]
assert (first["UserName"], first["Status"], len(first["SecretAccessKey"])) == ("deploy", "Active", 40), first
unused = iam.get_access_key_last_used(AccessKeyId=first["AccessKeyId"])
assert unused["AccessKeyLastUsed"]["ServiceName"] == "N/A" and unused["UserName"] == "deploy", unused
who = by(first).get_caller_identity()
assert (who["Arn"], who["UserId"]) == (user["Arn"], user["UserId"]), who
second = by(first, "iam").create_access_key()["AccessKey"]
assert second["UserName"] == "deploy", second
with raises("LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2"):
    iam.create_access_key(UserName="deploy")
assert by(second).get_caller_identity()["Arn"] == user["Arn"]
iam.update_access_key(UserName="deploy", AccessKeyId=first["AccessKeyId"], Status="Inactive")
with raises("InvalidClientTokenId", 403):
    by(first).get_caller_identity()
assert by(second, "iam").get_user()["User"]["UserName"] == "deploy"
listed = iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]
assert {one["AccessKeyId"]: one["Status"] for one in listed} == {
    first["AccessKeyId"]: "Inactive",
    second["AccessKeyId"]: "Active",
}, listed
used = iam.get_access_key_last_used(AccessKeyId=second["AccessKeyId"])["AccessKeyLastUsed"]
assert used["ServiceName"] == "sts" and abs(used["LastUsedDate"].timestamp() - time.time()) < 600, used
iam.update_user(UserName="deploy", NewUserName="deployer", NewPath="/tools/")
who = by(second).get_caller_identity()
assert (who["Arn"], who["UserId"]) == (f"arn:aws:iam::{ACCOUNT}:user/tools/deployer", user["UserId"]), who

# What is whose, all at once.
whole = iam.get_account_authorization_details(Filter=["User", "Role"])
deployer = [one for one in whole["UserDetailList"] if one["UserName"] == "deployer"][0]
assert deployer["GroupList"] == ["robots"], deployer
assert whole["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"] == WRITES, whole
summary = iam.get_account_summary()["SummaryMap"]
assert (summary["Users"], summary["Roles"], summary["Policies"]) == (8, 1, 1), summary
assert iam.list_account_aliases()["AccountAliases"] == []
assert iam.list_instance_profiles_for_role(RoleName="thumbs")["InstanceProfiles"] == []
with raises("InvalidInput", 400):
    iam.create_service_linked_role(AWSServiceName="lambda.amazonaws.com")

# Everything goes, in its order.
with raises("DeleteConflict", 409, "Cannot delete entity, must delete access keys first."):
    iam.delete_user(UserName="deployer")
for key in (first, second):
    iam.delete_access_key(UserName="deployer", AccessKeyId=key["AccessKeyId"])
with raises("InvalidClientTokenId", 403):
    by(second).get_caller_identity()
with raises("DeleteConflict", 409, "Cannot delete entity, must remove users from group first."):
    iam.delete_user(UserName="deployer")
with raises("DeleteConflict", 409, "Cannot delete entity, must remove users from group first."):
    iam.delete_group(GroupName="robots")
iam.remove_user_from_group(GroupName="robots", UserName="deployer")
iam.delete_user(UserName="deployer")
with raises("DeleteConflict", 409, "Cannot delete entity, must delete policies first."):
    iam.delete_group(GroupName="robots")
iam.delete_group_policy(GroupName="robots", PolicyName="all")
iam.delete_group(GroupName="robots")
with raises("DeleteConflict", 409, "Cannot delete entity, must detach all policies first."):
    iam.delete_role(RoleName="thumbs")
with raises("DeleteConflict", 409, "Cannot delete a policy attached to entities."):
    iam.delete_policy(PolicyArn=writes)
for arn in (BASIC, writes):
    iam.detach_role_policy(RoleName="thumbs", PolicyArn=arn)
with raises("NoSuchEntity", 404, f"Policy {BASIC} was not found."):
    iam.detach_role_policy(RoleName="thumbs", PolicyArn=BASIC)
with raises("DeleteConflict", 409, "Cannot delete entity, must delete policies first."):
    iam.delete_role(RoleName="thumbs")
iam.delete_role_policy(RoleName="thumbs", PolicyName="own")
iam.delete_role(RoleName="thumbs")
try:
    iam.delete_policy(PolicyArn=writes)
    raise AssertionError("it has two versions")
except ClientError as error:
    assert "more than one version" in error.response["Error"]["Message"], error
iam.delete_policy_version(PolicyArn=writes, VersionId="v2")
iam.delete_policy(PolicyArn=writes)
with raises("NoSuchEntity", 404, f"Policy {writes} was not found."):
    iam.get_policy(PolicyArn=writes)
