"""What a cluster loses of its cameras' samples while something happens to it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from detector.daemon.handover.claims import CLAIMS
from detector.daemon.operators.control import ask
from servers.cluster import BoxProcess, Cluster

HEAD_AWAY_S = 10.0
LOOK_EVERY_S = 0.2
COUNT_EVERY_LOOKS = 5
RATE = 8
"""Samples due for each second that a camera is live."""


@dataclass
class Losses:
    """Of one happening. `counts`: due, and not scored by reason; `unwatched_s`: by camera."""

    what: str
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    unwatched_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    moved: int = 0

    def row(self) -> str:
        """A line of `table`."""
        gaps = self.unwatched_s.values()
        reasons = sorted(self.counts.keys() - {"due"})
        why = ", ".join(f"{name} {self.counts[name]}" for name in reasons if self.counts[name])
        return (
            f"| {self.what} | {self.seconds:.0f} | {self.moved} | {self.counts['due']}"
            f" | {why or 'none'} | {sum(gaps):.1f} | {max(gaps, default=0):.1f}"
            f" | {RATE * sum(gaps):.0f} |"
        )


def table(found: list[Losses]) -> str:
    """All of them, in Markdown."""
    head = "| what | s | cameras moved | samples due | not scored, by reason"
    head += " | unwatched: camera-s | longest s | samples not taken |"
    return "\n".join(["", head, "|---|---|---|---|---|---|---|---|", *(one.row() for one in found)])


class Ledger:
    """Watches a cluster from outside; `of` yields what is lost meanwhile."""

    def __init__(self, cluster: Cluster, cameras: set[str]) -> None:
        self.found: list[Losses] = []
        self._cluster = cluster
        self._cameras = cameras
        self._last: dict[tuple[int, str], Counter[str]] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[Losses]:
        """Count until the end of the block."""
        losses, over = Losses(what), threading.Event()
        self._count(None)
        before, began_s = self._watchers(), time.monotonic()
        thread = threading.Thread(target=self._look, args=(losses, over))
        thread.start()
        try:
            yield losses
        finally:
            over.set()
            thread.join()
            losses.seconds = time.monotonic() - began_s
            self._count(losses)
            after = self._watchers()
            losses.moved = sum(after.get(name) != by for name, by in before.items())
            self.found.append(losses)

    def _watchers(self) -> dict[str, set[str]]:
        return self._cluster.watched()

    def _look(self, losses: Losses, over: threading.Event) -> None:
        looked_s, turn = time.monotonic(), 0
        while not over.wait(LOOK_EVERY_S):
            unwatched = self._cameras - self._watchers().keys()
            now_s = time.monotonic()
            for name in unwatched:
                losses.unwatched_s[name] += now_s - looked_s
            looked_s, turn = now_s, turn + 1
            if turn % COUNT_EVERY_LOOKS == 0:
                self._count(losses)

    def _count(self, losses: Losses | None) -> None:
        """Add what boxes have counted since; one that starts anew counts from nothing."""
        for box in self._cluster.boxes:
            for camera, now in box.samples().items():
                key = (box.process.pid, camera)
                before = self._last.get(key, Counter())
                if now["due"] < before["due"]:  # its daemon has started anew
                    before = Counter()
                self._last[key] = now
                if losses:
                    losses.counts.update({name: now[name] - before[name] for name in now})


def shares(cluster: Cluster) -> dict[str, dict[str, int]]:
    """By box that has cameras, their epochs."""
    found = {}
    for box in cluster.boxes:
        path = box.state_dir / CLAIMS
        epochs = json.loads(path.read_text())["epochs"] if path.exists() else {}
        found[box.name] = {name: epochs[name] for name in box.cameras().keys() & epochs.keys()}
    return found


def lose_the_head(cluster: Cluster, ledger: Ledger, cameras: set[str], what: str) -> None:
    """Kill the head's box, and start it again after `HEAD_AWAY_S`; the others do not notice."""
    head, *others = cluster.boxes
    before = shares(cluster)
    began = {box.name: started_at(box) for box in others if before[box.name]}
    with ledger.of(what) as losses:
        orphans = set(before["head"])
        head.kill()
        threading.Event().wait(HEAD_AWAY_S)
        cluster.restart_head()
        cluster.wait_watched(cameras, 240)
    after = shares(cluster)
    assert losses.unwatched_s.keys() <= orphans, "cameras of the others were unwatched"
    for name in began:
        assert before[name].items() <= after[name].items(), "cameras of the others were moved"
    assert {box.name: started_at(box) for box in others if before[box.name]} == began


def started_at(box: BoxProcess) -> str:
    """When its daemon was started."""
    return str(ask(box.state_dir / "control.sock", "status")["started_at"])
