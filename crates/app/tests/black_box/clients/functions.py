"""What the programs of this folder share: a package, a function that is ready, a mapping in some
state, an expected error."""

import contextlib
import io
import os
import time
import zipfile

import botocore.exceptions

RUNTIME = os.environ["KILN_TEST_RUNTIME"]
ROLE = "arn:aws:iam::000000000000:role/lambda"


def package(source, name="index.py"):
    """A zip with one file: the same bytes for the same source, so that their digests compare."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), source)
    return buffer.getvalue()


def create(client, name, source="def handler(event, context): return event", **more):
    """Creates a function and waits until it is active."""
    created = client.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": package(source)},
        **more,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return created


def mapping_until(client, uuid, state):
    """An event source mapping once it has this state; none means gone."""
    for _ in range(600):
        try:
            found = client.get_event_source_mapping(UUID=uuid)
        except client.exceptions.ResourceNotFoundException:
            assert state is None, "it is gone"
            return None
        if found["State"] == state:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{found['State']}, not {state}: {found['LastProcessingResult']}")


@contextlib.contextmanager
def raises(code, status, message=None):
    """Fails unless the block raises this error of AWS."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        answer = error.response
        assert answer["Error"]["Code"] == code, answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status, answer
        if message is not None:
            assert message in answer["Error"]["Message"], answer["Error"]["Message"]
    else:
        raise AssertionError(f"no {code}")
