"""A network of the test's own, and a host in it that can be cut off from a part of it.

The test's process and all that it starts are in a network namespace (network_namespaces(7)) in
which servers listen on 127.0.0.1 as ever. A host has a namespace, and an address, of its own; it
reaches those servers at `CLUSTER`, `DATABASE` and `YARD`, and loses any of these on its own.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CLUSTER = "10.14.0.1"
"""Of whatever listens on all addresses, or on this one."""

DATABASE = "10.14.1.1"
YARD = "10.14.2.1"
"""What listens on 127.0.0.1, by two names."""

HOST = "10.14.0.2"
CLONE_NEWNET = 0x40000000
"""unshare(2)."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[Host]:
    """Have this thread, and what it starts, in a network of their own, with one host beside it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a network of the test's own needs root, on Linux")
    for tool in ("ip", "iptables", "nsenter", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool} (Debian's packages iproute2, iptables, util-linux)")
    with Path("/proc/thread-self/ns/net").open() as outside:
        if _libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
        try:
            # A process that keeps the host's namespace for as long as its input is open.
            keeper = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", "echo; read _"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                assert keeper.stdout
                keeper.stdout.readline()
                _connect(keeper.pid)
                yield Host(keeper.pid)
            finally:
                keeper.communicate()
        finally:
            assert _libc.setns(outside.fileno(), CLONE_NEWNET) == 0


class Host:
    """A host beside the test's own."""

    def __init__(self, pid: int) -> None:
        self.command: Sequence[str] = ("nsenter", f"--net=/proc/{pid}/ns/net")
        """Before a command, has that run there."""

    def cut(self, *addresses: str) -> None:
        """No packet comes from these any more, nor gets there; nobody is told."""
        for address in addresses:
            self._run("iptables", "-I", "INPUT", "-s", address, "-j", "DROP")
            self._run("iptables", "-I", "OUTPUT", "-d", address, "-j", "DROP")

    def heal(self) -> None:
        """All is reached again."""
        self._run("iptables", "-F")

    def _run(self, *command: str) -> None:
        subprocess.run([*self.command, *command], check=True)


def _connect(pid: int) -> None:
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def there(*words: str) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *words], check=True)

    ip("link", "set", "lo", "up")
    for address in (CLUSTER, DATABASE, YARD):
        ip("addr", "add", f"{address}/32", "dev", "lo")
    ip("link", "add", "to-host", "type", "veth", "peer", "name", "net", "netns", str(pid))
    ip("link", "set", "to-host", "up")
    # A default route, by whose source address Ray knows under which a machine is reached.
    ip("route", "add", f"{HOST}/32", "dev", "to-host", "src", CLUSTER)
    ip("route", "add", "default", "dev", "to-host", "src", CLUSTER)
    there("link", "set", "lo", "up")
    there("addr", "add", f"{HOST}/32", "dev", "net")
    there("link", "set", "net", "up")
    there("route", "add", "default", "dev", "net", "src", HOST)
    Path("/proc/sys/net/ipv4/conf/to-host/route_localnet").write_text("1")
    rules = [
        f"{chain} -d {address} -j DNAT --to 127.0.0.1"
        for address in (DATABASE, YARD)
        for chain in ("PREROUTING", "OUTPUT")
    ]
    # And as from there, for PostgreSQL lets in nobody else.
    rules += [f"INPUT -s {HOST} -d 127.0.0.1 -j SNAT --to 127.0.0.1"]
    rules += [
        f"POSTROUTING -s {ours} -d 127.0.0.1 -j SNAT --to 127.0.0.1" for ours in (DATABASE, YARD)
    ]
    for rule in rules:
        subprocess.run(["iptables", "-t", "nat", "-A", *rule.split()], check=True)
