"""Ports that nobody uses, outside the range from which the kernel gives ports to connections."""

import random
import socket
from contextlib import ExitStack
from itertools import cycle

_RANGE = range(12_000, 32_000)
_FIRST = random.choice(_RANGE)
"""Chance, so that test processes beside this one seldom try the same."""
_ports = cycle([*range(_FIRST, _RANGE.stop), *range(_RANGE.start, _FIRST)])


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, for TCP on all addresses; for UDP they mostly are, too."""
    return [free_run(1) for _ in range(count)]


def free_run(count: int) -> int:
    """Return the first of so many ports in a row that were all free a moment ago."""
    while True:
        ports = [next(_ports) for _ in range(count)]
        if _are_free(ports):
            return ports[0]


def _are_free(ports: list[int]) -> bool:
    if ports != list(range(ports[0], ports[0] + len(ports))):
        return False
    with ExitStack() as closing:
        try:
            for port in ports:
                closing.enter_context(socket.create_server(("", port)))
        except OSError:
            return False
    return True
