"""Makes botocore_vectors.json: requests signed by botocore, for the tests of the verifier.

Run with the pinned botocore: python3 botocore_vectors.py > botocore_vectors.json
"""

import datetime
import json

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime.datetime(2026, 11, 23, 13, 23, 0)
HOST = "http://127.0.0.1:4566"
ARN = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Asum"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

CASES = [
    ("list with a query in any order", "lambda", "GET", "/2015-03-31/functions?MaxItems=10&Marker=a%2Bb%3D%3D", {}, ""),
    ("invoke by name", "lambda", "POST", "/2015-03-31/functions/sum/invocations", {"X-Amz-Log-Type": "Tail"}, '{"a": 1}'),
    ("invoke by encoded ARN", "lambda", "POST", f"/2015-03-31/functions/{ARN}/invocations", {}, "{}"),
    ("an ARN that is not encoded", "lambda", "GET", "/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:sum", {}, ""),
    ("a qualifier with a dollar", "lambda", "GET", "/2015-03-31/functions/sum?Qualifier=%24LATEST", {}, ""),
    ("repeated query keys", "lambda", "DELETE", f"/2017-03-31/tags/{ARN}?tagKeys=b&tagKeys=a&tagKeys=b%20c", {}, ""),
    ("a query key without a value", "lambda", "GET", "/2015-03-31/functions?Marker=&MaxItems=1", {}, ""),
    ("whitespace in headers", "lambda", "GET", "/2015-03-31/functions", {"X-Amz-Meta": "  a   b  "}, ""),
    ("dots and doubled slashes", "lambda", "GET", "/2015-03-31//functions/./x/../sum", {}, ""),
    ("text outside ASCII in the body", "lambda", "POST", "/2015-03-31/functions/sum/invocations", {}, '{"名": "é"}'),
    ("an unsigned payload", "lambda", "POST", "/2015-03-31/functions/sum/invocations", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, "{}"),
    ("a log target", "logs", "POST", "/", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}, "{}"),
    ("a form", "sts", "POST", "/", FORM, "Action=GetCallerIdentity&Version=2011-06-15"),
]
PRESIGNED = [
    ("presigned caller identity", "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", {}, ""),
    ("presigned list with a query", "lambda", "GET", "/2015-03-31/functions?Marker=a%2Bb&MaxItems=2", {}, ""),
    ("presigned with a signed header", "lambda", "GET", "/2015-03-31/functions", {"X-Kiln": "one"}, ""),
]


def sign(signer, case):
    name, service, method, uri, headers, body = case
    request = AWSRequest(method=method, url=HOST + uri, headers=headers, data=body.encode())
    signer(service).add_auth(request)
    prepared = request.prepare()
    sent = {str(key): str(value) for key, value in prepared.headers.items()}
    sent.setdefault("Host", "127.0.0.1:4566")
    sent.pop("Content-Length", None)
    return {
        "name": name,
        "service": service,
        "method": method,
        "uri": prepared.url.removeprefix(HOST),
        "headers": sent,
        "body": body,
    }


botocore.auth.get_current_datetime = lambda *_, **__: NOW
in_headers = lambda service: botocore.auth.SigV4Auth(KEY, service, "us-east-1")
in_query = lambda service: botocore.auth.SigV4QueryAuth(KEY, service, "us-east-1", expires=900)
vectors = [sign(in_headers, case) for case in CASES] + [sign(in_query, case) for case in PRESIGNED]
document = {"botocore": botocore.__version__, "now": NOW.strftime("%Y%m%dT%H%M%SZ"), "vectors": vectors}
print(json.dumps(document, indent=1, ensure_ascii=False))
