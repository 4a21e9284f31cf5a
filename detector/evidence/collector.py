"""Writes one incident's evidence: stills as they come, its clip, at the end the score's curve.

For the evidence thread alone. What the disk refuses is left out and named in the record; the next
file is tried all the same, so a disk that was full for a while costs what fell into that while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from structlog import get_logger

from alerts.storage.files import write_whole
from config.settings import EvidenceSettings
from detector.capture.kept.ring import KeptPacket
from detector.evidence.clip import WRITE_ERRORS, PartWriter
from detector.evidence.feed import STILLS, IncidentFeed
from detector.evidence.files import FOLDER_MODE, record_of
from detector.evidence.record import (
    RECORD,
    SCORES,
    ClipRecord,
    Corners,
    Curve,
    EvidenceFile,
    EvidenceRecord,
    FileRecord,
    Kind,
    State,
    folder_of,
)
from detector.motion.snapshot import snapshot
from detector.types import Box

STILL_SIDE = 3840
"""Longer side of a still, pixels: whole up to 4K."""

STILL_EVERY_S = 5.0
"""Peak and latest are written this often at most: a 1080p picture takes 15 ms, twice."""

SETTLE_S = 1.0
"""A packet of the clip's end may be received so late."""

LONGEST_S = 300.0
"""A clip ends so long after its incident has opened: one that lasts hours would fill the disk."""

MOST_PARTS = 8
"""Of a camera that is lost again and again."""

RETRY_S = 10.0
"""After the disk has refused the clip."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Origin:
    """What scored an incident: Jikimi's version, the weights' name, a digest of the settings."""

    version: str
    weights: str
    configuration: str


@dataclass(frozen=True, slots=True)
class CollectorCallbacks:
    """`stored`: a file is whole. `lost`: what could not be written, of this incident's."""

    stored: Callable[[EvidenceFile], None]
    lost: Callable[[Kind, str], None]


class Collector:
    """Collects until `advance` says that it is done."""

    def __init__(
        self,
        feed: IncidentFeed,
        evidence: Path,
        settings: EvidenceSettings,
        origin: Origin,
        callbacks: CollectorCallbacks,
    ) -> None:
        self.feed = feed
        incident = feed.incident
        self.folder = folder_of(evidence, incident.id, incident.opened_at)
        self._settings = settings
        self._origin = origin
        self._callbacks = callbacks
        self._files: dict[str, FileRecord] = {}
        self._clips: list[ClipRecord] = []
        self._missing: list[str] = []
        self._missed: set[Kind] = set()
        self._stills_s = float("-inf")
        self._part: PartWriter | None = None
        self._parts = 0
        self._next: int | None = None  # number of the packet that the clip goes on with
        self._retry_s = float("-inf")
        self._over = False
        self._recorded: object = None

    def advance(self, now_s: float, *, ending: bool = False) -> bool:
        """Write what has come until `now_s`; whether all is written.

        `ending`: nothing more will come.
        """
        if not self._over:
            self._write_stills(now_s, at_once=ending or self.feed.closed)
            self._write_clip(now_s)
            if now_s >= self._until_s + SETTLE_S:
                self._end_part()
            self._over = ending or (self.feed.closed and now_s >= self._until_s + SETTLE_S)
            if self._over:
                self._end()
        elif now_s < self._retry_s and not ending:
            return False
        recorded = self._write_record(State.WHOLE if self._over else State.COLLECTING)
        if not recorded:
            self._retry_s = now_s + RETRY_S
        return self._over and recorded

    @property
    def _until_s(self) -> float:
        """Where the clip ends, as far as is known."""
        longest_s = self.feed.opened_s + LONGEST_S
        if not self.feed.closed:
            return longest_s
        return min(longest_s, self.feed.ended_s + self._settings.post_roll_s)

    def _end(self) -> None:
        self._end_part()
        self._write_scores()
        if self._next is None:
            self._miss(Kind.CLIP, "no clip: no key frame came that an MP4 can begin with")
        elif not self._parts and Kind.CLIP not in self._missed:
            self._miss(Kind.CLIP, "no clip: it was not kept until it could be written")
        if self.feed.ended_s > self.feed.opened_s + LONGEST_S:
            self._missing.append(f"the clip's end: it goes on for {LONGEST_S / 60:g} min at most")

    def _write_stills(self, now_s: float, *, at_once: bool) -> None:
        due = at_once or now_s - self._stills_s >= STILL_EVERY_S
        for still in STILLS:
            if not (due or still == "first"):
                continue
            if (seen := self.feed.take(still)) is None:
                continue
            self._stills_s = now_s
            clean = snapshot(seen.frame, None, STILL_SIDE)
            self._store(f"{still}.jpg", Kind.STILL, clean, seen.box)
            if seen.box is not None:
                marked = snapshot(seen.frame, seen.box, STILL_SIDE)
                self._store(f"{still}-marked.jpg", Kind.MARKED, marked, seen.box)

    def _write_clip(self, now_s: float) -> None:
        if now_s < self._retry_s:
            return
        if self._next is None:
            key = self.feed.ring.begin(self.feed.opened_s - self._settings.pre_roll_s)
            if key is None:
                return
            self._next = key.number
        try:
            for kept in self.feed.ring.since(self._next):
                if kept.arrived_s > self._until_s:
                    break
                self._write_packet(kept)
        except WRITE_ERRORS as error:
            self._fails(error)
            self._retry_s = now_s + RETRY_S

    def _write_packet(self, kept: KeptPacket) -> None:
        assert self._next is not None
        missed = kept.number > self._next
        self._next = kept.number + 1
        if self._part is not None and missed:
            self._end_part()
            self._miss(Kind.CLIP, "part of the clip: more came than the disk took or memory holds")
        if self._part is not None and not self._part.takes(kept):
            self._end_part()
        if self._part is None:
            if not kept.packet.is_keyframe or self._parts == MOST_PARTS:
                return
            self.folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            self._part = PartWriter(self.folder / f"clip-{self._parts + 1}.mp4", kept)
        self._part.write(kept)

    def _end_part(self) -> None:
        if self._part is None:
            return
        try:
            part = self._part.finish()
            record = record_of(part.path, Kind.CLIP)
        except WRITE_ERRORS as error:
            self._fails(error)
            return
        self._part = None
        self._parts += 1
        if self._parts == 1 and part.begins_s > self.feed.opened_s:
            self._miss(Kind.CLIP, "the clip's beginning: no key frame of then was left")
        self._clips.append(
            ClipRecord(
                name=part.path.name,
                codec=part.codec,
                begins_at=self.feed.utc(part.begins_s),
                seconds=round(part.seconds, 3),
                pre_roll_s=round(self.feed.opened_s - part.begins_s, 3),
                plays_in_browser=part.plays_in_browser,
            )
        )
        self._stored(record)

    def _fails(self, error: Exception) -> None:
        if self._part is not None:
            self._part.abandon()
            self._part = None
        self._miss(Kind.CLIP, f"part of the clip: {_reason(error)}")

    def _write_scores(self) -> None:
        curve = Curve(
            label=self.feed.incident.label,
            points=[
                (
                    round(score.at_s - self.feed.opened_s, 3),
                    round(score.probability, 4),
                    round(score.smoothed, 4),
                    _corners(box),
                )
                for score, box in self.feed.scores()
            ],
        )
        self._store(SCORES, Kind.SCORES, curve.model_dump_json().encode())

    def _store(self, name: str, kind: Kind, data: bytes, box: Box | None = None) -> None:
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            write_whole(path, data)
            record = record_of(path, kind, _corners(box))
        except OSError as error:
            self._miss(kind, f"{name}: {_reason(error)}")
        else:
            self._stored(record)

    def _stored(self, record: FileRecord) -> None:
        self._files[record.name] = record
        self._callbacks.stored(
            EvidenceFile(
                self.feed.incident.id,
                record.kind,
                self.folder / record.name,
                record.bytes,
                record.sha256,
            )
        )

    def _miss(self, kind: Kind, what: str) -> None:
        if what not in self._missing:
            self._missing.append(what)
        self._missed.add(kind)
        self._callbacks.lost(kind, what)

    def _write_record(self, state: State) -> bool:
        """Name what is whole, if that has changed; False where the disk refuses."""
        incident = self.feed.incident
        stands = (
            state,
            incident.phase,
            incident.verified,
            tuple(self._files.values()),
            tuple(self._missing),
        )
        if stands == self._recorded or not self._files:
            return True
        record = EvidenceRecord(
            incident=incident.id,
            camera=incident.camera,
            site=self.feed.camera.site,
            label=incident.label,
            opened_at=incident.opened_at,
            closed_at=incident.closed_at,
            peak=incident.peak,
            reason=self.feed.reason,
            verified=incident.verified,
            state=state,
            version=self._origin.version,
            weights=self._origin.weights,
            configuration=self._origin.configuration,
            clips=self._clips,
            missing=self._missing,
            files=list(self._files.values()),
        )
        try:
            write_whole(self.folder / RECORD, record.model_dump_json(indent=1).encode())
        except OSError as error:
            log.warning("evidence not recorded yet", file=str(self.folder), reason=_reason(error))
            return False
        self._recorded = stands
        return True


def _corners(box: Box | None) -> Corners | None:
    return None if box is None else (box.left, box.top, box.width, box.height)


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or error)
