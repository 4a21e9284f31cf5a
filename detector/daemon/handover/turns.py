"""The turns of a box of a cluster at its cameras: their claims, and what comes along."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from alerts.dispatcher import Dispatcher
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.handover.carrying import Carrying
from detector.daemon.handover.claims import CLAIMS, Claims
from detector.daemon.handover.succession import Succession
from detector.daemon.journal import Journal, LeftOpen
from detector.daemon.operators.zones import DrawnZones

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from detector.journal.reading import JournalReader


class Turns:
    """Of one daemon; see each part. A box by itself has no claims, and nothing comes along."""

    def __init__(
        self,
        state_dir: Path,
        dispatcher: Dispatcher,
        journal: Journal,
        reader: Callable[[], JournalReader],
        zones: DrawnZones,
        tell: Callable[[LeftOpen, str], None],
        *,
        shared: bool,
    ) -> None:
        """`shared`: the journal is one that all boxes have; else nothing comes along."""
        self._shared = shared
        self._dispatcher = dispatcher
        self.claims = Claims(state_dir / CLAIMS)
        # Before it delivers what was left.
        dispatcher.cameras.watched_elsewhere(self.claims.elsewhere)
        self.carrying = Carrying(self.claims, reader, dispatcher, zones)
        self.succession = Succession(self.claims, dispatcher, journal, tell)

    def begin(self, cameras: Collection[str], calibrations: CalibrationStore) -> None:
        """Read the claims anew, and what other boxes know of `cameras`; before they are watched."""
        self.read()
        if self._shared:
            self.carrying.take(cameras, calibrations)

    def read(self) -> None:
        """Read the claims anew, and leave what is shown of cameras that are elsewhere by now."""
        self.claims.read()
        self._dispatcher.cameras.watched_elsewhere(self.claims.elsewhere)

    def succeed(self, cameras: Collection[str]) -> None:
        """Finish what other boxes have begun with `cameras`; once they are watched."""
        if self._shared:
            self.succession.begin(cameras)

    def look(self, engine: Engine) -> bool:
        """See `Succession.look`."""
        return self._shared and self.succession.look(engine)
