"""Attacks by devices, terminals and the kernel's files."""

import os

from attacking import AT_FDCWD, attack, call, calls, first, hidden, opened


@attack
def devices_of_the_machine():
    return first(
        lambda name=name: opened("/dev/" + name)
        for name in ("mem", "kmsg", "kvm", "fuse", "net/tun", "vsock", "sda", "vda", "nvme0n1", "loop0")
    )


@attack
def terminals():
    return first(lambda name=name: opened("/dev/" + name) for name in ("tty", "console", "ptmx", "tty0"))


@attack
def device_made():
    # /dev/mem, which is removed if it could be made.
    call("mknodat", AT_FDCWD, b"/tmp/memory", 0o020666, 0x101)
    try:
        return opened("/tmp/memory")
    finally:
        os.remove("/tmp/memory")


@attack
def terminal_input():
    # TIOCSTI
    return calls("ioctl", 1, 0x5412, b"x", past=["ENOTTY"])


@attack
def console_selection():
    # TIOCLINUX
    return calls("ioctl", 1, 0x541C, b"\2", past=["ENOTTY"])


@attack
def core_pattern():
    return opened("/proc/sys/kernel/core_pattern", os.O_WRONLY)


@attack
def settings_of_the_kernel():
    return first(
        lambda path=path: opened("/proc/sys/" + path, os.O_WRONLY)
        for path in ("kernel/modprobe", "vm/drop_caches", "kernel/hostname", "net/ipv4/ip_forward")
    )


@attack
def sysrq():
    return hidden("/proc/sysrq-trigger", os.O_WRONLY)


@attack
def memory_of_the_kernel():
    return hidden("/proc/kcore")


@attack
def symbols_of_the_kernel():
    return hidden("/proc/kallsyms")


@attack
def messages_of_the_kernel():
    return hidden("/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK)


@attack
def keys_of_the_kernel():
    return hidden("/proc/keys")


@attack
def immunity_from_memory_limits():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    return "open"


@attack
def control_groups_written():
    return first(
        lambda path=path: os.listdir(path) and "open"
        for path in ("/sys", "/sys/fs/cgroup", "/cgroup")
    )
