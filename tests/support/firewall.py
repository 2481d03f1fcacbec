"""What stands between machines: rules of nftables in a namespace, for as long as a test wants them."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.netns import Namespace

_numbers = itertools.count()


@contextmanager
def wall(namespace: Namespace, address: str, *what: str) -> Iterator[None]:
    """Drop what comes from the IPv4 address into the namespace and is one of `what`, in nft's words."""
    table = f"wall{next(_numbers)}"
    rules = "\n".join(f"ip saddr {address} {match} drop" for match in what)
    chain = f"chain entry {{\n type filter hook prerouting priority 0; policy accept;\n{rules}\n}}"
    nft(namespace, f"table inet {table} {{\n{chain}\n}}")
    try:
        yield
    finally:
        nft(namespace, f"delete table inet {table}")


def symmetric_nat(router: Namespace, device: str) -> None:
    """Hide what leaves by the device behind its address, each flow at a port of its own, by chance."""
    rule = f'oifname "{device}" masquerade fully-random'
    chain = f"chain exit {{\n type nat hook postrouting priority 100;\n{rule}\n}}"
    nft(router, f"table ip nat {{\n{chain}\n}}")


def nft(namespace: Namespace, rules: str) -> None:
    """Carry rules out; raise `OSError` with the complaint."""
    argv = namespace.command("nft", "-f", "-")
    done = subprocess.run(argv, input=f"{rules}\n", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"nft: {done.stderr.strip()}")
