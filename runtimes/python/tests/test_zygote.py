"""What the zygote's loop survives. Run as ``test_loop.py`` is."""

import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import unittest

from process import ROOT, pack_dir

# In a process of its own: a zygote takes over the signals of the process that it is.
PROGRAM = """
import sys
sys.path[:0] = %r
import os, select, socket
from kiln_runtime import lockdown, zygote

class Lock:
    def enter(self, pidfd, namespaces):
        if namespaces == lockdown.SANDBOX or pidfd == children._own_namespace:
            raise OSError(1, "setns")

control = socket.socket(fileno=%d)
children = zygote.Children(control, Lock())
children.serve()
"""

MAIN = """
import sys
sys.path[:0] = %r
import os
os.dup2(%d, 100)
os.dup2(os.open("/dev/null", os.O_RDONLY), 101)
os.dup2(100, 3)
os.dup2(101, 4)
os.closerange(5, 110)
from kiln_runtime import zygote
zygote.main()
"""


class Main(unittest.TestCase):
    def test_without_a_proc_nothing_else_is_taken_for_it(self):
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(60)
        program = MAIN % ([str(ROOT), pack_dir()], theirs.fileno())
        command = [sys.executable, "-I", "-S", "-B", "-c", program]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        try:
            self.assertEqual(json.loads(control.recv(65536)), "ready")
            control.close()
            self.assertEqual(process.wait(timeout=20), 0)
        finally:
            process.kill()
            process.wait()
            control.close()


class Children(unittest.TestCase):
    def test_a_child_of_a_failed_request_does_not_end_the_zygote(self):
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(20)
        program = PROGRAM % ([str(ROOT), pack_dir()], theirs.fileno())
        command = [sys.executable, "-I", "-S", "-B", "-c", program]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        try:
            # The second one is answered only by a zygote that has outlived the first one's child.
            for sandbox in (1, 2):
                self.assertEqual(self.fork(control, sandbox)["failed"]["id"], sandbox)
                self.wait_for_children_of(process)
            control.close()
            self.assertEqual(process.wait(timeout=20), 0)
        finally:
            process.kill()
            process.wait()
            control.close()

    def fork(self, control, sandbox):
        request = {"id": sandbox, "uid": 1, "landlock": False, "birth": False, "warm": False}
        with open(os.devnull, "r+b") as null:
            socket.send_fds(control, [json.dumps({"fork": request}).encode()], [null.fileno()] * 3)
        return json.loads(control.recv(65536))

    def wait_for_children_of(self, process):
        children = pathlib.Path("/proc/%d/task/%d/children" % (process.pid, process.pid))
        for _ in range(1000):
            if process.poll() is not None or not children.read_text():
                return
            select.select([], [], [], 0.02)
        self.fail("the child is not reaped")


if __name__ == "__main__":
    unittest.main()
