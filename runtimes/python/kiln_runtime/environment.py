"""Turns a booted interpreter into the one that a function expects to find itself in."""

import os
import sys
import time

_OPT = "/opt/python"

# Packages of the runtime pack that use each other: a function that brings one of them gets none
# of ours.
_BUNDLED = frozenset(
    ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
)


def apply(variables, base_modules):
    """Sets the environment, the working directory and the module search path.

    ``base_modules`` are the modules that AWS's runtime has imported before a function's own
    directories come into the search path: those stay, as they do there.
    """
    _set_variables(variables)
    time.tzset()
    task_root = variables["LAMBDA_TASK_ROOT"]
    # The directory that was here when the interpreter booted is not the function's.
    os.chdir(task_root)
    own = _set_search_path(variables, task_root)
    _forget_shadowed(own, base_modules)


def _set_variables(variables):
    environ = os.environ
    for name in [name for name in environ if name not in variables]:
        del environ[name]
    for name, value in variables.items():
        if environ.get(name) != value:
            environ[name] = value


def _set_search_path(variables, task_root):
    """Orders ``sys.path`` as AWS's bootstrap does; returns the function's own directories."""
    runtime_dir = variables["LAMBDA_RUNTIME_DIR"]
    own = [task_root]
    python_path = variables.get("PYTHONPATH", runtime_dir)
    if python_path == runtime_dir:
        version = "python%d.%d" % sys.version_info[:2]
        own += [_OPT + "/lib/" + version + "/site-packages", _OPT]
    else:
        own += [path for path in python_path.split(os.pathsep) if path]
    rest = [path for path in sys.path if path not in own and path != runtime_dir]
    sys.path[:] = own + [runtime_dir] + rest
    for path in own:
        sys.path_importer_cache.pop(path, None)
    return own


def _forget_shadowed(own, base_modules):
    """Makes the function's own modules win over those that were imported ahead of need."""
    names = set()
    for path in own:
        try:
            entries = os.listdir(path)
        except OSError:
            continue
        names.update(entry.split(".", 1)[0] for entry in entries)
        if any(entry.endswith(".pth") for entry in entries):
            import site

            site.addsitedir(path)
    shadowed = {
        name for name in names if name in sys.modules and name not in base_modules
    }
    if shadowed & _BUNDLED:
        shadowed |= _BUNDLED
    shadowed.discard("kiln_runtime")
    if not shadowed:
        return
    for module in list(sys.modules):
        if module.partition(".")[0] in shadowed and module not in sys.builtin_module_names:
            del sys.modules[module]
