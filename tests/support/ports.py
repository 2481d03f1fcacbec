"""Ports that nobody uses."""

import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, for TCP on all addresses; for UDP they mostly are, too."""
    with ExitStack() as closing:
        sockets = [closing.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def free_run(count: int) -> int:
    """Return the first of so many ports in a row that were all free a moment ago."""
    while True:
        (first,) = free_ports(1)
        with ExitStack() as closing:
            try:
                for port in range(first, first + count):
                    closing.enter_context(socket.create_server(("", port)))
            except OSError:
                continue
            return first
