"""What the console needs of the daemon that it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from config.settings import CameraSettings, Polygon, Settings
from detector.console.cluster.view import ClusterView
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
    footage behind its threshold. `asleep`: received, not decoded, for nothing moves. `box`: where
    something moves now. `picture`: the number of what `Monitor.picture` gives, taken at
    `pictured_at`; None where there is none.
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
    asleep: bool = False
    box: Box | None = None
    picture: int | None = None
    pictured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which smoothed probability an incident opens, and what that stands on.

    `learning`: whether the camera learns it; then from so many `hours`, which make up `share` of
    it (0: all from the weights, 1: all its own), and so many false alarms are to be expected.
    """

    opens_at: float
    learning: bool
    hours: float
    share: float
    false_alarms_per_day: float


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """So many smoothed scores, from `above` (and, for the first, 0 itself) up to `at_most`."""

    above: float
    at_most: float
    count: int


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """What a camera's metrics have counted since it is watched; scores and thresholds by label."""

    connects: int
    frames: int
    decode_errors: int
    samples_due: int
    samples_scored: int
    asleep_s: float
    wakes: int
    scores: Mapping[str, tuple[ScoreBin, ...]]
    thresholds: Mapping[str, Threshold]


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of what a camera sees; `number` is another one where the picture is another one."""

    jpeg: bytes
    at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Zones:
    """Where motion counts (everywhere, where `watch` is empty) and where it never does.

    `drawn`: in the console, and laid over the configuration's.
    """

    watch: list[Polygon] = field(default_factory=list)
    ignore: list[Polygon] = field(default_factory=list)
    drawn: bool = False


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

    @property
    def in_cluster(self) -> bool:
        """Whether the daemon's box is one of several that share the cameras; asks no disk."""

    def cluster(self) -> ClusterView | None:
        """As the coordinator has last told; None where it has not yet."""

    def picture(self, camera: str, max_side: int) -> Picture | None:
        """The newest there is, without waking a camera that sleeps; None where there is none."""

    def figures(self, camera: str) -> CameraFigures:
        """What its metrics say; raises ControlError where there is no such camera."""

    def zones(self, camera: str) -> Zones:
        """Those in force; raises ControlError where there is no such camera."""

    def set_zones(self, camera: str, zones: Zones | None, by: str) -> None:
        """Have `camera` go by `zones` (None: by the configuration's again) from now on, audited.

        Raises ControlError where there is no such camera, the zones leave nothing to watch, or
        the disk does not keep them; then all stays as it was.
        """

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
