"""The cluster as the coordinator knows it: what boxes report, and what each is given in return.

No Ray and no clock here. A box reports twice a second what its daemon watches, and is answered with
its share. A camera that moves between boxes that work is given to the new one once the old one no
longer reports it; one of a dead box at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from detector.cluster.assignment import (
    DEAD_AFTER_S,
    Assignment,
    Box,
    Camera,
    HeadRoom,
    Watch,
    assign,
    head_room,
)
from detector.types import Claim

REPORT_EVERY_S = 0.5

LEARN_S = 5.0
"""A coordinator that has just started only listens for so long after the first report: boxes may
have their cameras, and the first to report is not to get them all."""

LEARN_ALL_S = 45.0
"""And for so long where boxes have cameras: all have to start their nodes, and find it. Of a head
that was away they come some 15 s after it."""

FORGET_AFTER_S = 86_400.0
"""A box that has been dead for so long is no longer known."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a box says of itself; `held`: by camera, the epoch by which its daemon watches it.

    `costs_ms`: by camera, processor milliseconds a second as measured; may lack some. `live`: the
    cameras that it has pictures of. `warm`: its daemon runs and answers. `host`, `port`: where that
    shows its metrics.
    """

    box: str
    capacity_ms: float
    sites: frozenset[str]
    held: Mapping[str, int]
    costs_ms: Mapping[str, float] = field(default_factory=dict)
    live: frozenset[str] = frozenset()
    warm: bool = True
    host: str = ""
    port: int | None = None


class Roster:
    """Cameras, boxes and who watches what; not safe to use from two threads at once."""

    def __init__(self, now_s: float, first_epoch: int) -> None:
        """`first_epoch`: larger than any that an earlier coordinator gave."""
        self._heard_first_s: float | None = None
        self._looked_s = now_s
        self._learnt = False
        self._awaited: frozenset[str] | None = None
        self._cameras: dict[str, Camera] = {}
        self._boxes: dict[str, Box] = {}
        self._reports: dict[str, Report] = {}
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        self._given: dict[str, int] = {}
        self._draining: dict[str, float] = {}
        self._assignment = Assignment({}, {}, first_epoch)
        self._shares_of: Mapping[str, Watch] = {}
        self._shares: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.journal_away = False
        """Whether no claim can be written: then a minority of boxes takes nothing over."""

    @property
    def watches(self) -> Mapping[str, Watch]:
        """By camera, who is to watch it."""
        return self._assignment.watches

    @property
    def unassignable(self) -> Mapping[str, str]:
        """By camera that nobody can watch, why not."""
        return self._assignment.unassignable

    @property
    def boxes(self) -> Mapping[str, Box]:
        """By name, all that were heard of in the last day."""
        return self._boxes

    @property
    def cameras(self) -> Mapping[str, Camera]:
        """By name, all that are to be watched."""
        return self._cameras

    @property
    def learnt(self) -> bool:
        """False while boxes that were there before may not have been heard of yet."""
        return self._learnt

    def draining_since_s(self, box: str) -> float | None:
        """Since when `box` gives its cameras away; None where it does not."""
        return self._draining.get(box)

    def report(self, box: str) -> Report | None:
        """The last of `box`."""
        return self._reports.get(box)

    def configure(self, cameras: Iterable[Camera]) -> None:
        """These are to be watched from now on; what was measured of them is kept."""
        old = self._cameras
        self._cameras = {
            camera.name: replace(camera, cost_ms=old[camera.name].cost_ms)
            if camera.name in old
            else camera
            for camera in cameras
        }

    def remember(self, claims: Mapping[str, Claim]) -> None:
        """By camera, what the journal has of an earlier coordinator: whose boxes are waited for."""
        if self._awaited is not None:
            return
        self._awaited = frozenset(one.box for one in claims.values())
        taken = max((one.epoch for one in claims.values()), default=0)
        next_epoch = max(self._assignment.next_epoch, taken + 1)
        self._assignment = replace(self._assignment, next_epoch=next_epoch)

    def drain(self, box: str, draining: bool = True) -> None:
        """Have `box` give its cameras to others, or take some again."""
        if draining:
            self._draining.setdefault(box, self._looked_s)
        else:
            self._draining.pop(box, None)
        if known := self._boxes.get(box):
            self._boxes[box] = replace(known, draining=draining)

    def heard(self, report: Report, now_s: float) -> dict[str, int]:
        """Take note of `report`; by camera, the epoch of what its box is to watch."""
        if self._heard_first_s is None:
            self._heard_first_s = now_s
        known = self._boxes.get(report.box)
        back = known is None or not known.alive(now_s)
        self._boxes[report.box] = Box(
            report.box,
            report.capacity_ms,
            now_s,
            now_s if known is None or back else known.up_since_s,
            report.sites,
            report.box in self._draining,
            report.warm,
        )
        self._note_held(report.box, report.held.keys())
        self._reports[report.box] = report
        for name, cost_ms in report.costs_ms.items():
            if name in self._cameras and cost_ms > 0:
                self._cameras[name] = replace(self._cameras[name], cost_ms=cost_ms)
        if not self._learnt:  # the one that is waited for, too
            self._learn(report, now_s)
        return self._share(report)

    def look(self, now_s: float) -> Assignment:
        """Assign anew; to be called every `REPORT_EVERY_S`."""
        # Where this process itself stood still, boxes that were not heard meanwhile are not dead.
        stood_still_s = now_s - self._looked_s - REPORT_EVERY_S
        if stood_still_s > DEAD_AFTER_S / 2:
            self._boxes = {
                name: replace(box, seen_s=min(now_s, box.seen_s + stood_still_s))
                for name, box in self._boxes.items()
            }
        self._looked_s = now_s
        for name, box in list(self._boxes.items()):
            if now_s - box.seen_s > FORGET_AFTER_S:
                self._note_held(name, set())
                del self._boxes[name], self._reports[name]
        if not self._learns(now_s) and not self._cut_off(now_s):
            self._assignment = assign(
                self._cameras.values(),
                self._boxes.values(),
                self._assignment.watches,
                now_s,
                self._assignment.next_epoch,
            )
        return self._assignment

    def load_ms(self, box: str) -> float:
        """Processor milliseconds a second that the cameras of `box` take."""
        return sum(
            self._cameras[name].cost_ms
            for name, watch in self.watches.items()
            if watch.box == box and name in self._cameras
        )

    def head_room(self, now_s: float) -> HeadRoom:
        """What the loss of one box would mean."""
        return head_room(self._cameras.values(), self._boxes.values(), self.watches, now_s)

    def _learns(self, now_s: float) -> bool:
        if self._learnt:
            return False
        if self._heard_first_s is None:
            return True
        all_known = bool(self._cameras) and self._cameras.keys() <= self.watches.keys()
        if self._awaited:
            complete = all_known or self._awaited <= self._boxes.keys()
        else:
            complete = all_known or not self.watches
        age_s = now_s - self._heard_first_s
        self._learnt = age_s >= (LEARN_S if complete else LEARN_ALL_S)
        return not self._learnt

    def _cut_off(self, now_s: float) -> bool:
        alive = sum(box.alive(now_s) for box in self._boxes.values())
        return self.journal_away and 2 * alive < len(self._boxes)

    def _learn(self, report: Report, now_s: float) -> None:
        watches = dict(self.watches)
        next_epoch = self._assignment.next_epoch
        for name, epoch in report.held.items():
            watch = watches.get(name)
            if watch is None or watch.epoch < epoch:
                watches[name] = Watch(report.box, epoch, now_s)
                next_epoch = max(next_epoch, epoch + 1)
        self._assignment = replace(self._assignment, watches=watches, next_epoch=next_epoch)

    def _share(self, report: Report) -> dict[str, int]:
        if self._shares_of is not self.watches:
            self._shares_of = self.watches
            self._shares = defaultdict(dict)
            for name, watch in self.watches.items():
                self._shares[watch.box][name] = watch.epoch
        share = {
            name: epoch
            for name, epoch in self._shares[report.box].items()
            if name in report.held
            or self._given.get(name) == epoch  # what is given is not taken back for a late report
            or not self._held_elsewhere(name, report.box)
        }
        self._given |= share
        return share

    def _held_elsewhere(self, camera: str, box: str) -> bool:
        return any(
            self._boxes[holder].alive(self._looked_s)
            for holder in self._holders[camera]
            if holder != box
        )

    def _note_held(self, box: str, held: AbstractSet[str]) -> None:
        before = self._reports[box].held.keys() if box in self._reports else set()
        for name in before - held:
            self._holders[name].discard(box)
        for name in held - before:
            self._holders[name].add(box)
