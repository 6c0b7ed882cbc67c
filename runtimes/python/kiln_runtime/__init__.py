"""What runs between Kiln and a Python function, inside the function's sandbox.

The behaviour that a function can see is that of AWS's own ``awslambdaric``; only the transport
is ours. Start reading at ``loop.boot``. Works on CPython 3.9 to 3.14, standard library only.
"""
