"""What being a box of a cluster costs the daemon: 16 busy cameras alone, and the same in a cluster.

What runs beside the daemon there (the box, its link, Ray) is a contender of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import contenders
import measure
from measure import Cost, Pids

from servers.cluster import BoxProcess, Cluster
from servers.daemon import wait_until
from servers.postgresql import PostgresqlServer
from servers.rtsp import RtspServer

WARM_UP_S = 20.0
"""Ray takes what the machine has until it is up."""

SCORED = 0.9

CONFIG = "cameras: {{{cameras}}}\njournal: {{url: '{journal}'}}\n"


def compare(
    folder: Path, clip: Path, *, cameras: int, seconds: float, rounds: int
) -> dict[str, Cost]:
    """Watch `clip` on so many cameras; fails where a turn has lost samples."""
    with (
        RtspServer({f"cam{i}": clip for i in range(cameras)}) as server,
        PostgresqlServer() as database,
    ):
        urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
        journals = (database.fresh_database(f"city{n}") for n in range(100))

        def config() -> str:
            listed = ", ".join(f"{name}: '{url}'" for name, url in urls.items())
            return CONFIG.format(cameras=listed, journal=next(journals))

        turns = {
            "alone": partial(_alone, folder / "alone", urls, config),
            "in a cluster": partial(_box, folder / "in", urls, config, beside=False),
            "beside it": partial(_box, folder / "beside", urls, config, beside=True),
        }
        return measure.take_turns(turns, cameras=cameras, seconds=seconds, rounds=rounds)


@contextmanager
def _alone(folder: Path, urls: Mapping[str, str], config: Callable[[], str]) -> Iterator[Pids]:
    with contenders.jikimi(folder, urls, config=config()) as daemon:
        measure.pause(WARM_UP_S)
        assert daemon.process
        yield [daemon.process.pid]
        share = min(map(daemon.scored_share, urls))
        assert share >= SCORED, f"only {share:.1%} of the samples scored"


@contextmanager
def _box(
    folder: Path, urls: Mapping[str, str], config: Callable[[], str], *, beside: bool
) -> Iterator[Pids]:
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{sum(1 for _ in folder.iterdir())}"
    run.mkdir()
    with Cluster(run, config()) as cluster:
        [box] = cluster.boxes
        wait_until(
            lambda: box.live() == set(urls), f"every camera to be live; {cluster.logs()}", 120
        )
        measure.pause(WARM_UP_S)
        daemon = box.daemon()
        yield [pid for pid in box.processes() if pid != daemon] if beside else [daemon]
        share = min(_scored_share(box, name) for name in urls)
        assert share >= SCORED, f"only {share:.1%} of the samples scored"


def _scored_share(box: BoxProcess, camera: str) -> float:
    counts = box.samples()[camera]
    due = counts["due"] - counts["warming"]
    return 1 - (counts.total() - counts["due"] - counts["warming"]) / max(1, due)
