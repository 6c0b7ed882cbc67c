"""Attacks on mounts, namespaces, the kernel and the machine."""

import ctypes
import os
import signal
import struct

from attacking import AT_FDCWD, attack, call, calls, opened
from processes import of_others

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000


# Namespaces and mounts.


@attack
def mount():
    return calls("mount", b"none", b"/tmp", b"nothing", 0, None, past=["ENODEV"])


@attack
def mount_of_control_groups():
    return calls("mount", b"c", b"/tmp", b"cgroup", 0, b"wrong", past=["ENODEV", "EINVAL"])


@attack
def umount():
    return calls("umount2", b"/etc", 0, past=["EINVAL"])


@attack
def remount():
    # Of what is no mount.
    return calls("mount", None, b"/etc", None, 0x1020, None, past=["EINVAL"])


@attack
def open_tree():
    return calls("open_tree", AT_FDCWD, b"/", 1)


@attack
def move_mount():
    return calls("move_mount", -1, b"", -1, b"", 0xFFFF, past=["EINVAL"])


@attack
def fsopen():
    return calls("fsopen", b"nothing", 0, past=["ENODEV"])


@attack
def fsmount():
    return calls("fsmount", -1, 0, 0, past=["EBADF"])


@attack
def fspick():
    return calls("fspick", AT_FDCWD, b"/tmp", 0)


@attack
def mount_setattr():
    return calls("mount_setattr", AT_FDCWD, b"/tmp", 0, bytes(32), 32)


@attack
def pivot_root():
    return calls("pivot_root", b"/nowhere", b"/nowhere", past=["ENOENT"])


@attack
def chroot():
    return calls("chroot", b"/etc")


@attack
def setns():
    return calls("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0)


@attack
def namespaces_of_another_process():
    return of_others(lambda pid: opened("/proc/%d/ns/mnt" % pid))


@attack
def user_namespace_by_unshare():
    return calls("unshare", CLONE_NEWUSER)


@attack
def mount_namespace_by_unshare():
    return calls("unshare", CLONE_NEWNS)


@attack
def network_namespace_by_unshare():
    return calls("unshare", CLONE_NEWNET)


@attack
def user_namespace_by_clone():
    if call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
    return "open"


@attack
def namespaces_by_clone3():
    return calls("clone3", None, 0, past=["EINVAL"])


# The kernel's rarely used doors.


@attack
def bpf():
    # BPF_PROG_GET_NEXT_ID
    return calls("bpf", 11, bytes(128), 128, past=["ENOENT"])


@attack
def perf_event_open():
    # The processor's clock, of all processes on processor 0.
    return calls("perf_event_open", struct.pack("II", 1, 112).ljust(112, b"\0"), -1, 0, -1, 0)


@attack
def io_uring():
    return calls("io_uring_setup", 1, ctypes.create_string_buffer(120))


@attack
def asynchronous_io():
    return calls("io_setup", 1, ctypes.create_string_buffer(8))


@attack
def userfaultfd():
    return calls("userfaultfd", 1)


@attack
def fanotify():
    return calls("fanotify_init", 4, 0)


@attack
def keyctl():
    return calls("keyctl", 0, -3, 1)


@attack
def add_key():
    return calls("add_key", b"user", b"kiln-probe", b"x", 1, -2)


@attack
def request_key():
    return calls("request_key", b"user", b"kiln-probe", None, 0, past=["ENOKEY"])


@attack
def seccomp_listener():
    # SECCOMP_GET_ACTION_AVAIL, of SECCOMP_RET_ALLOW
    return calls("seccomp", 2, 0, struct.pack("I", 0x7FFF0000))


@attack
def personality():
    # ADDR_NO_RANDOMIZE
    return calls("personality", 0x0040000)


@attack
def iopl():
    return calls("iopl", 3)


@attack
def ioperm():
    return calls("ioperm", 0x80, 1, 1)


@attack
def modify_ldt():
    return calls("modify_ldt", 0, ctypes.create_string_buffer(64), 64)


@attack
def open_by_handle_at():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    mount = ctypes.create_string_buffer(4)
    call("name_to_handle_at", AT_FDCWD, b"/tmp", handle, mount, 0)
    return calls("open_by_handle_at", os.open("/tmp", os.O_RDONLY), handle, os.O_RDONLY)


# The machine.


@attack
def init_module():
    return calls("init_module", None, 0, b"", past=["ENOEXEC", "EFAULT"])


@attack
def delete_module():
    return calls("delete_module", b"kiln-probe", 0x800, past=["ENOENT"])


@attack
def kexec_load():
    return calls("kexec_load", 0, 99999, None, 0x8000, past=["EINVAL"])


@attack
def reboot():
    return calls("reboot", 0, 0, 0, None, past=["EINVAL"])


@attack
def swapon():
    return calls("swapon", b"/nowhere", 0, past=["ENOENT"])


@attack
def swapoff():
    return calls("swapoff", b"/nowhere", past=["ENOENT"])


@attack
def acct():
    return calls("acct", b"/nowhere", past=["ENOENT"])


@attack
def quotactl():
    return calls("quotactl", 0x80000200, b"/nowhere", 0, None, past=["ENOENT"])


@attack
def syslog():
    # The console's level, and one that does not exist.
    return calls("syslog", 8, None, 0, past=["EINVAL"])


@attack
def settimeofday():
    return calls("settimeofday", None, None)


@attack
def clock_adjtime():
    # ADJ_TICK, and a tick that no clock has.
    request = struct.pack("I", 0x4000).ljust(208, b"\0")
    return calls("clock_adjtime", 0, request, past=["EINVAL"])


@attack
def sethostname():
    return calls("sethostname", b"x", -1, past=["EINVAL"])


@attack
def setdomainname():
    return calls("setdomainname", b"x", -1, past=["EINVAL"])


@attack
def syncfs():
    return calls("syncfs", -1, past=["EBADF"])
