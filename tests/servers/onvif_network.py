"""A command in a network of its own in which ONVIF cameras answer multicast; nothing leaves it.

`in_own_network` runs this module there, in a network namespace (network_namespaces(7)) that has
the loopback interface and nothing else.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from servers.onvif_camera import OnvifCamera

TESTS = Path(__file__).parents[1]
UNSHARE = ("unshare", "--map-root-user", "--net")

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP, IFF_MULTICAST = 0x1, 0x1000


def in_own_network(
    cameras: Sequence[Mapping[str, Any]], arguments: Sequence[str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What `jikimi` with `arguments` made of `cameras` (arguments of OnvifCamera) around it.

    `datagram` is given as text. Skips the test where the system allows no namespaces.
    """
    try:
        allowed = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        allowed = 1
    if allowed != 0:
        pytest.skip("no network namespace may be made here (unshare --map-root-user --net)")
    plan = json.dumps({"cameras": list(cameras), "arguments": list(arguments)})
    return subprocess.run(
        [*UNSHARE, sys.executable, "-m", "servers.onvif_network"],
        input=plan,
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS,
        env=dict(env),
        timeout=60,
    )


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        flags = struct.unpack_from("16sh", answer)[1] | IFF_UP | IFF_MULTICAST
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def _main() -> int:
    plan = json.load(sys.stdin)
    _bring_up_loopback()
    with ExitStack() as stack:
        for described in plan["cameras"]:
            datagram = described.pop("datagram", None)
            camera = OnvifCamera(
                **described, multicast=True, datagram=datagram and datagram.encode("latin-1")
            )
            stack.enter_context(camera)
        command = [sys.executable, "-m", "detector.cli", *plan["arguments"]]
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(_main())
