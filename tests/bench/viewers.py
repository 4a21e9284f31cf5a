"""What the console costs the daemon: nobody looks, one wall is open, ten are.

Viewers ask as the page does: once a second for how all cameras stand, then for each picture that
is another one, six at a time. They are threads of this process, which is not measured.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import contenders
import httpx
import measure
from contenders import WARM_UP_S
from measure import Cost, Pids

from servers import open_console
from servers.daemon import DaemonProcess
from servers.rtsp import RtspServer

VIEWERS = (0, 1, 10)
AT_ONCE = 6
"""Connections of a browser to one server."""


def compare(
    folder: Path, clip: Path, *, cameras: int, seconds: float, rounds: int, asleep: bool
) -> dict[str, Cost]:
    """Watch `clip` on so many cameras; fails where one that is `asleep` wakes."""
    with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
        urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
        turns = {
            _who(viewers): partial(_daemon, folder / f"{viewers}", urls, viewers, asleep=asleep)
            for viewers in VIEWERS
        }
        return measure.take_turns(turns, cameras=cameras, seconds=seconds, rounds=rounds)


def _who(viewers: int) -> str:
    return {0: "nobody looks", 1: "one wall open"}.get(viewers, f"{viewers} walls open")


@contextmanager
def _daemon(folder: Path, urls: Mapping[str, str], viewers: int, *, asleep: bool) -> Iterator[Pids]:
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{sum(1 for _ in folder.iterdir())}"
    command = (sys.executable, open_console.__file__)
    with DaemonProcess(run, cameras=urls, command=command) as daemon, ExitStack() as left:
        for name in urls:
            daemon.wait_state(name, "live", 60)
        if asleep:
            contenders.settle(daemon, len(urls))
        for _ in range(viewers):
            left.enter_context(_viewer(f"http://127.0.0.1:{daemon.port}"))
        measure.pause(WARM_UP_S)
        assert daemon.process
        woken = daemon.metric("jikimi_wakes_total")
        yield [daemon.process.pid]
        if asleep:
            assert daemon.metric("jikimi_wakes_total") == woken, "a sleeping camera woke"


@contextmanager
def _viewer(address: str) -> Iterator[None]:
    """Looks at the wall until the end; fails where it saw nothing."""
    over = threading.Event()
    seen: list[int] = []
    thread = threading.Thread(target=_look, args=(address, over, seen))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert sum(seen) > 0, "no picture came"


def _look(address: str, over: threading.Event, seen: list[int]) -> None:
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    shown: dict[str, int] = {}
    with (
        httpx.Client(base_url=address, limits=limits, timeout=30) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        while not over.is_set():
            began_s = time.monotonic()
            tiles = client.get("/wall/state.json").json()["cameras"]
            new = [one for one in tiles if one["picture"] not in (None, shown.get(one["name"]))]
            shown |= {one["name"]: one["picture"] for one in new}
            asked = [
                f"/camera/{one['name']}/picture.jpg?side=320&n={one['picture']}" for one in new
            ]
            seen += [len(answer.content) > 0 for answer in pool.map(client.get, asked)]
            over.wait(max(0.0, 1.0 - (time.monotonic() - began_s)))
