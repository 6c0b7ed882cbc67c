"""What a function and the daemon see of the runtime loop.

Run with ``KILN_RUNTIME_PACK=DIR python3 -m unittest discover -s runtimes/python/tests``, once for
each Python.
"""

import json
import unittest

from process import (
    ERROR, INIT_DONE, INIT_ERROR, INIT_OVER, LOG_FRAME, REQUEST, RESPONSE, Runtime,
)


class Invocations(unittest.TestCase):
    def test_handler_result_comes_back_for_every_event(self):
        with Runtime("def handler(event, context): return {'result': sum(event)}") as runtime:
            self.assertEqual(runtime.init()[0], INIT_DONE)
            for numbers in ([1, 2], [], [3]):
                kind, header, body = runtime.invoke(numbers)
                self.assertEqual(kind, RESPONSE)
                self.assertEqual(header["request_id"], REQUEST)
                self.assertEqual(json.loads(body), {"result": sum(numbers)})

    def test_an_event_may_come_together_with_init(self):
        code = "def handler(event, context): return context.get_remaining_time_in_millis()"
        with Runtime(code) as runtime:
            runtime.send_init()
            runtime.send_event({}, deadline_ms=None, timeout_ms=2000)
            self.assertEqual(runtime.receive()[0], INIT_DONE)
            kind, _, body = runtime.receive()
            self.assertEqual(kind, RESPONSE)
            self.assertTrue(1500 < int(body) <= 2000, body)

    def test_an_event_before_init_ends_the_process(self):
        with Runtime("def handler(event, context): return 1") as runtime:
            runtime.send_event({})
            self.assertEqual(runtime.end()[0], 1)

    def test_large_events_and_results_pass(self):
        with Runtime("def handler(event, context): return event") as runtime:
            runtime.init()
            text = "x" * (6 * 1024 * 1024 - 2)
            kind, _, body = runtime.invoke(text)
            self.assertEqual((kind, len(body)), (RESPONSE, 6 * 1024 * 1024))

    def test_a_result_beyond_the_limit_is_not_sent(self):
        with Runtime("def handler(event, context): return 'x' * event") as runtime:
            runtime.init()
            kind, header, body = runtime.invoke(6 * 1024 * 1024 + 99)
            self.assertEqual((kind, header.get("too_large"), body), (RESPONSE, True, b""))
            kind, header, body = runtime.invoke(6 * 1024 * 1024 + 98)
            self.assertEqual((kind, len(body)), (RESPONSE, 6 * 1024 * 1024 + 100))

    def test_the_original_streams_are_those_of_the_pipe_too(self):
        code = """
            import sys

            def handler(event, context):
                streams = (sys.__stdout__, sys.__stderr__)
                return [[s.name, s.encoding, s.errors, s.line_buffering] for s in streams]
        """
        with Runtime(code) as runtime:
            runtime.init()
            self.assertEqual(json.loads(runtime.invoke({})[2]), [
                ["<stdout>", "utf-8", "backslashreplace", True],
                ["<stderr>", "utf-8", "backslashreplace", True],
            ])

    def test_the_context_is_that_of_aws(self):
        code = """
            def handler(event, context):
                return [
                    context.aws_request_id, context.function_name, context.function_version,
                    context.memory_limit_in_mb, context.invoked_function_arn,
                    context.log_group_name, context.client_context.custom, event, context.tenant_id,
                ]
        """
        with Runtime(code) as runtime:
            runtime.init()
            _, _, body = runtime.invoke({"a": 1}, client_context='{"custom": {"k": "v"}}', tenant_id="Shop 7")
            self.assertEqual(json.loads(body), [
                REQUEST, "sum", "$LATEST", "128",
                "arn:aws:lambda:us-east-1:000000000000:function:sum", "/aws/lambda/sum",
                {"k": "v"}, {"a": 1}, "Shop 7",
            ])

    def test_a_raised_exception_is_an_error_document_without_our_frames(self):
        with Runtime("def handler(event, context):\n    raise ValueError('bad é')") as runtime:
            runtime.init()
            kind, header, body = runtime.invoke({})
            document = json.loads(body)
            self.assertEqual((kind, header["error_type"]), (ERROR, "ValueError"))
            self.assertEqual(document["errorMessage"], "bad é")
            self.assertEqual(document["errorType"], "ValueError")
            self.assertEqual(document["requestId"], REQUEST)
            (frame,) = document["stackTrace"]
            self.assertIn('/index.py", line 2, in handler\n    raise ValueError', frame)
            # And the runtime goes on.
            self.assertEqual(runtime.invoke({})[0], ERROR)

    def test_a_result_without_json_form_is_a_marshal_error(self):
        with Runtime("def handler(event, context): return object()") as runtime:
            runtime.init()
            kind, header, _ = runtime.invoke({})
            self.assertEqual((kind, header["error_type"]), (ERROR, "Runtime.MarshalError"))


class Init(unittest.TestCase):
    def failure(self, code, handler="index.handler", **options):
        with Runtime(code, **options) as runtime:
            kind, header, body = runtime.init(handler)
            self.assertEqual(kind, INIT_ERROR)
            document = json.loads(body)
            self.assertEqual(header["error_type"], document["errorType"])
            self.assertEqual(runtime.end()[0], 1)
            return document

    def test_each_way_to_name_a_handler_wrongly_has_its_error(self):
        fine = "def handler(event, context): return 1"
        table = [
            (fine, "index.missing", "Runtime.HandlerNotFound"),
            (fine, "nowhere.handler", "Runtime.ImportModuleError"),
            (fine, "index", "Runtime.MalformedHandlerName"),
            (fine, "sys.exit", "Runtime.BuiltInModuleConflict"),
            ("def handler(:", "index.handler", "Runtime.UserCodeSyntaxError"),
            ("import nowhere", "index.handler", "Runtime.ImportModuleError"),
            ("1 / 0", "index.handler", "ZeroDivisionError"),
        ]
        for code, handler, expected in table:
            with self.subTest(handler=handler, code=code):
                self.assertEqual(self.failure(code, handler)["errorType"], expected)

    def test_the_environment_is_exactly_what_was_sent(self):
        code = """
            import os, sys, time
            def handler(event, context):
                return [dict(os.environ), os.getcwd(), sys.path[0], time.tzname[0]]
        """
        with Runtime(code) as runtime:
            runtime.init(GREETING="hallo", TZ="UTC-5")
            environment, cwd, first, zone = json.loads(runtime.invoke({})[2])
            self.assertEqual(environment.pop("GREETING"), "hallo")
            self.assertNotIn("HOME", environment)
            self.assertNotIn("_LAMBDA_TELEMETRY_LOG_FD", environment)
            self.assertEqual((cwd, first), (runtime.task.name, runtime.task.name))
            self.assertEqual(zone, "UTC")

    def test_own_modules_win_over_preloaded_ones(self):
        code = """
            import boto3, calendar
            def handler(event, context): return [boto3.MARK, calendar.MARK]
        """
        own = {"boto3/__init__.py": "MARK = 'own'", "calendar.py": "MARK = 'own too'"}
        with Runtime(code, files=own, preload="import boto3, calendar") as runtime:
            self.assertEqual(runtime.init()[0], INIT_DONE)
            self.assertEqual(json.loads(runtime.invoke({})[2]), ["own", "own too"])

    def test_boto3_of_the_pack_is_there(self):
        code = """
            import boto3
            def handler(event, context):
                return boto3.client("s3", region_name="eu-west-1").meta.service_model.service_name
        """
        with Runtime(code) as runtime:
            runtime.init()
            self.assertEqual(json.loads(runtime.invoke({})[2]), "s3")


class Ends(unittest.TestCase):
    def status(self, code):
        with Runtime(code) as runtime:
            self.assertEqual(runtime.init()[0], INIT_DONE)
            runtime.send_event({})
            return runtime.end()

    def test_exit_in_a_handler_ends_the_process_with_its_status(self):
        handler = "import os, sys\ndef handler(event, context): "
        for statement, status in [
            ("exit()", 0), ("sys.exit(3)", 3), ("os._exit(4)", 4), ("sys.exit('why')", 1),
            ("raise KeyboardInterrupt", 1), ("os.kill(os.getpid(), 9)", -9),
        ]:
            with self.subTest(statement):
                self.assertEqual(self.status(handler + statement)[0], status)

    def test_what_runs_at_exit_runs_and_no_frame_of_ours_shows(self):
        code = """
            import atexit
            atexit.register(print, "goodbye")
            def handler(event, context): raise KeyboardInterrupt
        """
        _, output = self.status(code)
        self.assertIn(b"goodbye\n", output)
        self.assertNotIn(b"kiln_runtime", output)

    def test_a_closed_channel_ends_the_process(self):
        with Runtime("def handler(event, context): return 1") as runtime:
            runtime.init()
            runtime.channel.close()
            self.assertEqual(runtime.process.wait(timeout=20), 0)


class Output(unittest.TestCase):
    CODE = """
        import logging, sys
        print("loading")
        def handler(event, context):
            print("hello", "wörld")
            print("err", file=sys.stderr)
            logging.getLogger().warning("two\\nlines")
            raise ValueError("no")
    """

    def output(self, log_format):
        with Runtime(self.CODE) as runtime:
            runtime.init(log_format=log_format)
            runtime.invoke({})
            runtime.channel.close()
            return runtime.end()[1]

    def test_init_output_is_marked_off(self):
        before, after = self.output("Text").split(INIT_OVER)
        self.assertEqual(before, b"loading\n")
        self.assertTrue(after.startswith("hello wörld\nerr\n".encode()))

    def test_text_records_are_framed_whole(self):
        _, warning, error = self.output("Text").split(LOG_FRAME)
        self.assertTrue(warning[13:].startswith(b"[WARNING]\t"), warning)
        self.assertTrue(warning.endswith(b"\t%s\ttwo\nlines\n" % REQUEST.encode()), warning)
        self.assertTrue(error[13:].startswith(b"[ERROR] ValueError: no\nTraceback"), error)

    def test_json_records_are_documents(self):
        _, warning, error = self.output("JSON").split(LOG_FRAME)
        warning, error = json.loads(warning[13:]), json.loads(error[13:])
        self.assertEqual(
            (warning["level"], warning["message"], warning["requestId"]),
            ("WARNING", "two\nlines", REQUEST),
        )
        self.assertEqual((error["level"], error["errorType"]), ("ERROR", "ValueError"))


if __name__ == "__main__":
    unittest.main()
