"""A local store with the journal behind it, as a daemon has them, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from alerting import make_alert, wait_for
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.storage.outbox import Outbox
from alerts.storage.store import Store
from detector.daemon.journal import OUTBOX, Journal
from detector.journal import local, queries
from detector.journal.feeder import JournalFeeder
from detector.journal.queries import incidents
from detector.journal.reading import JournalReader
from detector.journal.recorder import Recorder
from detector.journal.records import IncidentRecord, Verdict
from detector.types import Incident, Phase

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
"""Not so old that it would be forgotten."""

T = TypeVar("T")


class Feeding:
    """`store` with what fills it, `feeder` behind it, `reader` of both."""

    def __init__(self, folder: Path, where: Path | str) -> None:
        self.where = where
        self.store = Store(folder / OUTBOX)
        self.outbox = Outbox(self.store)
        self.incidents = Journal(self.store)
        self.recorder = Recorder(self.store)
        self.feeder = JournalFeeder(self.store, folder / OUTBOX, where)
        self.reader = JournalReader(where, self.store.read)
        self._stopped = False

    def asked(self, query: Callable[[Connection], T]) -> T:
        """What `query` finds in the journal itself."""
        return asked(self.where, query)

    def waits(self) -> bool:
        """Whether the journal lacks something."""
        return bool(local.waiting(self.store.read, "", 1))

    def wait_fed(self, timeout_s: float = 60) -> None:
        """Wait until the journal lacks nothing, and that is on disk."""
        wait_for(lambda: not self.waits(), timeout_s)
        assert self.store.file.flush() is None

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.feeder.stop(Deadline.after(30))
        self.store.close(Deadline.after(10))
        self.reader.close()


MakeFeeding = Callable[..., Feeding]
"""Of a folder (the test's own), and whether its feeder is to `start`."""


def asked(where: Path | str, query: Callable[[Connection], T]) -> T:
    """What `query` finds in the journal at `where`."""
    if isinstance(where, Path):
        engine = create_engine(f"sqlite:///{where}", connect_args={"timeout": 30})
    else:
        engine = create_engine(make_url(where).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return query(connection)
    finally:
        engine.dispose()


def journalled(where: Path | str) -> dict[Any, IncidentRecord]:
    """All incidents of the journal, by id."""
    return {one.id: one for one in asked(where, lambda c: incidents(c, limit=100_000))}


def opened(at: datetime = NOW, camera: str = "gate", **more: Any) -> Incident:
    return Incident(uuid7(), camera, more.pop("label", "violence"), at, None, 0.8, Phase.OPENED)


def closed(incident: Incident, after_s: float = 10) -> Incident:
    at = incident.opened_at + timedelta(seconds=after_s)
    return replace(incident, closed_at=at, peak=0.95, phase=Phase.CLOSED, duration_s=after_s)


def deliver(outbox: Outbox, sink: str, incident: Incident) -> None:
    """Tell `sink` of it, as a worker does."""
    alert = make_alert(incident_id=incident.id, camera=incident.camera)
    outbox.put(alert, {sink: alert.phase}, 1e9)
    message = outbox.next_due(sink, 1e10)
    assert message
    outbox.acknowledge(message)


def fight(at: Feeding, camera: str = "gate") -> Incident:
    """One incident from opened to closed, told and judged; as it is in the end."""
    incident = opened(camera=camera)
    at.incidents.record(incident)
    deliver(at.outbox, "station", incident)
    at.incidents.record(closed(incident))
    at.recorder.judge(incident.id, Verdict.REAL, "", "kim")
    return closed(incident)


def assert_whole(where: Path | str, *fights: Incident) -> None:
    """The journal has all of these, and nothing twice."""
    found = journalled(where)
    for one in fights:
        assert found[one.id].closed_at == one.closed_at
        details = asked(where, lambda c, one=one: queries.incident(c, one.id))
        assert len(details.deliveries) == 1
        assert [said.verdict for said in details.judgements] == [Verdict.REAL]


def reason(at: Feeding) -> str:
    return wait_for(lambda: " ".join(at.store.faults.reasons()))


def journalled_if(where: Path | str) -> dict[Any, Any]:
    """As `journalled`; nothing where it has no tables yet."""
    try:
        return journalled(where)
    except SQLAlchemyError:
        return {}
