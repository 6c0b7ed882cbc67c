"""Attacks by sockets, on addresses and on interfaces."""

import ctypes
import socket

from attacking import HOST, NEIGHBOUR, SCENE, attack, call, calls, connects, first, makes


@attack
def raw_socket():
    return makes(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attack
def raw_socket_of_ipv6():
    return makes(socket.AF_INET6, socket.SOCK_RAW, 58)


@attack
def packet_socket():
    return makes(17, socket.SOCK_RAW, 0x300)


@attack
def netlink_route():
    return makes(socket.AF_NETLINK, socket.SOCK_RAW, 0)


@attack
def netlink_firewall():
    return makes(socket.AF_NETLINK, socket.SOCK_RAW, 12)


@attack
def netlink_audit():
    return makes(socket.AF_NETLINK, socket.SOCK_RAW, 9)


@attack
def vsock():
    return makes(40, socket.SOCK_STREAM)


@attack
def kernel_cryptography():
    return makes(38, socket.SOCK_SEQPACKET)


@attack
def rare_families():
    families = set(range(3, 47)) - {socket.AF_INET6}
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)
    return first(lambda f=f, k=k: makes(f, k) for f in families for k in kinds)


@attack
def sctp():
    return makes(socket.AF_INET, socket.SOCK_STREAM, 132)


@attack
def abstract_socket_of_the_host():
    return connects(socket.AF_UNIX, "\0" + HOST["name"])


@attack
def abstract_socket_of_another_sandbox():
    return connects(socket.AF_UNIX, "\0" + NEIGHBOUR["name"])


@attack
def names_of_sockets_seen():
    with open("/proc/net/unix") as file:
        return "open" if HOST["name"] in file.read() else "absent"


@attack
def loopback_of_the_host():
    return connects(socket.AF_INET, ("127.0.0.1", HOST["port"]))


@attack
def loopback_of_the_host_mapped():
    return connects(socket.AF_INET6, ("::ffff:127.0.0.1", HOST["port"]))


@attack
def port_of_the_server():
    return connects(socket.AF_INET, ("127.0.0.1", SCENE["server_port"]))


@attack
def address_of_the_host():
    return connects(socket.AF_INET, tuple(SCENE["address"]))


@attack
def server_in_another_sandbox():
    return connects(socket.AF_INET, ("127.0.0.1", NEIGHBOUR["port"]))


@attack
def runtime_api_of_another_sandbox():
    return connects(socket.AF_INET, ("127.0.0.1", SCENE["runtime_api"]))


@attack
def metadata_of_the_cloud():
    return connects(socket.AF_INET, ("169.254.169.254", 80))


@attack
def private_network():
    return connects(socket.AF_INET, ("10.0.0.1", 80))


@attack
def link_local_network():
    return connects(socket.AF_INET, ("169.254.64.1", 80))


@attack
def public_address():
    return connects(socket.AF_INET6, ("2001:db8::1", 80))


@attack
def datagrams_out():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("192.0.2.1", 53))
    return "open"


@attack
def interfaces_of_the_host():
    with open("/proc/net/dev") as file:
        names = [line.split(":")[0].strip() for line in list(file)[2:]]
    return "open" if set(SCENE["interfaces"]) & set(names) else "absent"


@attack
def marks_on_packets():
    with socket.socket() as client:
        # SO_MARK
        client.setsockopt(socket.SOL_SOCKET, 36, 1)
    return "open"


@attack
def interface_changed():
    with socket.socket() as client:
        # As it is already: SIOCGIFFLAGS, SIOCSIFFLAGS.
        request = ctypes.create_string_buffer(b"lo".ljust(40, b"\0"), 40)
        call("ioctl", client.fileno(), 0x8913, request)
        return calls("ioctl", client.fileno(), 0x8914, request)
