"""A network of the benchmark's own: loopback, and one address that is not loopback.

Janus leaves loopback out when it gathers candidates, and a network namespace keeps every packet of the
benchmark off the machine's real interfaces. The namespace has no name: it ends with the last process in
it. Needs root, or a kernel that lets users make namespaces.
"""

import os
import subprocess
import sys

ADDRESS = "10.77.0.1"
_INSIDE = "PARLEY_BENCH_INSIDE"


def enter(module: str, arguments: list[str]) -> None:
    """Return inside a namespace of our own: this process is replaced by `python -m module` in a new one."""
    if os.environ.get(_INSIDE):
        _furnish()
        return
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--net", *mapped, sys.executable, "-m", module, *arguments]
    os.execvpe("unshare", command, os.environ | {_INSIDE: "1"})


def _furnish() -> None:
    for words in (
        "ip link set lo up",
        "ip link add bench0 type veth peer name bench1",
        f"ip addr add {ADDRESS}/24 dev bench0",
        "ip link set bench0 up",
        "ip link set bench1 up",
    ):
        subprocess.run(words.split(), check=True)
