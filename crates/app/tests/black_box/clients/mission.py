"""The mission's example: create a function with boto3 and invoke it. Only the environment says where."""

import io
import json
import os
import zipfile

import boto3

CODE = """import boto3
def lambda_handler(event, context):
    num1 = event['num1']
    num2 = event['num2']
    result = num1 + num2
    return {'result': result}
"""

package = io.BytesIO()
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr("lambda_function.py", CODE)

client = boto3.client("lambda")
created = client.create_function(
    FunctionName="my_lambda_function",
    Runtime=os.environ["KILN_TEST_RUNTIME"],
    Role="arn:aws:iam::123456789012:role/lambda-role",
    Handler="lambda_function.lambda_handler",
    Code={"ZipFile": package.getvalue()},
)
assert created["State"] == "Pending", created["State"]
client.get_waiter("function_active_v2").wait(FunctionName="my_lambda_function")

response = client.invoke(
    FunctionName="my_lambda_function",
    InvocationType="RequestResponse",
    Payload=json.dumps({"num1": 1, "num2": 2}),
)
assert response["StatusCode"] == 200, response
assert "FunctionError" not in response, response
assert response["ExecutedVersion"] == "$LATEST", response
assert json.loads(response["Payload"].read()) == {"result": 3}
