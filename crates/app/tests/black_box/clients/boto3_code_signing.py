"""Code signing: by `kiln sign`, by another program that knows the format, and by no one. Takes the `kiln` program."""

import base64
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import boto3
from functions import ROLE, RUNTIME, package, raises

KILN = sys.argv[1]
FOLDER = pathlib.Path(tempfile.mkdtemp())
REFUSED = "The function or layer might be signed using a signature that the client is not configured to accept"

client = boto3.client("lambda")


def run(*words, text=True):
    return subprocess.run(words, check=True, capture_output=True, text=text, cwd=FOLDER).stdout


def kiln(*words):
    return json.loads(run(KILN, "--output", "json", *words))


def source(value):
    return f"def handler(event, context): return {value}"


def write(name, content):
    (FOLDER / name).write_bytes(content)
    return name


def read(name):
    return (FOLDER / name).read_bytes()


def entries(zipped):
    archive = zipfile.ZipFile(io.BytesIO(zipped))
    return {name: archive.read(name) for name in archive.namelist()}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sign_by_hand(files, profile, expires, private):
    """The format of docs/guide/code-signing.md, written down once more."""
    paths = {path: f"100644 {hashlib.sha256(content).hexdigest()} {path}" for path, content in files.items()}
    for path in list(paths):
        for parent in pathlib.PurePosixPath(path).parents:
            if str(parent) != ".":
                paths[str(parent)] = f"040000 - {parent}"
    lines = [paths[path] for path in sorted(paths, key=str.encode)]
    content = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
    statement = (
        f"kiln code signature 1\nprofile {profile}\njob by-hand\nsigned 2020-01-01T00:00:00Z\n"
        f"expires {expires}\ncontent {content}\n"
    ).encode()
    write("by-hand", statement)
    signature = run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", "by-hand", text=False)
    own = {"META-INF/kiln/statement": statement, "META-INF/kiln/signature": base64.b64encode(signature)}
    return zipped({**files, **own})


def create(name, code, config=None, **more):
    if config:
        more["CodeSigningConfigArn"] = config
    created = client.create_function(
        FunctionName=name, Runtime=RUNTIME, Role=ROLE, Handler="index.handler", Code={"ZipFile": code}, **more
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return created


def call(name):
    answer = client.invoke(FunctionName=name, Payload=b"{}")
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result


# Who signs is known by a public key; the private one goes nowhere.
profiles = {}
for name in ["ci", "other"]:
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem")
    run("openssl", "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub")
    profiles[name] = kiln("signing-profiles", "add", name, "--key", f"{name}.pub")["arn"]
run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.pem")
run("openssl", "pkey", "-in", "ec.pem", "-pubout", "-out", "ec.pub")
profiles["ec"] = kiln("signing-profiles", "add", "ec", "--key", "ec.pub")["arn"]
assert {one["arn"] for one in kiln("signing-profiles", "list")} == set(profiles.values())
wrong = subprocess.run([KILN, "signing-profiles", "add", "x1", "--key", "ci.pem"], cwd=FOLDER, capture_output=True)
assert wrong.returncode == 2 and b"private key" in wrong.stderr, wrong

# Configurations, as AWS has them.
def config(policy, *names):
    return client.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profiles[name] for name in names]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": policy},
    )["CodeSigningConfig"]


enforce, warn = config("Enforce", "ci", "ec"), config("Warn", "ci")
assert enforce["CodeSigningConfigArn"].endswith(":code-signing-config:" + enforce["CodeSigningConfigId"]), enforce
assert enforce["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
listed = client.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 1})
listed = [one["CodeSigningConfigId"] for page in listed for one in page["CodeSigningConfigs"]]
assert sorted(listed) == sorted([enforce["CodeSigningConfigId"], warn["CodeSigningConfigId"]])
enforced, warned = enforce["CodeSigningConfigArn"], warn["CodeSigningConfigArn"]

# Signed code is let in, says who signed it, and runs.
write("code.zip", package(source(1)))
run(KILN, "sign", "code.zip", "--key", "ci.pem", "--profile", profiles["ci"], "--expires", "1")
signed = read("code.zip")
created = create("signed", signed, enforced)
assert created["SigningProfileVersionArn"] == profiles["ci"], created
assert ":/signing-jobs/" in created["SigningJobArn"], created
assert call("signed") == 1
got = client.get_function_code_signing_config(FunctionName="signed")
assert got["CodeSigningConfigArn"] == enforced and got["FunctionName"] == "signed"
functions = client.list_functions_by_code_signing_config(CodeSigningConfigArn=enforced)["FunctionArns"]
assert functions == [created["FunctionArn"]], functions

# So is what another program signed: by hand, and by a P-256 key that kiln never sees, as cosign's.
files = {"index.py": source(2).encode(), "lib/deep/a.py": b"x = 1"}
client.update_function_code(
    FunctionName="signed", ZipFile=sign_by_hand(files, profiles["ci"], "never", "ci.pem")
)
client.get_waiter("function_updated_v2").wait(FunctionName="signed")
assert call("signed") == 2
write("other.zip", package(source(3)))
write("statement", run(KILN, "sign", "other.zip", "--profile", profiles["ec"], "--print-statement", text=False))
ecdsa = run("openssl", "dgst", "-sha256", "-sign", "ec.pem", "statement", text=False)
write("signature", base64.b64encode(ecdsa))
run(KILN, "sign", "other.zip", "--with", "statement", "signature")
updated = client.update_function_code(FunctionName="signed", ZipFile=read("other.zip"))
assert updated["SigningProfileVersionArn"] == profiles["ec"], updated
client.get_waiter("function_updated_v2").wait(FunctionName="signed")
assert call("signed") == 3

# Anything else is refused where that is enforced, and let in where it is warned of.
expired = sign_by_hand(files, profiles["ci"], "2020-01-02T00:00:00Z", "ci.pem")
by_other = sign_by_hand(files, profiles["other"], "never", "other.pem")
for number, (code, why) in enumerate(
    [(package(source(4)), "not signed"), (expired, "expired"), (by_other, "does not allow")]
):
    with raises("CodeVerificationFailedException", 400, REFUSED):
        create(f"refused-{number}", code, enforced)
    with raises("CodeVerificationFailedException", 400, why):
        client.update_function_code(FunctionName="signed", ZipFile=code)
    create(f"warned-{number}", code, warned)
assert call("signed") == 3 and call("warned-0") == 4

# What was altered after it was signed is refused by both.
altered = {**entries(signed), "index.py": source(666).encode()}
added = {**entries(signed), "sitecustomize.py": b"x = 1"}
stolen = {**entries(signed), "META-INF/kiln/signature": entries(read("other.zip"))["META-INF/kiln/signature"]}
for number, files_ in enumerate([altered, added, stolen]):
    for arn in [enforced, warned]:
        with raises("InvalidCodeSignatureException", 400, "integrity check"):
            create(f"altered-{number}", zipped(files_), arn)
# AWS asks nothing of functions without a configuration; nor is anybody named who did not sign that.
assert "SigningProfileVersionArn" not in create("free", zipped(altered))

# Layers too.
def publish(code):
    return client.publish_layer_version(LayerName="deps", Content={"ZipFile": code})


layer = {"python/dep.py": b"VALUE = 7"}
unsigned_layer = publish(zipped(layer))
signed_layer = publish(sign_by_hand(layer, profiles["ci"], "never", "ci.pem"))
assert "SigningProfileVersionArn" not in unsigned_layer["Content"]
assert signed_layer["Content"]["SigningProfileVersionArn"] == profiles["ci"]
with raises("CodeVerificationFailedException", 400, unsigned_layer["LayerVersionArn"]):
    client.update_function_configuration(FunctionName="signed", Layers=[unsigned_layer["LayerVersionArn"]])
attached = client.update_function_configuration(FunctionName="signed", Layers=[signed_layer["LayerVersionArn"]])
assert attached["Layers"][0]["SigningProfileVersionArn"] == profiles["ci"], attached
client.get_waiter("function_updated_v2").wait(FunctionName="signed")
assert call("signed") == 3

# Tags and changes of configurations.
client.tag_resource(Resource=enforced, Tags={"team": "a"})
assert client.list_tags(Resource=enforced)["Tags"] == {"team": "a"}
client.untag_resource(Resource=enforced, TagKeys=["team"])
assert client.list_tags(Resource=enforced)["Tags"] == {}
changed = client.update_code_signing_config(CodeSigningConfigArn=warned, Description="told")["CodeSigningConfig"]
assert changed["Description"] == "told" and changed["AllowedPublishers"] == warn["AllowedPublishers"], changed

# A configuration that functions have cannot be deleted.
with raises("ResourceConflictException", 409):
    client.delete_code_signing_config(CodeSigningConfigArn=warned)
for number in range(3):
    client.delete_function_code_signing_config(FunctionName=f"warned-{number}")
assert "CodeSigningConfigArn" not in client.get_function_code_signing_config(FunctionName="warned-0")
client.delete_code_signing_config(CodeSigningConfigArn=warned)
with raises("ResourceNotFoundException", 404, f"The Lambda code signing configuration {warned} can not be found."):
    client.get_code_signing_config(CodeSigningConfigArn=warned)
with raises("CodeSigningConfigNotFoundException", 404, warned):
    client.put_function_code_signing_config(FunctionName="free", CodeSigningConfigArn=warned)

# A key that is revoked: nothing that it signed is deployed any more, or started where that is enforced.
create("another", signed)
client.put_function_code_signing_config(FunctionName="another", CodeSigningConfigArn=enforced)
assert call("another") == 1
revoked = kiln("signing-profiles", "revoke", profiles["ci"])
assert revoked["status"] == "Revoked", revoked
with raises("CodeVerificationFailedException", 400, "revoked"):
    create("late", signed, enforced)
client.update_function_configuration(FunctionName="another", Description="has new instances")
client.get_waiter("function_updated_v2").wait(FunctionName="another")
for _ in range(2):
    with raises("CodeVerificationFailedException", 400, "revoked"):
        call("another")
client.delete_function_code_signing_config(FunctionName="another")
assert call("another") == 1
denied = [one["record"]["eventName"] for one in kiln("audit", "show", "--name", "UntrustedArtifactOnStart")]
assert denied == ["UntrustedArtifactOnStart"], denied
denied = kiln("audit", "show", "--name", "UntrustedArtifactOnDeployment")
assert len(denied) == 3, denied
