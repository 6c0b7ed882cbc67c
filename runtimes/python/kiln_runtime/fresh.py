"""Entry of an interpreter that is executed for one instance: ``python -I -S -B fresh.py``."""

import os
import sys

if __name__ == "__main__":
    # The runtime pack: this file lies in its folder ``kiln_runtime``.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from kiln_runtime.loop import boot

    boot(3, warm_up=False)
