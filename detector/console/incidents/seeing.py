"""What a user may see of the journal."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from detector.console.access.user import User
from detector.console.monitor import Monitor
from detector.journal import queries
from detector.journal.queries import IncidentDetails, IncidentFilter, Position
from detector.journal.records import IncidentRecord


def incidents(
    monitor: Monitor, user: User, of: IncidentFilter, limit: int, before: Position | None = None
) -> list[IncidentRecord]:
    """Those of `user`'s cameras that `of` takes, newest first."""
    if all(user.sees(one.name) for one in monitor.cameras()):
        found = monitor.journal.incidents(of, limit, before)
        if all(user.sees(one.camera) for one in found):
            return found
    known, _ = cameras_and_labels(monitor)
    of = replace(of, cameras=frozenset(name for name in known if user.sees(name)))
    return monitor.journal.incidents(of, limit, before)


def incident(monitor: Monitor, user: User, key: UUID) -> IncidentDetails | None:
    """All of one; None where there is none that `user` may see."""
    found = monitor.journal.incident(key)
    return found if found and user.sees(found.incident.camera) else None


def position(monitor: Monitor, user: User, key: UUID) -> Position | None:
    """Where an incident stands among the others; None where there is none that `user` may see."""
    found = incident(monitor, user, key)
    return (found.incident.opened_at, key) if found else None


def cameras_and_labels(monitor: Monitor) -> tuple[list[str], list[str]]:
    """All that are watched, or have had an incident."""
    cameras = {one.name for one in monitor.cameras()}
    labels: set[str] = set()
    if found := monitor.journal.asked(queries.cameras_and_labels):
        cameras |= {*found[0]}
        labels |= {*found[1]}
    return sorted(cameras), sorted(labels)
