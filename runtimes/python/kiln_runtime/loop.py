"""The life of a runtime process: boot, initialise one function, run its invocations.

``boot`` is called in a fork of a zygote, or by ``fresh.py`` in an interpreter of its own.
"""

import _sitebuiltins
import builtins
import importlib
import json
import logging
import os
import sys

from awslambdaric import bootstrap, lambda_runtime_log_utils

from . import channel as frames
from . import environment, warm
from .client import Client

# What AWS's runtime has imported when it looks for the handler. A zygote imports this module
# before anything that it only imports ahead of need.
_BASE_MODULES = frozenset(sys.modules)


def boot(fd, warm_up=True):
    """Runs one function until the process ends; never returns.

    ``fd`` is the socket to the daemon. A process that is made ahead of need warms itself up
    before it says that it is ready; one that is waited for does not.
    """
    try:
        status = live(fd, warm_up)
    except frames.Closed:
        status = 0
    except SystemExit as ended:
        status = _status_of(ended)
    except BaseException as error:
        _print_without_our_frames(error)
        status = 1
    _leave(status)


def live(fd, warm_up):
    """The same, but the end of the process is the caller's business."""
    _be_like_an_interpreter_with_site()
    if warm_up:
        warm.up()
    channel = frames.Channel(fd)
    channel.send(frames.READY)
    kind, init, _ = channel.receive_alone()
    if kind == frames.RESTORE:
        from . import snapshot

        why = snapshot.become()
        # Then the function is initialised as any.
        channel.send(frames.NOT_RESTORED, json.dumps({"reason": why}).encode())
    elif kind != frames.INIT:
        return 1
    environment.apply(init["env"], _BASE_MODULES)
    _set_log_format(init.get("log_format"), init.get("log_level"))
    output_fd = os.dup(1)
    # awslambdaric then writes whole log records in frames, which keeps a record with many lines
    # one event; what the function prints goes between them.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(output_fd)
    wanted = init.get("snapshot")
    client = Client(channel, output_fd, fd, init["env"], wanted and bytes.fromhex(wanted))
    bootstrap.run(init["handler"], client)
    return 0


def _be_like_an_interpreter_with_site():
    """Adds what ``-S`` leaves out and functions use: ``exit()`` above all."""
    if not hasattr(builtins, "exit"):
        end = "Ctrl-D (i.e. EOF)"
        builtins.quit = _sitebuiltins.Quitter("quit", end)
        builtins.exit = _sitebuiltins.Quitter("exit", end)
        builtins.help = _sitebuiltins._Helper()
    # New streams, whatever locale the interpreter booted in. A fork's old ones remember that the
    # zygote's output could seek, which a pipe cannot.
    sys.stdout = sys.__stdout__ = _line_writer(1, "<stdout>")
    sys.stderr = sys.__stderr__ = _line_writer(2, "<stderr>")


def _line_writer(fd, name):
    stream = open(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    stream.buffer.raw.name = name
    return stream


def _set_log_format(log_format, log_level):
    """Does what importing ``awslambdaric.bootstrap`` under these variables would have done."""
    if log_format == "JSON":
        importlib.reload(bootstrap)
        return
    level = lambda_runtime_log_utils._get_log_level_from_env_var(log_level)
    bootstrap._AWS_LAMBDA_LOG_LEVEL = level


def _status_of(ended):
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    sys.stderr.write("%s\n" % (ended.code,))
    return 1


def _print_without_our_frames(error):
    trace = error.__traceback__
    here = os.path.dirname(__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _leave(status):
    """Ends the process as an interpreter does, but without unwinding the caller's stack: in a fork
    of a zygote that is the zygote's."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
