"""How attacks are made and told.

An attack returns "open" when it got through, "absent" when what it looked for is not there, or raises
the refusal. Each is made in a child of its own, and so that it harms nothing where it gets through:
most ask for something that the kernel would refuse for another reason right after it has found the
asker entitled, and take that for success.
"""

import ctypes
import errno
import json
import os
import platform
import signal
import socket

# Before anything here is opened.
INHERITED = {}
for number in os.listdir("/proc/self/fd"):
    try:
        INHERITED[int(number)] = os.readlink("/proc/self/fd/" + number)
    except OSError:
        # The listing's own, which is closed.
        pass

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
with open("/var/task/scene.json") as file:
    SCENE = json.load(file)
HOST, NEIGHBOUR = SCENE["host"], SCENE["neighbour"]
# Numbers of x86_64 and of aarch64.
NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "capset": (126, 91),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_setup": (206, 0),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mknodat": (259, 33),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prlimit64": (302, 261),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "seccomp": (317, 277),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "setuid": (105, 146),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syncfs": (306, 267),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
MACHINE = ("x86_64", "aarch64").index(platform.machine())
ATTACKS = {}
AT_FDCWD = -100


def attack(function):
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


def call(name, *arguments, past=()):
    """A system call. ``past`` are the errors that only who was let through can get."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(NUMBERS[name][MACHINE]), *words)
    if result < 0 and errno.errorcode[ctypes.get_errno()] not in past:
        raise OSError(ctypes.get_errno(), name)
    return result


def calls(*arguments, past=()):
    call(*arguments, past=past)
    return "open"


def opened(path, flags=os.O_RDONLY):
    os.close(os.open(path, flags))
    return "open"


def read(path):
    """Open alone is not enough: some files refuse to be read only then."""
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 1)
    return "open"


def first(attempts):
    """Open as soon as one is; else how the last was refused."""
    refused = None
    for attempt in attempts:
        try:
            if attempt() == "open":
                return "open"
        except OSError as error:
            refused = error
    if refused is not None:
        raise refused
    return "absent"


def hidden(path, flags=os.O_RDONLY):
    """What no sandbox has, whether or not this kernel does."""
    try:
        fd = os.open(path, flags)
        return "open" if flags == os.O_WRONLY or os.read(fd, 1) else "absent"
    except (FileNotFoundError, PermissionError):
        return "absent"


def connects(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as client:
        client.settimeout(5)
        client.connect(address)
    return "open"


def makes(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()
    return "open"


def attempt(name):
    try:
        return ATTACKS[name]()
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))
    except Exception as error:
        return "broken: %r" % error


def alone(name):
    """The attack in a process, and whatever that leaves in a group that is killed."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.alarm(30)
        os.write(sender, attempt(name).encode())
        os._exit(0)
    os.close(sender)
    os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    said = os.read(receiver, 4096).decode()
    os.close(receiver)
    return said or "ended"


def report(names):
    return json.dumps({name: alone(name) for name in names})
