"""What a fork gains by having its pages copied ahead of need. Run as ``test_loop.py`` is."""

import json
import os
import subprocess
import sys
import unittest

from process import ROOT, pack_dir

# In a process of its own: the rehearsal is for a process that looks like a zygote.
PROGRAM = """
import sys
sys.path[:0] = %r
import gc, json, os, resource
from kiln_runtime import loop, pages, warm
import boto3
warm.up()
gc.collect()
gc.freeze()
proc = os.open(%r, os.O_PATH | os.O_DIRECTORY) if %r else 99
try:
    known = pages.scout(proc)
except OSError:
    print(json.dumps({"failed": True}))
    sys.exit()

script = [pages.frames.frame(*said) for said in pages._script()]

def faults(copies):
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        done = copies and known.copy()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pages._rehearse(script)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        os.write(write_end, json.dumps([done, after - before]).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(read_end, 100))

print(json.dumps({"bytes": known.bytes, "without": faults(False), "with": faults(True)}))
"""

HANGS = """
import sys
sys.path[:0] = %r
import os, time
from kiln_runtime import pages
pages._SECONDS_MAX = 1
pages._rehearse = lambda script: time.sleep(60)
print(pages.scout(os.open("/proc", os.O_PATH | os.O_DIRECTORY)).bytes)
"""


def run(proc="/proc"):
    program = PROGRAM % ([str(ROOT), pack_dir()], proc, proc)
    command = [sys.executable, "-I", "-S", "-B", "-c", program]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class Pages(unittest.TestCase):
    def test_a_fork_that_has_its_pages_meets_few_faults(self):
        found = run()
        self.assertGreater(found["bytes"], 256 * 1024)
        self.assertLess(found["bytes"], 8 * 1024 * 1024)
        (_, without), (done, faults) = found["without"], found["with"]
        if not done:
            self.skipTest("this kernel does not populate a process's own pages (Linux 6.13 does)")
        self.assertLess(faults * 2, without)

    def test_where_there_is_no_proc_the_caller_is_told(self):
        self.assertEqual(run(proc=""), {"failed": True})

    def test_a_rehearsal_that_hangs_is_given_up(self):
        program = HANGS % ([str(ROOT), pack_dir()],)
        command = [sys.executable, "-I", "-S", "-B", "-c", program]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=30)
        self.assertEqual(ran.stdout, b"0\n")


if __name__ == "__main__":
    unittest.main()
