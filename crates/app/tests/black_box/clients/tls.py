"""Addresses of a server with TLS begin with https and lead there; functions inside reach it all the same."""

import http.client
import io
import json
import os
import socket
import ssl
import urllib.request
import zipfile

import boto3

CODE = """import boto3
def handler(event, context):
    if 'headers' in event:
        return {'statusCode': 200, 'body': event['headers']['x-forwarded-proto']}
    sqs = boto3.client('sqs')
    url = sqs.get_queue_url(QueueName='orders')['QueueUrl']
    sqs.send_message(QueueUrl=url, MessageBody='from inside')
    return url
"""

trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])


def get(url):
    # A resolver may not know the names below localhost.
    host = url.split("/")[2]
    port = host.rsplit(":", 1)[1]
    connection = http.client.HTTPSConnection(host, context=trust)
    plain = socket.create_connection(("127.0.0.1", int(port)))
    connection.sock = trust.wrap_socket(plain, server_hostname=host.rsplit(":", 1)[0])
    connection.request("GET", "/" + url.split("/", 3)[3])
    answer = connection.getresponse()
    return answer.status, answer.read()


package = io.BytesIO()
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr("app.py", CODE)

functions = boto3.client("lambda")
functions.create_function(
    FunctionName="inside",
    Runtime=os.environ["KILN_TEST_RUNTIME"],
    Role="arn:aws:iam::000000000000:role/r",
    Handler="app.handler",
    Timeout=30,
    Code={"ZipFile": package.getvalue()},
)
functions.get_waiter("function_active_v2").wait(FunctionName="inside")

queue = boto3.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
assert queue.startswith("https://localhost:"), queue

answer = functions.invoke(FunctionName="inside", Payload=b"{}")
assert "FunctionError" not in answer, answer["Payload"].read()
inside = json.loads(answer["Payload"].read())
assert inside.startswith("http://127.0.0.1:"), inside
message = boto3.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=10)
assert message["Messages"][0]["Body"] == "from inside"

url = functions.create_function_url_config(FunctionName="inside", AuthType="NONE")["FunctionUrl"]
for action in ["InvokeFunctionUrl", "InvokeFunction"]:
    extra = {"FunctionUrlAuthType": "NONE"} if action == "InvokeFunctionUrl" else {"InvokedViaFunctionUrl": True}
    functions.add_permission(
        FunctionName="inside", StatementId=action, Action="lambda:" + action, Principal="*", **extra
    )
assert url.startswith("https://"), url
assert get(url) == (200, b"https"), get(url)

location = functions.get_function(FunctionName="inside")["Code"]["Location"]
assert location.startswith("https://localhost:"), location
with urllib.request.urlopen(location, context=trust) as code:
    assert code.read() == package.getvalue()

api = boto3.client("apigatewayv2").create_api(Name="inside", ProtocolType="HTTP")
assert api["ApiEndpoint"].startswith("https://"), api["ApiEndpoint"]
