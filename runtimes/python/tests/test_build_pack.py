"""What a pack has of an interpreter whose prefix other software shares."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from process import ROOT


def build_pack():
    loader = importlib.machinery.SourceFileLoader("build_pack", str(ROOT / "build-pack"))
    sys.dont_write_bytecode = True
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("build_pack", loader))
    loader.exec_module(module)
    return module


class Copy(unittest.TestCase):
    def test_the_copy_runs_by_itself_and_holds_nothing_else(self):
        module = build_pack()
        pack = module.interpreter(sys.executable)
        name = "python" + pack["python"]
        with tempfile.TemporaryDirectory() as directory:
            made, moved = pathlib.Path(directory, "made"), pathlib.Path(directory, "moved")
            module.copy_interpreter(pack, made)
            made.rename(moved)
            self.assertEqual((pack["executable"], pack["prefix"]), ("lang/bin/" + name, "lang"))
            executable, lang = moved / pack["executable"], moved / pack["prefix"]
            self.assertEqual(sorted(os.listdir(lang)), ["bin", "lib"])
            self.assertEqual(os.listdir(lang / "bin"), [name])
            for entry in os.listdir(lang / "lib"):
                self.assertTrue(entry.startswith((name, "lib" + name)) or entry == "python3", entry)
            program = "import json, ssl, sqlite3, sys; print(json.dumps([sys.prefix, json.__file__]))"
            ran = subprocess.run(
                [executable, "-I", "-S", "-B", "-c", program],
                env={"LD_LIBRARY_PATH": str(lang / "lib")}, check=True, stdout=subprocess.PIPE,
            )
            home, module_file = json.loads(ran.stdout)
            self.assertEqual(home, str(lang))
            self.assertTrue(module_file.startswith(str(lang)), module_file)


if __name__ == "__main__":
    unittest.main()
