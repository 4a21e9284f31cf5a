"""The coordinator: one roster for the whole cluster, asked by every box twice a second.

A plain class, which `link` makes a detached Ray actor of. It keeps nothing on disk: started anew,
it learns from what boxes report who watches what, and from the journal which boxes to wait for; the
configuration is sent by one of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from structlog import get_logger

from config.settings import Settings
from detector.cluster.assignment import HeadRoom
from detector.cluster.claiming import Claiming
from detector.cluster.configuration import Configuration, boxes_of, cameras_of, read_settings
from detector.cluster.roster import REPORT_EVERY_S, Report, Roster
from detector.cluster.summary import counts, unknown_boxes, watching
from detector.types import Claim

NAME = "coordinator"
NAMESPACE = "jikimi"
"""Of the actor, in Ray."""

SUMMARY_EVERY_S = 10.0
"""With 3,000 cameras and 60 boxes whether one may die takes 0.3 s of processor."""

SHOWN_EVERY_S = 5.0
"""Which box watches what takes 7 ms there, and 0.7 ms and 73 kB for each box."""


log = get_logger()


class Coordinator:
    """Answers reports with shares; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_s = time.monotonic()
        # Larger than those of any earlier coordinator, without asking anybody.
        self._roster = Roster(self._looked_s, int(1000 * time.time()))
        self._configuration: Configuration | None = None
        self._claiming: Claiming | None = None
        self._summary: dict[str, Any] | None = None
        self._summed_s = self._looked_s
        self._bound: Mapping[str, str] = {}
        """By sink that hangs on one box, the name of that box."""
        self._unknown: dict[str, str] = {}
        """Those of them that name a box which has not joined."""
        self._room: HeadRoom | None = None
        self._watching: dict[str, Any] | None = None
        self._shown_s = self._looked_s
        self._told: set[str] = set()
        """Boxes that have had `_watching`."""

    def configure(self, configuration: Configuration) -> None:
        """Take over `configuration`, unless a newer one is there; raises ConfigError."""
        settings = read_settings(configuration.text)
        with self._lock:
            self._take(configuration, settings)

    def report(self, report: Report, version: int, sent: Configuration | None) -> dict[str, Any]:
        """What a box is to watch: `share`, the epochs by camera.

        `version`: of the configuration that it has; where another counts, `configuration` is that.
        `send`: the box's own is newer and is to come with the next report, as `sent`. `cluster`:
        how many boxes are in which state, whether one may die, where all show their metrics.
        `watching`: which box watches what; once to each box whenever it was put together anew.
        """
        if sent is not None:
            self.configure(sent)
        with self._lock:
            now_s = time.monotonic()
            share = self._roster.heard(report, now_s)
            if now_s - self._looked_s >= REPORT_EVERY_S:
                self._looked_s = now_s
                self._look(now_s)
            ours = self._configuration
            answer: dict[str, Any] = {"share": None if ours is None else share}
            if self._summary:
                answer["cluster"] = self._summary
            if self._watching and report.box not in self._told:
                self._told.add(report.box)
                answer["watching"] = self._watching
            if ours is None or ours.version < version:
                answer["send"] = version > 0
            elif ours.version > version:
                answer["configuration"] = ours
            return answer

    def drain(self, box: str, draining: bool = True) -> bool:
        """Have `box` give its cameras away, or take some again; False where it is not known."""
        with self._lock:
            self._roster.drain(box, draining)
            return box in self._roster.boxes

    def status(self) -> dict[str, Any]:
        """Boxes, who watches what, what nobody watches and why, and whether a box may die."""
        with self._lock:
            now_s = time.monotonic()
            roster = self._roster
            room = roster.head_room(now_s)
            return {
                "boxes": [self._box(name, now_s) for name in sorted(roster.boxes)],
                "cameras": {
                    name: {"box": watch.box, "epoch": watch.epoch, "live": self._is_live(name)}
                    for name, watch in sorted(roster.watches.items())
                },
                "unassignable": dict(roster.unassignable),
                "head_room": {
                    "enough": room.enough,
                    "load": room.load,
                    "without": room.box,
                    "unwatched": {box: list(names) for box, names in room.unwatched.items()},
                },
                "unknown_boxes": unknown_boxes(roster, self._bound),
                "journal": self._claiming.trouble if self._claiming else "none that boxes share",
            }

    def _take(self, configuration: Configuration, settings: Settings) -> None:
        if self._configuration and self._configuration.version >= configuration.version:
            return
        self._configuration = configuration
        self._roster.configure(cameras_of(settings))
        self._bound = boxes_of(settings)
        url = settings.journal.url
        wanted = url.get_secret_value() if url else None
        if self._claiming and self._claiming.url != wanted:
            self._claiming.stop()
            self._claiming = None
        if wanted and self._claiming is None:
            self._claiming = Claiming(wanted, [camera.name for camera in settings.cameras])

    def _look(self, now_s: float) -> None:
        if self._claiming:
            self._roster.journal_away = self._claiming.trouble is not None
            if self._claiming.found is not None:
                self._roster.remember(self._claiming.found)
        assigned = self._roster.look(now_s)
        self._look_for_boxes()
        if self._claiming and (assigned.needed or assigned.evened):
            self._claiming.want(_claims(self._roster))
        if now_s - self._summed_s >= SUMMARY_EVERY_S:
            self._summed_s = now_s
            self._room = self._roster.head_room(now_s)
            self._summary = counts(self._roster, self._room, now_s)
        if self._room and now_s - self._shown_s >= SHOWN_EVERY_S:
            self._shown_s = now_s
            shown = watching(self._roster, self._room, now_s)
            self._watching = shown | {"unknown_boxes": self._unknown}
            self._told.clear()

    def _look_for_boxes(self) -> None:
        """Say once of each sink that the box it names has not joined, and once that it has."""
        before, self._unknown = self._unknown, unknown_boxes(self._roster, self._bound)
        boxes = sorted(self._roster.boxes)
        for sink, box in self._unknown.items():
            if before.get(sink) != box:
                log.warning(
                    "a sink names a box that has not joined", sink=sink, box=box, boxes=boxes
                )
        for sink, box in before.items():
            if self._bound.get(sink) == box and sink not in self._unknown:
                log.info("the box that a sink names has joined", sink=sink, box=box)

    def _box(self, name: str, now_s: float) -> dict[str, Any]:
        box, report = self._roster.boxes[name], self._roster.report(name)
        held = report.held if report else {}
        mine = [one for one, watch in self._roster.watches.items() if watch.box == name]
        return {
            "name": name,
            "alive": box.alive(now_s),
            "seen_ago_s": now_s - box.seen_s,
            "draining": box.draining,
            "sites": sorted(box.sites),
            "cameras": len(mine),
            "held": len(held),
            "live": len(report.live) if report else 0,
            "load": self._roster.load_ms(name) / box.capacity_ms,
        }

    def _is_live(self, camera: str) -> bool:
        report = self._roster.report(self._roster.watches[camera].box)
        return report is not None and camera in report.live


def _claims(roster: Roster) -> Mapping[str, Claim]:
    return {name: Claim(watch.box, watch.epoch) for name, watch in roster.watches.items()}
