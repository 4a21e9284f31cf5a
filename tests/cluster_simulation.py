"""A cluster that is only played: boxes that fail, come and drain, around a real `Roster`.

A second of it takes milliseconds. A box adopts its share when it reports, and has pictures of a
camera `CONNECT_S` later.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from detector.cluster.assignment import DEAD_AFTER_S, SETTLED_AFTER_S, Camera
from detector.cluster.roster import LEARN_S, REPORT_EVERY_S, Report, Roster

CONNECT_S = 2.0
"""What a camera takes from the share to its first picture; half of it on an idle machine."""

COST_MS = 11.4
"""Of 360p, something moving a fifth of the time: `jikimi plan`."""


@dataclass
class PlayedBox:
    """`held`: by camera, its epoch; `live_at_s`: by camera, when its first picture comes."""

    name: str
    sites: frozenset[str]
    capacity_ms: float
    up: bool = True
    draining: bool = False
    held: dict[str, int] = field(default_factory=dict)
    live_at_s: dict[str, float] = field(default_factory=dict)

    def report(self) -> Report:
        return Report(self.name, self.capacity_ms, self.sites, self.held)

    def adopt(self, share: dict[str, int], now_s: float) -> None:
        for name in self.held.keys() - share.keys():
            del self.live_at_s[name]
        for name in share.keys() - self.held.keys():
            self.live_at_s[name] = now_s + CONNECT_S
        if share != self.held:
            self.held = dict(share)


@dataclass
class Figures:
    """What a simulation has shown; `unwatched_s`: the longest spans without a picture."""

    failures: int = 0
    joins: int = 0
    drains: int = 0
    orphans: int = 0
    needed: int = 0
    evened: int = 0
    watched_twice: int = 0
    unwatched_s: list[float] = field(default_factory=list)


class Simulation:
    """`sites` groups of boxes, each reaching its own site and the next one's cameras."""

    def __init__(self, cameras: int, boxes: int, sites: int, seed: int) -> None:
        self._random = random.Random(seed)
        self.now_s = 0.0
        self.figures = Figures()
        self.cameras = [
            Camera(f"c{n}", f"s{n % sites}", COST_MS * self._random.uniform(0.5, 2))
            for n in range(cameras)
        ]
        # Twice what is needed at an even load: a site can lose some of its boxes.
        capacity_ms = 2 * sum(camera.cost_ms for camera in self.cameras) / boxes
        self.boxes = [
            PlayedBox(f"b{n}", frozenset({f"s{n % sites}", f"s{(n + 1) % sites}"}), capacity_ms)
            for n in range(boxes)
        ]
        self.roster = Roster(self.now_s, 1)
        self.roster.configure(self.cameras)
        self._watched_s = dict.fromkeys((camera.name for camera in self.cameras), 0.0)

    def run(self, for_s: float) -> None:
        """Play so many seconds."""
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += REPORT_EVERY_S
            for box in self.boxes:
                if box.up:
                    box.adopt(self.roster.heard(box.report(), self.now_s), self.now_s)
            assigned = self.roster.look(self.now_s)
            self.figures.needed += len(assigned.needed)
            self.figures.evened += len(assigned.evened)
            self._watch()

    def settle(self) -> None:
        """Play until every box may be given any camera, and forget what it took to get there."""
        self.run(LEARN_S + SETTLED_AFTER_S + CONNECT_S + 1)
        self.figures = Figures()
        self._watched_s = dict.fromkeys(self._watched_s, self.now_s)

    def happen(self) -> None:
        """A random failure, join, drain or end of a drain; at most a fifth of the boxes is away."""
        away = [box for box in self.boxes if not box.up or box.draining]
        here = [box for box in self.boxes if box not in away]
        box = self._random.choice(
            here
            if len(away) < len(self.boxes) / 5 and self._random.random() < 0.5
            else away or here
        )
        if box in here and self._random.random() < 0.7:
            self.fail(box)
        elif box in here:
            self.drain(box)
        elif not box.up:
            self.join(box)
        else:
            self.roster.drain(box.name, draining=False)
            box.draining = False

    def fail(self, box: PlayedBox) -> None:
        self.figures.failures += 1
        self.figures.orphans += len(box.held)
        box.up = False
        for name, watch in self.roster.watches.items():
            if watch.box == box.name:  # one that was on its way here waits anew
                self._watched_s[name] = self.now_s
        box.held, box.live_at_s = {}, {}

    def join(self, box: PlayedBox) -> None:
        self.figures.joins += 1
        box.up = True

    def drain(self, box: PlayedBox) -> None:
        self.figures.drains += 1
        self.figures.orphans += len(box.held)
        box.draining = True
        self.roster.drain(box.name)

    def unwatched(self) -> set[str]:
        """Cameras without a picture now."""
        return {name for name, at_s in self._watched_s.items() if at_s < self.now_s}

    def _watch(self) -> None:
        watchers: defaultdict[str, int] = defaultdict(int)
        for box in self.boxes:
            for name, live_at_s in box.live_at_s.items():
                watchers[name] += live_at_s <= self.now_s
        for name, since_s in self._watched_s.items():
            if watchers[name]:
                if (gap_s := self.now_s - since_s) > REPORT_EVERY_S:
                    self.figures.unwatched_s.append(gap_s)
                self._watched_s[name] = self.now_s
            self.figures.watched_twice += watchers[name] > 1


LONGEST_S = DEAD_AFTER_S + 5.0
"""What the issue allows a camera to be unwatched."""
