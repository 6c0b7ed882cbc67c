"""SnapStart: published versions whose instances start from a snapshot."""

import concurrent.futures
import json
import re

import boto3
from functions import RUNTIME, create, raises

client = boto3.client("lambda")

SOURCE = '''
import json, os, random, ssl, time, uuid
import boto3
from snapshot_restore_py import register_after_restore, register_before_snapshot

S3 = boto3.client("s3", region_name="us-east-1")
TABLE = boto3.resource("dynamodb", region_name="us-east-1").Table("t")
INIT = [str(uuid.uuid4()), time.time()]
CALLED = []
print("init code runs")
with open("/tmp/from-init", "w") as file:
    file.write("kept")

@register_before_snapshot
def before(*args):
    print("before snapshot")
    CALLED.append("before")

@register_after_restore
def after(*args):
    print("after restore")
    CALLED.append("after")

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    with open("/tmp/from-init") as file:
        kept = file.read()
    other = os.path.exists("/tmp/mine")
    with open("/tmp/mine", "w") as file:
        file.write("x")
    return {
        "init": INIT, "called": CALLED, "kept": kept, "other": other, "pid": os.getpid(),
        "processes": sorted(name for name in os.listdir("/proc") if name.isdigit()),
        "uuid": str(uuid.uuid4()), "random": random.random(), "tls": ssl.RAND_bytes(8).hex(),
        "bucket": S3.meta.service_model.service_name, "table": TABLE.name,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], "same_stream": context.log_stream_name,
        "version": context.function_version,
    }
'''


def call(qualifier, event, name="snapped"):
    answer = client.invoke(
        FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event), LogType="Tail"
    )
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result, __import__("base64").b64decode(answer["LogResult"]).decode()


def publish(name):
    version = client.publish_version(FunctionName=name)
    assert version["State"] == "Pending" and version["StateReasonCode"] == "Creating", version
    client.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version["Version"], WaiterConfig={"Delay": 1}
    )
    return version["Version"]


# $LATEST says that it applies, and is itself initialised like any.
created = create(client, "snapped", SOURCE, MemorySize=256, Timeout=30,
                 SnapStart={"ApplyOn": "PublishedVersions"})
assert created["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}, created
latest, log = call("$LATEST", {})
assert latest["type"] == "on-demand" and latest["called"] == [], latest
assert "Init Duration" in log and "Restore Duration" not in log, log

# Versions are published with a snapshot.
assert publish("snapped") == "1"
shown = client.get_function_configuration(FunctionName="snapped", Qualifier="1")
assert shown["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}, shown
assert shown["State"] == "Active", shown

# Every instance has the state of one init and is otherwise its own.
with concurrent.futures.ThreadPoolExecutor(4) as threads:
    answers = list(threads.map(lambda _: call("1", {"sleep": 1}), range(4)))
results = [result for result, _ in answers]
assert len({json.dumps(result["init"]) for result in results}) == 1, results
for key in ("uuid", "random", "tls", "stream"):
    assert len({result[key] for result in results}) == 4, (key, results)
for result, log in answers:
    assert result["called"] == ["before", "after"], result
    assert result["kept"] == "kept" and result["other"] is False, result
    # Its own process, and nobody else's.
    assert result["processes"] == [str(result["pid"])], result
    assert result["type"] == "snap-start" and result["version"] == "1", result
    assert result["stream"] == result["same_stream"], result
    assert (result["bucket"], result["table"]) == ("s3", "t"), result
    report = re.search(r"REPORT .*Restore Duration: ([0-9.]+) ms\tBilled Restore Duration: (\d+) ms", log)
    assert report and "Init Duration" not in log, log
    assert int(report[2]) <= float(report[1]) + 1, log

# A second invocation is a warm one.
again, log = call("1", {})
assert again["uuid"] not in {result["uuid"] for result in results} and again["other"], again
assert "Restore Duration" not in log, log

# The init code has run once for the version, and its log says so.
logs = boto3.client("logs")
events = logs.filter_log_events(logGroupName="/aws/lambda/snapped")["events"]
texts = [(event["logStreamName"], event["message"].strip()) for event in events]
of_version = [text for stream, text in texts if "[1]" in stream]
assert of_version.count("init code runs") == 1, of_version
assert of_version.count("before snapshot") == 1, of_version
assert of_version.count("after restore") == 4, of_version
assert sum(text.startswith("RESTORE_START Runtime Version: ") for text in of_version) == 4, of_version
assert sum(text.startswith("RESTORE_REPORT Restore Duration: ") for text in of_version) == 4, of_version

# A version that cannot be initialised fails, and says why.
create(client, "broken", "raise ValueError('no table')\n", SnapStart={"ApplyOn": "PublishedVersions"})
client.publish_version(FunctionName="broken")
deadline = __import__("time").time() + 30
while True:
    shown = client.get_function_configuration(FunctionName="broken", Qualifier="1")
    if shown["State"] != "Pending":
        break
    assert __import__("time").time() < deadline, shown
assert shown["State"] == "Failed", shown
assert shown["StateReasonCode"] == "FunctionError.RuntimeInitError", shown
assert "no table" in shown["StateReason"], shown
assert shown["SnapStart"]["OptimizationStatus"] == "Off", shown
with raises("ResourceConflictException", 409):
    client.invoke(FunctionName="broken", Qualifier="1")

# So does one whose hook before the snapshot fails.
hook = '''
from snapshot_restore_py import register_before_snapshot

@register_before_snapshot
def before():
    raise KeyError("before")

def handler(event, context): pass
'''
create(client, "hooked", hook, SnapStart={"ApplyOn": "PublishedVersions"})
client.publish_version(FunctionName="hooked")
while True:
    shown = client.get_function_configuration(FunctionName="hooked", Qualifier="1")
    if shown["State"] != "Pending":
        break
assert shown["State"] == "Failed", shown
assert "Runtime.BeforeSnapshotError" in shown["StateReason"], shown

# One that runs a thread cannot be kept: it is initialised for each instance, with its hooks.
threaded = '''
import threading, time
from snapshot_restore_py import register_after_restore
threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
CALLED = []
register_after_restore(CALLED.append, "after")
def handler(event, context): return CALLED
'''
create(client, "threaded", threaded, SnapStart={"ApplyOn": "PublishedVersions"})
assert publish("threaded") == "1"
shown = client.get_function_configuration(FunctionName="threaded", Qualifier="1")
assert shown["SnapStart"]["OptimizationStatus"] == "Off", shown
result, log = call("1", {}, "threaded")
assert result == ["after"] and "Init Duration" in log, (result, log)

# A version may not be ready yet.
slow = "import time\ntime.sleep(5)\ndef handler(event, context): return 1\n"
create(client, "slow", slow, SnapStart={"ApplyOn": "PublishedVersions"})
client.publish_version(FunctionName="slow")
with raises("SnapStartNotReadyException", 409):
    client.invoke(FunctionName="slow", Qualifier="1")
client.get_waiter("published_version_active").wait(
    FunctionName="slow", Qualifier="1", WaiterConfig={"Delay": 1}
)
assert call("1", {}, "slow")[0] == 1

# What AWS does not offer together is refused.
with raises("InvalidParameterValueException", 400):
    client.update_function_configuration(FunctionName="slow", EphemeralStorage={"Size": 1024})
client.update_function_configuration(FunctionName="slow", SnapStart={"ApplyOn": "None"})
client.get_waiter("function_updated_v2").wait(FunctionName="slow")
plain = client.publish_version(FunctionName="slow")
assert plain["State"] == "Active" and plain["SnapStart"]["ApplyOn"] == "None", plain
