"""What a hostile function would try, one function for each row of table.rs.

    python3 attacks.py NAME...
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# Before all else: it looks at what is open.
import attacking  # noqa: E402, I001

import devices  # noqa: E402, F401
import files  # noqa: E402, F401
import kernel  # noqa: E402, F401
import network  # noqa: E402, F401
import processes  # noqa: E402, F401

report = attacking.report

if __name__ == "__main__":
    print(report(sys.argv[1:]))
