"""Turns a booted interpreter into the one that a function expects to find itself in."""

import gc
import os
import sys
import time

_OPT = "/opt/python"

# Packages of the runtime pack that use each other: a function that brings one of them gets none
# of ours.
_BUNDLED = frozenset(
    ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
)

_CREDENTIALS = frozenset(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))


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


def resume(before, variables):
    """Changes what differs between the instance that was copied and this one. What the function has
    set itself stays."""
    environ = os.environ
    for name in before.keys() - variables.keys():
        environ.pop(name, None)
    changed = {name for name, value in variables.items() if before.get(name) != value}
    for name in changed:
        environ[name] = variables[name]
    if changed & _CREDENTIALS or before.keys() - variables.keys() & _CREDENTIALS:
        _renew_credentials()


def _renew_credentials():
    """Gives clients that were made before the copy the keys that are valid now."""
    credentials = sys.modules.get("botocore.credentials")
    if credentials is None:
        return
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = map(os.environ.get, names)
    # Snapshots are taken with everything frozen, out of the collector's sight.
    gc.unfreeze()
    for known in gc.get_objects():
        if type(known) is credentials.Credentials and known.method == "env":
            known.access_key, known.secret_key, known.token = key, secret, token
    gc.freeze()


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
