"""What was learnt, drawn and silenced of a camera goes along to the box that takes it.

Each box of a cluster writes it into the journal that they share, behind everything else; the next
box of the camera reads it before it watches. Where the journal does not answer then, it begins with
what it knows itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from structlog import get_logger

from alerts.dispatcher import Dispatcher
from alerts.storage.files import within
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.handover.claims import Claims
from detector.daemon.operators.zones import DrawnZones
from detector.journal.bodies import key_of
from detector.journal.recorder import Recorder
from detector.journal.records import Handover

if TYPE_CHECKING:
    from detector.journal.reading import JournalReader

READ_S = 1.5
"""A camera that another box has lost waits no longer for the journal."""

log = get_logger()


class _Kind(StrEnum):
    """Of a handover's body."""

    CALIBRATION = "calibration"
    SILENCE = "silence"
    ZONES = "zones"


class Carrying:
    """Keeps it for the next box, and takes over what the last one has kept; none by itself."""

    def __init__(
        self,
        claims: Claims,
        reader: Callable[[], JournalReader],
        dispatcher: Dispatcher,
        zones: DrawnZones,
    ) -> None:
        self._claims = claims
        self._reader = reader
        self._dispatcher = dispatcher
        self._zones = zones
        self._recorder = Recorder(dispatcher.store)
        self._taken: dict[str, int] = {}

    def calibrated(self, camera: str, body: str) -> None:
        """Keep what `camera` has learnt, as `CalibrationStore` has it."""
        self._keep(camera, _Kind.CALIBRATION, body)

    def zones_drawn(self, camera: str) -> None:
        """Keep what was drawn of `camera`, or that nothing is any more."""
        self._keep(camera, _Kind.ZONES, self._zones.body(camera))

    def silenced(self, cameras: Iterable[str]) -> None:
        """Keep until when each of `cameras` is silenced now."""
        for camera in cameras:
            until = self._dispatcher.cameras.silenced_until(camera)
            self._keep(camera, _Kind.SILENCE, until.isoformat() if until else "")

    def take(self, cameras: Iterable[str], calibrations: CalibrationStore) -> None:
        """Take over what is known of those whose turn this box has anew."""
        turns = {name: claim for name in cameras if (claim := self._claims.of(name))}
        fresh = [name for name, claim in turns.items() if self._taken.get(name) != claim.epoch]
        if not fresh:
            return
        self._taken |= {name: turns[name].epoch for name in fresh}
        from detector.journal.handover import known_of  # noqa: PLC0415 - loads SQLAlchemy

        reader, box = self._reader(), turns[fresh[0]].box
        ask = partial(reader.asked, partial(known_of, cameras=fresh, box=box))
        try:
            found = within(READ_S, ask)
        except OSError:
            found = None
        if found is None:
            log.warning("what other boxes know of cameras is not to be had", cameras=fresh)
            return
        rows = self._dispatcher.store.read("SELECT key FROM pending WHERE kind = 'handover'")
        waiting = {key for (key,) in rows}
        for one in found:
            if key_of(one) not in waiting:  # else it was said here, later
                try:
                    self._adopt(one, calibrations)
                except (ValueError, TypeError) as error:
                    said = str(error)
                    log.warning("not taken over", camera=one.camera, what=one.kind, reason=said)

    def _adopt(self, one: Handover, calibrations: CalibrationStore) -> None:
        match one.kind:
            case _Kind.CALIBRATION:
                calibrations.adopt(one.camera, one.body)
            case _Kind.ZONES:
                self._zones.adopt(one.camera, one.body)
            case _Kind.SILENCE:
                until = datetime.fromisoformat(one.body) if one.body else datetime.now(UTC)
                left_s = (until - datetime.now(UTC)).total_seconds()
                if left_s > 0 or self._dispatcher.cameras.silenced_until(one.camera):
                    self._dispatcher.cameras.silence(one.camera, max(left_s, 0.0))
            case _:
                raise ValueError("this release does not know it")
        log.info("taken over from another box", camera=one.camera, what=one.kind, box=one.box)

    def _keep(self, camera: str, kind: str, body: str) -> None:
        if claim := self._claims.of(camera):
            self._recorder.record(Handover(camera, kind, body, claim.box, claim.epoch))
