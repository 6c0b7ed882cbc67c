"""Forks into control groups: ``test_loop.py`` says how tests are run."""

import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# In a process of its own, which has one thread for certain. The child says 0 when all is as after a
# fork, and else the number of what is not.
PROGRAM = """
import os, sys, threading
sys.path.insert(0, %r)
from kiln_runtime import birth

group = sys.argv[1] and os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
births = birth.Birth()
if sys.argv[2] == "untold":
    births._arguments = None
forked = []
os.register_at_fork(after_in_child=lambda: forked.append(True))
pid = births.fork(group or None)
if pid == 0:
    at = open("/proc/self/cgroup").read() if group else ""
    if group and not at.splitlines()[-1].endswith(sys.argv[1].rpartition("/")[2]):
        os._exit(2)
    if os.getppid() == os.getpid() or threading.get_native_id() != os.getpid():
        os._exit(3)
    if not forked:
        os._exit(4)
    done = []
    thread = threading.Thread(target=lambda: done.append(True))
    thread.start()
    thread.join()
    if not done or os.waitpid(os.fork() or os._exit(0), 0)[1] != 0:
        os._exit(5)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def v2_root():
    """Where control groups of version 2 are, if there are any."""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, where, kind, *_ = line.split()
            if kind == "cgroup2":
                return pathlib.Path(where)
    return None


class Birth(unittest.TestCase):
    def fork(self, group, told):
        command = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM % str(ROOT), str(group), told]
        return subprocess.run(command, timeout=60).returncode

    def test_a_child_is_born_in_its_group_and_is_an_ordinary_fork(self):
        root = v2_root()
        group = root and root / ("kiln-test-birth-%d" % os.getpid())
        try:
            group and group.mkdir()
        except OSError:
            group = None
        if group is None:
            self.skipTest("no control groups of version 2 can be made here")
        try:
            for told in ("told", "untold"):
                self.assertEqual(self.fork(group, told), 0, told)
        finally:
            group.rmdir()

    def test_without_a_group_it_is_an_ordinary_fork(self):
        self.assertEqual(self.fork("", "told"), 0)


if __name__ == "__main__":
    unittest.main()
