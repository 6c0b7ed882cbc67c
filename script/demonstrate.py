"""Invokes the deployed example through the API (boto3) and its function URL, and measures it.

Usage: demonstrate.py READY_FILE FUNCTION_URL, with boto3 on PYTHONPATH.
"""

import base64
import http.client
import json
import statistics
import sys
import time
import urllib.parse

import boto3

COLD_STARTS = 5
WARM_INVOCATIONS = 200
EVENT = b'{"num1": 1, "num2": 2}'


def main():
    with open(sys.argv[1]) as file:
        server = json.load(file)
    client = boto3.client(
        "lambda",
        endpoint_url=server["endpoint"],
        region_name=server["region"],
        aws_access_key_id=server["accessKeyId"],
        aws_secret_access_key=server["secretAccessKey"],
    )
    cold = [cold_start(client, number) for number in range(COLD_STARTS)]
    warm = [invoke(client)[0] for _ in range(WARM_INVOCATIONS)]
    print(f"      through the API:   {invoke(client)[1]}")
    status, body = over_http(server["endpoint"], sys.argv[2])
    print(f"      through its URL:   {body}")
    print(f"      cold start         {statistics.median(cold):.2f} ms   median of {COLD_STARTS}, as the client sees it")
    print(f"      warm invocation    {statistics.median(warm):.2f} ms   median of {WARM_INVOCATIONS}, boto3's own work included")
    if status != 200 or json.loads(body) != {"result": 3}:
        sys.exit(f"error: the function URL answered {status} {body}")


def invoke(client, **options):
    """Milliseconds, result and the answer of one invocation."""
    start = time.perf_counter()
    answer = client.invoke(FunctionName="sum", Payload=EVENT, **options)
    result = answer["Payload"].read().decode()
    elapsed = (time.perf_counter() - start) * 1000
    if json.loads(result) != {"result": 3}:
        sys.exit(f"error: the function answered {result}")
    return elapsed, result, answer


def cold_start(client, number):
    """A changed configuration needs a new instance; its log says that it was one."""
    client.update_function_configuration(FunctionName="sum", Description=f"cold start {number} at {time.time()}")
    client.get_waiter("function_updated_v2").wait(FunctionName="sum", WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})
    elapsed, _, answer = invoke(client, LogType="Tail")
    if b"Init Duration" not in base64.b64decode(answer["LogResult"]):
        sys.exit("error: the invocation after a change of configuration was not a cold start")
    return elapsed


def over_http(endpoint, url):
    """Connects to the server itself: not every resolver knows that *.localhost is this machine."""
    address = urllib.parse.urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("POST", "/", EVENT, {"Host": urllib.parse.urlsplit(url).netloc, "Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read().decode()


main()
