"""The client that ``awslambdaric`` calls, over frames instead of HTTP."""

import json
import os
import time

from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller, to_json

from . import channel as frames
from . import environment

# A frame in the output that tells the daemon where init ends: type, length, time.
_INIT_OVER = b"\xa5\x5a\xff\x01" + bytes(12)

_JSON = "application/json"


class Event:
    """One invocation, with the attributes that ``awslambdaric.bootstrap`` reads."""

    __slots__ = (
        "invoke_id",
        "x_amzn_trace_id",
        "invoked_function_arn",
        "deadline_time_in_ms",
        "client_context",
        "cognito_identity",
        "tenant_id",
        "content_type",
        "event_body",
        "invocation_id",
    )


class Client(BaseLambdaRuntimeClient):
    """A drop-in for ``LambdaRuntimeClient``.

    It inherits for one reason: functions may replace ``BaseLambdaRuntimeClient.marshaller``.
    """

    def __init__(self, channel, output_fd, fd=None, variables=None, snapshot_code=None):
        # The encoder reads AWS_EXECUTION_ENV when it is made, and the class was made before the
        # environment was known.
        BaseLambdaRuntimeClient.marshaller = LambdaMarshaller()
        self._channel = channel
        self._output_fd = output_fd
        self._initialised = False
        self._fd = fd
        self._variables = variables
        self._snapshot_code = snapshot_code
        # When this process became a copy.
        self._restored = None

    def wait_next_invocation(self):
        channel = self._channel
        if not self._initialised:
            self._initialised = True
            if self._restored is not None:
                hooks_us = int((time.monotonic() - self._restored) * 1e6)
                channel.send(frames.RESTORED, b'{"hooks_us":%d}' % hooks_us)
            os.write(self._output_fd, _INIT_OVER)
            channel.send(frames.INIT_DONE)
        kind, header, body = channel.receive()
        while kind != frames.INVOKE:
            kind, header, body = channel.receive()
        event = Event()
        event.invoke_id = header["request_id"]
        event.x_amzn_trace_id = header.get("trace")
        event.invoked_function_arn = header["invoked_arn"]
        deadline = header.get("deadline_ms")
        if deadline is None:
            deadline = int(time.time() * 1000) + header["timeout_ms"]
        event.deadline_time_in_ms = deadline
        event.client_context = header.get("client_context")
        event.cognito_identity = None
        event.tenant_id = header.get("tenant_id")
        event.content_type = _JSON
        event.event_body = body
        event.invocation_id = None
        return event

    def post_invocation_result(
        self, invoke_id, result_data, content_type=_JSON, invocation_id=None
    ):
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        if content_type == _JSON:
            rest = '","content_type":"application/json"}'
        else:
            rest = '","content_type":%s}' % json.dumps(content_type)
        self._answer(frames.RESPONSE, '{"request_id":"' + invoke_id + rest, body)

    def post_invocation_error(
        self, invoke_id, error_response_data, xray_fault, invocation_id=None
    ):
        header = {"request_id": invoke_id, "error_type": _error_type(error_response_data)}
        body = error_response_data.encode("utf-8", "backslashreplace")
        self._answer(frames.ERROR, json.dumps(header), body)

    def post_init_error(self, error_response_data, error_type_override=None):
        error_type = error_type_override or error_response_data["errorType"]
        body = to_json(error_response_data).encode("utf-8", "backslashreplace")
        header = json.dumps({"error_type": error_type}).encode()
        self._channel.send(frames.INIT_ERROR, header, body[: frames.BODY_BYTES_MAX])

    def restore_next(self):
        """Called where a snapshot may be taken. In a process that was initialised for itself there is
        nothing to do; one that is to be copied waits here, and its copies go on from here."""
        code = self._snapshot_code
        if code is None:
            return
        # Not with the others: an AWS runtime has not imported what it takes.
        from . import snapshot

        def announcement(state):
            header = {"state": state, "lineage": snapshot.lineage()}
            return frames.frame(frames.SNAPSHOT, json.dumps(header).encode())

        try:
            snapshot.take(self._fd, code, announcement)
        except snapshot.Unfit as unfit:
            reason = json.dumps({"reason": str(unfit)}).encode()
            self._channel.send(frames.UNFIT, reason)
            # Nobody wants anything more of it.
            self._channel.receive()
            raise frames.Closed from None
        self._snapshot_code = None
        kind, header, _ = self._channel.receive()
        if kind == frames.RESUME:
            environment.resume(self._variables, header["env"])
        self._restored = time.monotonic()
        # The snapshot is good: what fails from here on is the hooks.
        self._channel.send(frames.RESUMED)

    def report_restore_error(self, restore_error_data):
        self.post_init_error(restore_error_data, "Runtime.AfterRestoreError")

    def _answer(self, kind, header, body):
        if len(body) > frames.BODY_BYTES_MAX:
            # The daemon says what AWS says of it; the body itself is of no use.
            invoke_id = json.loads(header)["request_id"]
            header = json.dumps({"request_id": invoke_id, "too_large": True})
            kind, body = frames.RESPONSE, b""
        self._channel.send(kind, header.encode(), body)


def _error_type(document):
    try:
        return json.loads(document)["errorType"]
    except (ValueError, KeyError, TypeError):
        return None

