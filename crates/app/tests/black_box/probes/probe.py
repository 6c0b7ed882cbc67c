"""A function that looks around: each probe returns what it found, and judges nothing."""

import ctypes
import errno
import os
import resource
import signal
import socket
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def handler(event, context):
    return globals()["probe_" + event["probe"]](event)


def probe_nothing(event):
    return None


def name_of(error):
    return errno.errorcode.get(error, str(error))


def probe_privileges(event):
    found = {}
    with open("/proc/self/status") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name.startswith("Cap") or name in ("NoNewPrivs", "Seccomp"):
                found[name] = value.strip()
    found.update(zip(("ruid", "euid", "suid"), os.getresuid()))
    found.update(zip(("rgid", "egid", "sgid"), os.getresgid()))
    found["groups"] = [group for group in os.getgroups() if group != os.getgid()]
    for name in ("nofile", "nproc", "core"):
        found[name] = list(resource.getrlimit(getattr(resource, "RLIMIT_" + name.upper())))
    return found


# Numbers of x86_64 and of aarch64.
SYSCALLS = {
    "mount": ((165, 40), (b"none", b"/tmp", b"tmpfs", 0, None)),
    "umount2": ((166, 39), (b"/tmp", 2)),
    "pivot_root": ((155, 41), (b"/tmp", b"/tmp")),
    "chroot": ((161, 51), (b"/tmp",)),
    "setuid": ((105, 146), (0,)),
    "setgid": ((106, 144), (0,)),
    "unshare_user": ((272, 97), (0x10000000,)),
    "unshare_net": ((272, 97), (0x40000000,)),
    "setns": ((308, 268), (0, 0)),
    "ptrace_attach": ((101, 117), (16, 1, 0, 0)),
    "process_vm_readv": ((310, 270), (1, None, 0, None, 0, 0)),
    "bpf": ((321, 280), (0, None, 0)),
    "perf_event_open": ((298, 241), (None, 0, -1, -1, 0)),
    "userfaultfd": ((323, 282), (0,)),
    "io_uring_setup": ((425, 425), (1, ctypes.create_string_buffer(120))),
    "keyctl": ((250, 219), (0, -3, 1)),
    "add_key": ((248, 217), (b"user", b"x", b"y", 1, -2)),
    "init_module": ((175, 105), (None, 0, b"")),
    "kexec_load": ((246, 104), (0, 0, None, 0)),
    "reboot": ((169, 142), (0xFEE1DEAD, 672274793, 0, None)),
    "swapon": ((167, 224), (b"/tmp/x", 0)),
    "acct": ((163, 89), (b"/tmp/x",)),
    "settimeofday": ((164, 170), (None, None)),
    "sethostname": ((170, 161), (b"x", 1)),
    "open_by_handle_at": ((304, 265), (0, None, 0)),
    "open_tree": ((428, 428), (-100, b"/", 1)),
    "fsopen": ((430, 430), (b"tmpfs", 0)),
    "pidfd_getfd": ((438, 438), (0, 0, 0)),
    "mknod_device": ((259, 33), (-100, b"/tmp/device", 0o020666, 0x103)),
}


def probe_syscalls(event):
    machine = 0 if os.uname().machine == "x86_64" else 1
    found = {}
    for name, (numbers, arguments) in SYSCALLS.items():
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            ctypes.set_errno(0)
            result = LIBC.syscall(numbers[machine], *arguments)
            os.write(write, b"allowed" if result >= 0 else name_of(ctypes.get_errno()).encode())
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        found[name] = "killed" if os.WIFSIGNALED(status) else os.read(read, 64).decode()
        os.close(read)
    return found


def probe_readable(event):
    found = []
    for path in event["paths"]:
        try:
            if os.path.isdir(path):
                if os.listdir(path):
                    found.append(path)
            else:
                with open(path, "rb") as file:
                    file.read(1)
                found.append(path)
        except OSError:
            pass
    return found


def probe_writable(event):
    found = []
    for folder, folders, _ in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys")]
        if folder.count("/") > 4:
            folders[:] = []
        path = os.path.join(folder, ".written")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.remove(path)
            if folder != "/tmp" and folder.startswith("/tmp"):
                continue
            found.append(folder)
        except OSError:
            pass
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            found.append(path)
        except OSError:
            pass
    return sorted(found)


def probe_mounts(event):
    with open("/proc/self/mounts") as mounts:
        return [[line.split(" ")[1], line.split(" ")[3]] for line in mounts]


def probe_processes(event):
    namespaces = {name: os.stat("/proc/self/ns/" + name).st_ino for name in os.listdir("/proc/self/ns")}
    try:
        os.kill(event["host_pid"] if event["host_pid"] != 1 else 99999, 0)
        kill = "allowed"
    except OSError as error:
        kill = name_of(error.errno)
    return {
        "pids": [entry for entry in os.listdir("/proc") if entry.isdigit()],
        "kill_host": kill,
        "hostname": socket.gethostname(),
        "namespaces": namespaces,
    }


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        try:
            client.connect(address)
            return "connected"
        except OSError as error:
            return name_of(error.errno) if error.errno else repr(error)


def attempt(call):
    try:
        return call()
    except OSError as error:
        return name_of(error.errno)


def interfaces():
    with open("/proc/net/dev") as devices:
        return [line.split(":")[0].strip() for line in list(devices)[2:]]


def probe_network(event):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        own = connect(socket.AF_INET, server.getsockname())
    with open("/proc/net/unix") as unix:
        names = [line.split()[-1] for line in list(unix)[1:]]

    def raw():
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        return "allowed"

    return {
        "interfaces": interfaces(),
        "kiln": connect(socket.AF_INET, ("127.0.0.1", event["port"])),
        "internet": connect(socket.AF_INET, ("192.0.2.1", 80)),
        "internet6": attempt(lambda: connect(socket.AF_INET6, ("2001:db8::1", 80))),
        "metadata": connect(socket.AF_INET, ("169.254.169.254", 80)),
        "own_loopback": own,
        "raw_socket": attempt(raw),
        "abstract_sockets": [name for name in names if name.startswith("@")],
    }


def probe_descriptors(event):
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append([int(name), os.readlink("/proc/self/fd/" + name)])
        except OSError:
            pass
    return found


def probe_devices(event):
    return sorted(os.listdir("/dev"))


def probe_fork_bomb(event):
    children, stopped = [], None
    while len(children) < 2000 and stopped is None:
        try:
            child = os.fork()
        except OSError as error:
            stopped = name_of(error.errno)
        else:
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {"forked": len(children), "stopped_by": stopped}


def probe_daemonize(event):
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.waitpid(child, 0)
    return {"pid": child}
