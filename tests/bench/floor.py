"""The kernel's share: a process that only sends, as many packets to as many sockets as the server would.

`python -m tests.bench.floor LOOP INTERVAL_S BYTES COPIES HOST:PORT...` sends `COPIES` packets to each
address on every interval until it is terminated, then prints how many it sent. LOOP is `sendto`, one
system call from Python for each packet, or `sendmmsg`, one for all: the kernel's cost with no interpreter.
"""

import ctypes
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

Addresses = list[tuple[str, int]]

_SOCKADDR = struct.Struct("=H2s4s8x")
_IOVEC = struct.Struct("=QQ")
_MMSGHDR = struct.Struct("=QI4xQQQQi4xI4x")
_MAX_MESSAGES = 1024


def sendto(sock: socket.socket, packet: bytes, addresses: Addresses) -> Callable[[], None]:
    """Return what sends the packet to each address, one call each."""
    send = sock.sendto

    def round_() -> None:
        for address in addresses:
            send(packet, address)

    return round_


def sendmmsg(sock: socket.socket, packet: bytes, addresses: Addresses) -> Callable[[], None]:
    """Return what sends the packet to each address in as few calls as the kernel allows."""
    payload, names = bytearray(packet), bytearray(_SOCKADDR.size * len(addresses))
    vector, headers = bytearray(_IOVEC.size), bytearray(_MMSGHDR.size * len(addresses))
    _IOVEC.pack_into(vector, 0, _address(payload), len(payload))
    for index, (host, port) in enumerate(addresses):
        offset = index * _SOCKADDR.size
        _SOCKADDR.pack_into(names, offset, socket.AF_INET, port.to_bytes(2, "big"), socket.inet_aton(host))
        name = (_address(names) + offset, _SOCKADDR.size)
        _MMSGHDR.pack_into(headers, index * _MMSGHDR.size, *name, _address(vector), 1, 0, 0, 0, 0)
    send = ctypes.CDLL(None).sendmmsg
    send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]

    def round_() -> None:
        keep = (payload, names, vector)  # the headers point into these
        done = 0
        while done < len(addresses):
            start = _address(headers) + done * _MMSGHDR.size
            sent = send(sock.fileno(), start, min(_MAX_MESSAGES, len(addresses) - done), 0)
            if sent <= 0:
                raise OSError("sendmmsg failed")
            done += sent
        del keep

    return round_


LOOPS = {"sendto": sendto, "sendmmsg": sendmmsg}


def _address(buffer: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def main(arguments: list[str]) -> None:
    """Send until terminated."""
    loop, interval_s, size, copies = arguments[0], float(arguments[1]), int(arguments[2]), int(arguments[3])
    hosts = [host.rpartition(":") for host in arguments[4:]]
    addresses = [(host, int(port)) for host, _, port in hosts] * copies
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    send = LOOPS[loop](sock, bytes(size), addresses)
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ending.append(number))
    rounds = 0
    due = time.monotonic()
    while not ending:
        due += interval_s
        time.sleep(max(0.0, due - time.monotonic()))
        send()
        rounds += 1
    print(rounds * len(addresses), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
