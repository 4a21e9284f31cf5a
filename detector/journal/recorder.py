"""Where the daemon puts what the journal is to keep; any thread, and waits for no disk.

It goes into the local store, and from there into the journal (`feeder`). What a person asked for
is durable once the store's file has it: `Dispatcher.stored`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from alerts.clock import SteadyClock
from alerts.storage.pending import remember
from alerts.storage.store import Store
from detector.journal.bodies import Record, as_body, key_of, kind_of
from detector.journal.records import AuditEntry, Judgement, Verdict


class Recorder:
    """Records into the local store, for the journal behind it."""

    def __init__(self, store: Store, clock: SteadyClock | None = None) -> None:
        self._store = store
        self._clock = clock or SteadyClock()

    def record(self, *records: Record) -> None:
        """Keep them, all in one transaction."""
        rows = [(kind_of(one), key_of(one), as_body(one)) for one in records]
        lost = self._store.write(lambda database: sum(remember(database, *row) for row in rows))
        if lost:
            self._store.faults.lost("journal", lost)

    def judge(self, incident_id: UUID, verdict: Verdict, note: str, by: str) -> Judgement:
        """Keep a verdict, and who gave it in the audit."""
        now = datetime.now(UTC)
        judgement = Judgement(uuid7(), incident_id, verdict, note, by, now, self._clock.now())
        self.record(judgement, audit_entry(by, "judge", str(incident_id), verdict.value))
        return judgement

    def audit(self, who: str, action: str, target: str = "", reason: str = "") -> None:
        """Keep who did what, on what and why."""
        self.record(audit_entry(who, action, target, reason))


def audit_entry(who: str, action: str, target: str, reason: str) -> AuditEntry:
    """What stands in the audit: who does what now, on what and why."""
    return AuditEntry(uuid7(), who, action, target, datetime.now(UTC), reason)
