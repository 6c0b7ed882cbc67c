"""Attacks on files: the host's, other functions', the sandbox's own."""

import os
import socket

from attacking import HOST, NEIGHBOUR, SCENE, attack, connects, first, opened, read

ROOT = "/proc/self/root"


@attack
def host_file():
    return read(SCENE["file"])


@attack
def host_passwords():
    return read("/etc/shadow")


@attack
def host_homes():
    return first(lambda path=path: os.listdir(path) and "open" for path in ("/root", "/home"))


@attack
def host_service_sockets():
    return first(
        lambda path=path: connects(socket.AF_UNIX, path)
        for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/systemd/private", SCENE["socket"])
    )


@attack
def state_of_the_server():
    return first(lambda path=path: os.listdir(path) and "open" for path in SCENE["directories"])


@attack
def way_up_from_the_root():
    return read("/../../../../../../../etc/shadow")


@attack
def way_up_from_proc():
    return read(ROOT + "/../../etc/shadow")


@attack
def hard_link_to_the_host():
    os.link("/etc/hostname", "/tmp/linked")
    return "open"


@attack
def code_of_another_function():
    return first(lambda path=path: os.listdir(path) and "open" for path in SCENE["others"])


@attack
def own_code_written():
    return opened("/var/task/attacks.py", os.O_WRONLY)


@attack
def code_added():
    return opened("/var/task/new", os.O_WRONLY | os.O_CREAT)


@attack
def software_written():
    return first(
        lambda path=path: opened(path, os.O_WRONLY | os.O_CREAT)
        for path in ("/usr/bin/new", "/etc/ld.so.preload", "/etc/passwd", "/usr/lib/new")
    )


@attack
def own_program_written():
    return opened("/proc/self/exe", os.O_WRONLY)


@attack
def runtime_written():
    return opened("/var/runtime/new", os.O_WRONLY | os.O_CREAT)


@attack
def tmp_of_others():
    return first(lambda name=v["name"]: read("/tmp/" + name) for v in (HOST, NEIGHBOUR))


@attack
def shared_memory_files_of_others():
    return first(lambda name=v["name"]: read("/dev/shm/" + name) for v in (HOST, NEIGHBOUR))


@attack
def link_in_tmp_to_the_host():
    os.symlink(SCENE["file"], "/tmp/way-out")
    return read("/tmp/way-out")


@attack
def race_of_links_in_tmp():
    os.mkdir("/tmp/inside")
    os.symlink(ROOT + "/..", "/tmp/outside")
    if os.fork() == 0:
        while True:
            for source in ("/tmp/inside", "/tmp/outside"):
                os.symlink(source, "/tmp/next")
                os.rename("/tmp/next", "/tmp/race")
    for _ in range(20000):
        for path in ("/tmp/race/../../etc/shadow", "/tmp/race/../.." + SCENE["file"]):
            try:
                return opened(path)
            except OSError:
                pass
    return "absent"


@attack
def tmp_replaced():
    os.rename("/tmp", "/tmp2")
    return "open"


@attack
def place_of_file_systems_taken():
    os.mkdir("/mnt/taken")
    return "open"
