"""What the console needs of the daemon that it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from config.settings import CameraSettings, Polygon, Settings
from detector.types import Box

if TYPE_CHECKING:  # loads SQLAlchemy
    from detector.journal.reading import JournalReader


class Topic(StrEnum):
    """What has changed."""

    INCIDENT = "incident"
    """Opened, goes on, or is over; `key`: its id."""
    VERDICT = "verdict"
    """Judged, confirmed or dismissed; `key`: the incident's id."""
    CAMERA = "camera"
    """Another state; `key`: its name."""
    SILENCE = "silence"
    """Muted or not any more; `key`: the camera's name, "" for all of them."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something has changed that a page shows; what it is now, the page asks for itself.

    `camera`: which one it concerns, "" where it concerns all. `phase`: an incident's.
    """

    topic: Topic
    key: str
    camera: str
    phase: str = ""


Listener = Callable[[Change], None]
"""Called from the thread in which something changes: it must return at once."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera as it stands. `score`: smoothed, by label; `threshold`: by label.

    `silent_until`: muted, by itself or with all the others. `learnt_hours`: by label, of ordinary
    footage behind its threshold.
    """

    name: str
    site: str
    place: str
    state: str
    reason: str
    since: datetime
    lost: bool
    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    learnt_hours: Mapping[str, float]
    open_incidents: tuple[str, ...]
    silent_until: datetime | None
    settings: CameraSettings


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of what a camera sees. `box`: where something moves, relative to the picture.

    `number` is another one where the picture is another one.
    """

    jpeg: bytes
    at: datetime
    number: int
    box: Box | None


@dataclass(frozen=True, slots=True)
class Zones:
    """Where motion counts (everywhere, where `watch` is empty) and where it never does."""

    watch: list[Polygon] = field(default_factory=list)
    ignore: list[Polygon] = field(default_factory=list)


class Monitor(Protocol):
    """The daemon as the console sees it. Everything may be called from any thread.

    `evidence`: the folder of what is kept, None where that is switched off.
    """

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def journal(self) -> JournalReader:
        """What has happened; asks a database, so never in the event loop."""

    @property
    def evidence(self) -> Path | None:
        """Where incidents' clips and stills lie: see `detector.evidence.record`."""

    def cameras(self) -> list[CameraView]:
        """Those that are watched."""

    def picture(self, camera: str, max_side: int) -> Picture | None:
        """The newest there is, without waking a camera that sleeps; None where there is none."""

    def zones(self, camera: str) -> Zones:
        """Those in force; raises ControlError where there is no such camera."""

    def ask(self, command: str, by: str, **details: Any) -> dict[str, Any]:
        """Run a command of `daemon.operators.commands`, audited in the name of `by`.

        `drill`, `silence`, `unsilence`, `judge`, `deliveries`, `outbox`, `recalibrate`, `confirm`,
        `dismiss`, …; raises ControlError where it is refused.
        """

    def audit(self, who: str, action: str, target: str = "", reason: str = "") -> str | None:
        """Keep who did what; durable, or why it is not (None: it is)."""

    def awaiting(self) -> dict[str, dict[str, datetime]]:
        """By incident, the sinks that wait for the operator, and until when."""

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""

    def liveness(self) -> tuple[bool, list[str]]:
        """Whether it is alive, and what there is to say of its threads; waits for nothing."""

    def metrics(self) -> bytes:
        """The body of /metrics."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called at every change; returns what ends that."""
