"""Attacks on other processes and their memory, on rights, and by what was left open."""

import ctypes
import os
import re
import resource
import signal
import socket
import struct
import time

from attacking import HOST, NEIGHBOUR, SCENE, INHERITED, attack, call, calls, first, opened


# Processes and memory of others.


def others():
    return {HOST["pid"], SCENE["server"], SCENE["spawner"]}


def of_others(what):
    return first(lambda pid=pid: what(pid) for pid in others())


@attack
def environment_of_others():
    def secret(path):
        with open(path, "rb") as file:
            return "open" if b"SECRET=" in file.read() else "absent"

    return of_others(lambda pid: secret("/proc/%d/environ" % pid))


@attack
def environment_found_in_proc():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                if b"SECRET=" in file.read():
                    return "open"
        except OSError:
            pass
    return "absent"


@attack
def processes_of_others_listed():
    mine = {os.getpid(), os.getppid()}

    def parent(pid):
        try:
            with open("/proc/%d/stat" % pid) as file:
                return int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError:
            return 0

    # What an attack before this one started may still be ending: this process's, or left to the first one. Nobody else's may be seen
    # at all.
    for _ in range(50):
        found = {int(pid) for pid in os.listdir("/proc") if pid.isdigit()} - mine
        if not found:
            return "absent"
        if any(parent(pid) not in (None, os.getpid(), 1) for pid in found):
            return "open"
        time.sleep(0.02)
    return "open"


@attack
def init_of_the_sandbox_listed():
    os.stat("/proc/1")
    return "open"


@attack
def root_of_another_process():
    return of_others(lambda pid: os.listdir("/proc/%d/root" % pid) and "open")


@attack
def descriptors_of_another_process():
    return of_others(lambda pid: os.listdir("/proc/%d/fd" % pid) and "open")


@attack
def memory_of_another_process():
    return of_others(lambda pid: opened("/proc/%d/mem" % pid))


@attack
def ptrace_of_another_process():
    # PTRACE_SEIZE does not stop it, and ends with this process.
    return calls("ptrace", 0x4206, HOST["pid"], 0, 0)


VECTOR = struct.pack("PN", 0, 8)


@attack
def process_vm_readv():
    mine = ctypes.create_string_buffer(8)
    vector = struct.pack("PN", ctypes.addressof(mine), 8)
    return calls("process_vm_readv", HOST["pid"], vector, 1, VECTOR, 1, 0, past=["EFAULT"])


@attack
def process_vm_writev():
    mine = ctypes.create_string_buffer(8)
    vector = struct.pack("PN", ctypes.addressof(mine), 8)
    return calls("process_vm_writev", HOST["pid"], vector, 1, VECTOR, 1, 0, past=["EFAULT"])


@attack
def pidfd_getfd():
    return calls("pidfd_getfd", call("pidfd_open", HOST["pid"], 0), 0, 0)


@attack
def kcmp():
    return calls("kcmp", HOST["pid"], HOST["pid"], 1, 0, 0)


@attack
def process_mrelease():
    return calls("process_mrelease", -1, 0, past=["EBADF"])


@attack
def signal_to_another_process():
    return of_others(lambda pid: os.kill(pid, 0) or "open")


@attack
def queued_signal_to_another_process():
    information = struct.pack("iii", 0, 0, -1).ljust(128, b"\0")
    return calls("rt_sigqueueinfo", HOST["pid"], 0, information)


@attack
def signal_through_the_channel():
    # SO_PEERPIDFD gives a descriptor of the daemon, which made the channel.
    peer = socket.socket(fileno=3).getsockopt(socket.SOL_SOCKET, 77)
    return calls("pidfd_send_signal", peer, 0, None, 0)


@attack
def namespace_through_the_channel():
    peer = socket.socket(fileno=3).getsockopt(socket.SOL_SOCKET, 77)
    # PIDFD_GET_MNT_NAMESPACE
    return calls("ioctl", peer, 0xFF03, 0)


@attack
def priority_of_another_process():
    os.setpriority(os.PRIO_PROCESS, HOST["pid"], 0)
    return "open"


@attack
def limits_of_another_process():
    return calls("prlimit64", HOST["pid"], 7, None, ctypes.create_string_buffer(16))


@attack
def segment_of_the_host():
    return calls("shmget", HOST["key"], 0, 0)


@attack
def segment_of_another_sandbox():
    return calls("shmget", NEIGHBOUR["key"], 0, 0)


@attack
def queues_of_others():
    return first(
        lambda name=v["name"]: calls("mq_open", name.encode(), os.O_RDONLY, 0, None)
        for v in (NEIGHBOUR, HOST)
    )


@attack
def name_of_the_machine_seen():
    return "open" if socket.gethostname() == SCENE["hostname"] else "absent"


@attack
def control_groups_named():
    with open("/proc/self/cgroup") as file:
        return "open" if SCENE["server_name"] in file.read() else "absent"


# Rights regained.


@attack
def root_by_setuid():
    call("setuid", 0)
    return "open" if os.getuid() == 0 else "absent"


@attack
def groups_regained():
    os.setgroups([0, 6])
    return "open"


@attack
def capabilities_regained():
    header = struct.pack("Ii", 0x20080522, 0)
    # CAP_DAC_OVERRIDE, CAP_SYS_PTRACE and CAP_SYS_ADMIN
    data = struct.pack("6I", 0x280002, 0x280002, 0, 0, 0, 0)
    return calls("capset", header, data)


@attack
def setuid_program():
    # Owned by root and setuid: it says who runs it.
    with os.popen("/var/task/setuid -u") as said:
        return "open" if int(said.read()) != os.getuid() else "absent"


@attack
def program_with_capabilities():
    def rights(text):
        return re.search(r"CapPrm:\s*(\w+)", text).group(1)

    with os.popen("/var/task/capable /proc/self/status") as said, open("/proc/self/status") as own:
        return "open" if rights(said.read()) != rights(own.read()) else "absent"


@attack
def higher_priority():
    os.setpriority(os.PRIO_PROCESS, 0, -5)
    return "open"


@attack
def limit_of_core_dumps_changed():
    # A limit of 1 keeps handlers of crashes from running, and 0 does not.
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    after = resource.getrlimit(resource.RLIMIT_CORE)
    return "absent" if before == after == (1, 1) else "open"


@attack
def core_dump():
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
        os._exit(0)
    _, status = os.wait()
    return "open" if os.WCOREDUMP(status) else "absent"



@attack
def descriptors_left_open():
    def is_known(number, target):
        if number in (1, 2):
            return target.startswith("pipe:")
        return target.startswith("socket:") if number == 3 else (number, target) == (0, "/dev/null")

    strange = [one for one in INHERITED.items() if not is_known(*one)]
    return "open: %s" % strange if strange else "absent"


@attack
def directories_left_open():
    return first(
        lambda number=number: os.listdir("/proc/self/fd/%d/." % number) and "open" for number in range(64)
    )


@attack
def zygote_signalled():
    os.kill(SCENE["zygote"], 0)
    return "open"


@attack
def zygote_traced():
    return calls("ptrace", 0x4206, SCENE["zygote"], 0, 0)


@attack
def zygote_read():
    return opened("/proc/%d/mem" % SCENE["zygote"])
