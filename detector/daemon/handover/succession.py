"""A box that takes a camera over finishes what the box before it has begun.

It closes the incidents that were left open, for whoever was told of them, and delivers what waits
undelivered. For that each box keeps a copy of its outbox in the journal that they share, but for
hardware of its own. All of it in the journal's thread: no alarm waits for it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from structlog import get_logger

from alerts.delivery import handing_over
from alerts.dispatcher import Dispatcher
from detector.daemon.handover.claims import Claims
from detector.daemon.journal import Journal, LeftOpen
from detector.types import Claim

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from detector.journal.handover import OpenIncident

BATCH = 100
"""Alerts in one transaction: with pictures some 5 MB."""

log = get_logger()


class Succession:
    """Of one daemon; `look` is called by the journal's feeder, again and again."""

    def __init__(
        self,
        claims: Claims,
        dispatcher: Dispatcher,
        journal: Journal,
        tell: Callable[[LeftOpen, str], None],
    ) -> None:
        """`tell`: has the sinks told of an incident that was left open, and why it is over."""
        self._claims = claims
        self._dispatcher = dispatcher
        self._store = dispatcher.store
        self._journal = journal
        self._tell = tell
        self._lock = threading.Lock()
        self._begun: dict[str, Claim] = {}
        self._seen: dict[str, int] = {}
        self._engine: Engine | None = None
        self._mirrored: set[tuple[str, UUID]] = set()

    def begin(self, cameras: Iterable[str]) -> None:
        """Take over from the boxes before those of `cameras` whose turn this box has anew."""
        for name in cameras:
            claim = self._claims.of(name)
            if claim and self._seen.get(name) != claim.epoch:
                self._seen[name] = claim.epoch
                with self._lock:
                    self._begun[name] = claim
        self._store.news.set()

    def look(self, engine: Engine) -> bool:
        """Bring the copy of the outbox up to date, and take over; whether there is more to do."""
        box = self._claims.box
        if box is None or not self._store.loaded:
            return False
        from detector.journal import handover  # noqa: PLC0415 - loads SQLAlchemy

        if engine is not self._engine:  # opened anew: it may be another database
            with engine.begin() as connection:
                self._mirrored = handover.mirrored(connection, box)
            self._engine = engine
        with self._lock:
            turns = dict(self._begun)
        if turns:
            self._take_over(engine, turns)
        return self._mirror(engine, box)

    def _take_over(self, engine: Engine, turns: Mapping[str, Claim]) -> None:
        from detector.journal import claims, handover  # noqa: PLC0415 - same

        with engine.begin() as connection:
            lost = claims.claim(connection, turns, datetime.now(UTC))
        mine = {name: claim for name, claim in turns.items() if name not in lost}
        with engine.begin() as connection:
            left = self._take_incidents(handover.left_open(connection, mine))
            rows = handover.undelivered(connection, mine)
            told = [(sink, one.incident.id) for one in left for sink in one.told]
            handing_over.take_over(self._store, rows, told)
            if self._store.file.flush() is None:  # else they are here in memory only
                handover.take(connection, rows, mine)
                self._mirrored |= {(row.sink, row.alert_id) for row in rows}
        self._dispatcher.wake()
        heard = {key for _, key in told} | {row.incident_id for row in rows}
        for one in left:
            incident = self._journal.adopt(one.incident, datetime.now(UTC))
            reason = claims.taken_over(turns[incident.camera])
            self._tell(LeftOpen(incident, incident.id in heard), reason)
        if rows or left:
            log.warning(
                "taken over from other boxes",
                undelivered=len(rows),
                open_incidents=[str(one.incident.id) for one in left],
            )
        with self._lock:
            for name, claim in turns.items():
                if self._begun.get(name) == claim:
                    del self._begun[name]

    def _take_incidents(self, found: list[OpenIncident]) -> list[OpenIncident]:
        """Without those that this box's own store knows: it has closed them, or will."""
        keys = json.dumps([str(one.incident.id) for one in found])
        query = "SELECT id FROM incidents WHERE id IN (SELECT value FROM json_each(?))"
        known = {key for (key,) in self._store.read(query, (keys,))}
        return [one for one in found if str(one.incident.id) not in known]

    def _mirror(self, engine: Engine, box: str) -> bool:
        from detector.journal import handover  # noqa: PLC0415 - same

        waiting = handing_over.waiting(self._store, self._dispatcher.elsewhere())
        gone, lacking = self._mirrored - waiting, waiting - self._mirrored
        if not gone and not lacking:
            return False
        chosen = sorted(lacking, key=str)[:BATCH]
        found = handing_over.undelivered(self._store, chosen)
        rows = [(row, claim.epoch) for row in found if (claim := self._claims.of(row.camera))]
        with engine.begin() as connection:
            handover.mirror(connection, box, rows, gone)
        self._mirrored = (self._mirrored - gone) | set(chosen)
        return len(chosen) < len(lacking)
