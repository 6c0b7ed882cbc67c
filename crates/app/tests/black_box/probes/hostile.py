"""A function that takes whatever it can get: each event names what."""

import errno
import os
import resource
import signal
import sys
import threading
import time


def handler(event, context):
    return globals()["take_" + event["take"]](event)


def take_nothing(event):
    return None


def stopped_by(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def take_disk(event):
    written = 0
    block = b"x" * (1 << 20)
    try:
        with open("/tmp/fill", "ab", buffering=0) as file:
            while True:
                written += file.write(block)
    except OSError as error:
        return {"bytes": written, "stopped_by": stopped_by(error)}
    finally:
        if not event.get("keep"):
            os.remove("/tmp/fill")


def take_descriptors(event):
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return {"held": len(held), "stopped_by": stopped_by(error)}
    finally:
        if not event.get("keep"):
            for descriptor in held:
                os.close(descriptor)


def take_memory(event):
    held = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))


def take_processes(event):
    children = []
    try:
        while True:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError as error:
        return {"forked": len(children), "stopped_by": stopped_by(error)}
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def take_log(event):
    line = b"x" * 1023 + b"\n"
    for _ in range(event["kibibytes"]):
        os.write(1, line)
    return None


def take_processor(event):
    """Spins in four processes; gives the processor time that all got, in seconds."""
    end = time.monotonic() + event["seconds"]
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            while time.monotonic() < end:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def take_threads(event):
    """Leaves threads behind that go on after the answer."""

    def tick():
        while True:
            time.sleep(1)

    for count in range(event["count"]):
        try:
            threading.Thread(target=tick, daemon=True).start()
        except RuntimeError:
            return count
    return event["count"]


def take_eternity(event):
    """Refuses to end, and so does a child that left its session."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    print("uid", os.getuid(), flush=True)
    if os.fork() == 0:
        os.setsid()
    while True:
        try:
            time.sleep(1)
        except BaseException as error:
            print(type(error), file=sys.stderr)
