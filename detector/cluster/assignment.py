"""Which box watches which camera: pure logic, with the time as an argument.

Every camera has at most one box. Only what has to move moves: the cameras of a box that is gone or
draining, and as many as a box that has come takes to even out the load. Each assignment has an
epoch, the fencing token: a larger one is newer, and two are never the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from detector.planning import LOAD

DEAD_AFTER_S = 2.5
"""A box not heard of for so long is dead: five reports that did not come."""

SETTLED_AFTER_S = 30.0
"""A box that has come is given no camera of another for so long: it may go again."""

REST_S = 60.0
"""A camera that was moved is not moved again to even out the load for so long."""

COMES_UP_S = 5.0
"""A camera has so long to connect before it is moved again, away from a box that is draining."""

SPREAD = 0.3
"""Of the fuller box's load; two that differ by less stay as they are. Costs are not so exact."""

MOVES_A_ROUND = 8
"""So many cameras leave boxes that work in one round: each has to connect anew."""


@dataclass(frozen=True, slots=True)
class Camera:
    """`cost_ms`: processor milliseconds a second that watching it takes."""

    name: str
    site: str
    cost_ms: float


@dataclass(frozen=True, slots=True)
class Box:
    """A box as it was last heard of.

    `capacity_ms`: processor milliseconds a second that it has, 1000 a core. `sites`: whose cameras
    it reaches; empty: all. `up_since_s`: when it was first heard of since it was last dead.
    `warm`: its daemon runs; one that has first to be started takes seconds.
    """

    name: str
    capacity_ms: float
    seen_s: float
    up_since_s: float
    sites: frozenset[str] = frozenset()
    draining: bool = False
    warm: bool = True

    def reaches(self, camera: Camera) -> bool:
        """Whether it may watch `camera`."""
        return not self.sites or camera.site in self.sites

    def alive(self, now_s: float) -> bool:
        """Whether it was heard of lately."""
        return now_s - self.seen_s <= DEAD_AFTER_S

    def settled(self, now_s: float) -> bool:
        """Whether it has been there for a while."""
        return now_s - self.up_since_s >= SETTLED_AFTER_S


@dataclass(frozen=True, slots=True)
class Watch:
    """Which box a camera is assigned to, by which epoch, and since when."""

    box: str
    epoch: int
    since_s: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """The watch of each camera that has one, and of each other why it has none.

    `needed`: cameras that were moved because they had to; `evened`: those moved to even out the
    load. `next_epoch`: the first that is not taken.
    """

    watches: Mapping[str, Watch]
    unassignable: Mapping[str, str]
    next_epoch: int
    needed: frozenset[str] = frozenset()
    evened: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HeadRoom:
    """What the loss of one box would mean.

    `load`: share of its capacity that the fullest box would have, at worst, 0…1. `box`: whose loss
    that is. `unwatched`: cameras that would have no box then, by the box whose loss it is.
    """

    load: float
    box: str | None
    unwatched: Mapping[str, tuple[str, ...]]

    @property
    def enough(self) -> bool:
        """Whether any one box may die: all are watched, and no box has more than it should."""
        return not self.unwatched and self.load <= LOAD


def assign(
    cameras: Iterable[Camera],
    boxes: Iterable[Box],
    before: Mapping[str, Watch],
    now_s: float,
    next_epoch: int,
) -> Assignment:
    """Who watches what from now on, given who did `before`.

    Cameras that have a box which works stay there. The others go to the box that reaches them and
    has most room; a box that has only just come, or whose daemon does not run yet, is taken where
    no other has room. Where none has room, one camera that can go elsewhere makes some.
    """
    round_ = _Round({camera.name: camera for camera in cameras}, boxes, now_s, next_epoch)
    homeless = round_.keep(before)
    reaching = {name: len(round_.reaching(round_.cameras[name])) for name in homeless}
    cost = {name: round_.cameras[name].cost_ms for name in homeless}
    for name in sorted(homeless, key=lambda name: (reaching[name], -cost[name], name)):
        round_.place(name)
    round_.drain()
    round_.even_out()
    return round_.result()


def head_room(
    cameras: Iterable[Camera],
    boxes: Iterable[Box],
    watches: Mapping[str, Watch],
    now_s: float,
) -> HeadRoom:
    """What the loss of any one box that works would mean."""
    cameras, boxes = list(cameras), list(boxes)
    worst, of = 0.0, None
    unwatched: dict[str, tuple[str, ...]] = {}
    for lost in boxes:
        if not lost.alive(now_s):
            continue
        left = [box for box in boxes if box is not lost]
        round_ = _Round({camera.name: camera for camera in cameras}, left, now_s, 0)
        for name in sorted(round_.keep(watches)):
            round_.place(name)
        now_without = {name for name in round_.unassignable if name in watches}
        if now_without:
            unwatched[lost.name] = tuple(sorted(now_without))
        load = max((place.share for place in round_.places.values()), default=0.0)
        if of is None or load > worst:
            worst, of = load, lost.name
    return HeadRoom(worst, of, unwatched)


@dataclass(slots=True)
class _Place:
    """A box that works, and what it has."""

    box: Box
    load_ms: float = 0.0
    cameras: set[str] = field(default_factory=set)

    @property
    def share(self) -> float:
        return self.load_ms / self.box.capacity_ms

    def has_room(self, cost_ms: float) -> bool:
        return self.load_ms + cost_ms <= self.box.capacity_ms


class _Round:
    """One turn of `assign`, under way."""

    def __init__(
        self, cameras: Mapping[str, Camera], boxes: Iterable[Box], now_s: float, next_epoch: int
    ) -> None:
        self.cameras = cameras
        self._boxes = {box.name: box for box in boxes}
        self.places = {box.name: _Place(box) for box in self._boxes.values() if box.alive(now_s)}
        self._by_site: dict[str, list[_Place]] = {}
        self._now_s = now_s
        self._epochs = count(next_epoch)
        self._next_epoch = next_epoch
        self._watches: dict[str, Watch] = {}
        self.unassignable: dict[str, str] = {}
        self._too_much_ms: dict[str, float] = {}
        self._needed: set[str] = set()
        self._evened: set[str] = set()

    def keep(self, before: Mapping[str, Watch]) -> list[str]:
        """Leave with its box what can stay there; the names of the others."""
        homeless = []
        for name, camera in self.cameras.items():
            watch = before.get(name)
            place = self.places.get(watch.box) if watch else None
            if watch is None or place is None or not place.box.reaches(camera):
                homeless.append(name)
                continue
            self._watches[name] = watch
            place.cameras.add(name)
            place.load_ms += camera.cost_ms
        return homeless

    def reaching(self, camera: Camera) -> list[_Place]:
        """The boxes that work, are not draining and may watch `camera`."""
        found = self._by_site.get(camera.site)
        if found is None:
            found = self._by_site[camera.site] = [
                place
                for place in self.places.values()
                if not place.box.draining and place.box.reaches(camera)
            ]
        return found

    def place(self, name: str) -> None:
        """Find a box for a camera that has none, or say why there is none."""
        camera = self.cameras[name]
        place = None
        # What was too much of a site still is: until all are placed, room only shrinks.
        if camera.cost_ms < self._too_much_ms.get(camera.site, math.inf):
            place = self._roomiest(camera) or self._made_room(camera)
        if place:
            self._move(name, place)
            self._needed.add(name)
        else:
            self._too_much_ms[camera.site] = camera.cost_ms
            self.unassignable[name] = self._why(camera)

    def drain(self) -> None:
        """Move some cameras away from boxes that are draining; those nobody else takes stay."""
        left = MOVES_A_ROUND
        for place in list(self.places.values()):
            if not place.box.draining:
                continue
            for name in sorted(place.cameras):
                if left == 0:
                    return
                if self._now_s - self._watches[name].since_s < COMES_UP_S:
                    continue
                if other := self._roomiest(self.cameras[name]):
                    self._move(name, other)
                    self._needed.add(name)
                    left -= 1

    def even_out(self) -> None:
        """Move some cameras from full boxes to boxes with much more room."""
        for _ in range(MOVES_A_ROUND):
            for name, target in self._relief():
                self._move(name, target)
                self._evened.add(name)
                break
            else:
                return

    def result(self) -> Assignment:
        return Assignment(
            self._watches,
            self.unassignable,
            self._next_epoch,
            frozenset(self._needed),
            frozenset(self._evened),
        )

    def _roomiest(self, camera: Camera, but: _Place | None = None) -> _Place | None:
        """The box with most room for `camera`, one that has been there for a while if possible."""
        best, best_rank = None, (True, 0.0, "")
        for place in self.reaching(camera):
            if place is but or not place.has_room(camera.cost_ms):
                continue
            after = (place.load_ms + camera.cost_ms) / place.box.capacity_ms
            new = not (place.box.settled(self._now_s) and place.box.warm)
            rank = (new, after, place.box.name)
            if best is None or rank < best_rank:
                best, best_rank = place, rank
        return best

    def _made_room(self, camera: Camera) -> _Place | None:
        """A box that has room for `camera` once one of its own has gone elsewhere."""
        for place in self.reaching(camera):
            lacks_ms = place.load_ms + camera.cost_ms - place.box.capacity_ms
            for name in sorted(place.cameras):
                own = self.cameras[name]
                if own.cost_ms < lacks_ms:
                    continue
                if other := self._roomiest(own, but=place):
                    self._move(name, other)
                    self._needed.add(name)
                    return place
        return None

    def _relief(self) -> Iterator[tuple[str, _Place]]:
        """Cameras whose move evens out the load, each with where to; the best first."""
        settled = [
            place
            for place in self.places.values()
            if place.box.settled(self._now_s) and not place.box.draining
        ]
        by_share = sorted(settled, key=lambda place: (place.share, place.box.name))
        for full in reversed(by_share):
            if full.share - by_share[0].share < SPREAD * full.share:
                return
            rested = [
                self.cameras[name]
                for name in sorted(full.cameras)
                if self._now_s - self._watches[name].since_s >= REST_S
            ]
            for empty in by_share if rested else ():
                if full.share - empty.share < SPREAD * full.share:
                    break
                if not empty.box.warm and empty.cameras:
                    continue  # the first has its daemon started, the others wait where they are
                for camera in rested:
                    after = (empty.load_ms + camera.cost_ms) / empty.box.capacity_ms
                    fits = after < full.share and empty.has_room(camera.cost_ms)
                    if fits and empty.box.reaches(camera):
                        yield camera.name, empty

    def _move(self, name: str, place: _Place) -> None:
        camera = self.cameras[name]
        if old := self._watches.get(name):
            left = self.places[old.box]
            left.cameras.discard(name)
            left.load_ms -= camera.cost_ms
        self._watches[name] = Watch(place.box.name, next(self._epochs), self._now_s)
        self._next_epoch += 1
        place.cameras.add(name)
        place.load_ms += camera.cost_ms

    def _why(self, camera: Camera) -> str:
        able = sorted(box.name for box in self._boxes.values() if box.reaches(camera))
        if not able:
            return f"no box reaches site {camera.site}"
        if not any(name in self.places for name in able):
            return f"every box that reaches it is dead: {', '.join(able)}"
        if not self.reaching(camera):
            return f"every box that reaches it is dead or draining: {', '.join(able)}"
        return f"no box that reaches it has room: {', '.join(able)}"
