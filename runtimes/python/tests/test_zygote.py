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
        request = {"id": sandbox, "uid": 1, "landlock": False, "warm": False}
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
