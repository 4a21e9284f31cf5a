"""What is asked of the journal: pure functions over a connection, of either database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from detector.journal import tables
from detector.journal.records import (
    STOPPED,
    AuditEntry,
    CameraStateRecord,
    DeliveryRecord,
    EvidenceFile,
    IncidentRecord,
    Judgement,
    Outcome,
    ScoreCurve,
    Verdict,
)
from detector.types import CameraState

Position = tuple[datetime, UUID]
"""(`opened_at` or `at`, `id`) of the last entry that was shown: the next page begins behind it."""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What is left out does not limit; `opened_at` is in [`since`, `until`).

    `judged`: with any verdict, or with none. `cameras`: of these alone, by name.
    """

    camera: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    verdict: Verdict | None = None
    judged: bool | None = None
    is_open: bool | None = None
    cameras: frozenset[str] | None = None

    def takes(self, one: IncidentRecord) -> bool:
        """Whether `one` is among what is asked for."""
        verdict = one.judgement.verdict if one.judgement else None
        return (
            self.camera in {None, one.camera}
            and (self.cameras is None or one.camera in self.cameras)
            and self.label in {None, one.label}
            and (self.since is None or one.opened_at >= self.since)
            and (self.until is None or one.opened_at < self.until)
            and self.verdict in {None, verdict}
            and self.judged in {None, verdict is not None}
            and self.is_open in {None, one.closed_at is None}
        )


@dataclass(frozen=True, slots=True)
class IncidentDetails:
    """All that is known of an incident; deliveries as they came, judgements newest first."""

    incident: IncidentRecord
    deliveries: list[DeliveryRecord]
    judgements: list[Judgement]
    evidence: list[EvidenceFile]
    scores: list[ScoreCurve]


@dataclass(frozen=True, slots=True)
class CameraMonth:
    """A camera's month. `by_hour`: incidents by the local hour, 24 of them.

    `response_s`: from an opening to its first verdict, median. `live_share`: of the time that is
    known of (0…1), up to now; None where nothing is known.
    """

    camera: str
    incidents: int
    verdicts: dict[Verdict | None, int]
    by_hour: tuple[int, ...]
    response_s: float | None
    live_share: float | None


def incidents(
    connection: Connection,
    of: IncidentFilter = IncidentFilter(),
    limit: int = 50,
    before: Position | None = None,
) -> list[IncidentRecord]:
    """Those that `of` takes, newest first."""
    table, newest = tables.incidents.c, _newest_judgement().subquery()
    query = _with_judgement(newest)
    wanted = [
        of.camera is None or table.camera == of.camera,
        of.cameras is None or table.camera.in_(of.cameras),
        of.label is None or table.label == of.label,
        of.since is None or table.opened_at >= of.since,
        of.until is None or table.opened_at < of.until,
        of.verdict is None or newest.c.verdict == of.verdict.value,
        of.judged is None or (newest.c.id.is_not(None) if of.judged else newest.c.id.is_(None)),
        of.is_open is None
        or (table.closed_at.is_(None) if of.is_open else table.closed_at.is_not(None)),
        before is None or _behind(table.opened_at, table.id, before),
    ]
    query = query.where(*[clause for clause in wanted if clause is not True])
    query = query.order_by(table.opened_at.desc(), table.id.desc()).limit(limit)
    return [_incident(row) for row in connection.execute(query)]


def open_incidents(connection: Connection) -> list[IncidentRecord]:
    """What is under way, newest first."""
    return incidents(connection, IncidentFilter(is_open=True), limit=1000)


def unjudged(connection: Connection, limit: int = 50) -> list[IncidentRecord]:
    """What nobody has judged yet, newest first."""
    return incidents(connection, IncidentFilter(judged=False), limit)


def of_ids(connection: Connection, keys: Collection[UUID]) -> list[IncidentRecord]:
    """Those of `keys` that are here."""
    query = _with_judgement(_newest_judgement().subquery())
    query = query.where(tables.incidents.c.id.in_(keys))
    return [_incident(row) for row in connection.execute(query)]


def incident(connection: Connection, key: UUID) -> IncidentDetails | None:
    """All of one; None where it is not here."""
    newest = _newest_judgement().subquery()
    row = connection.execute(
        _with_judgement(newest).where(tables.incidents.c.id == key)
    ).one_or_none()
    return None if row is None else details(connection, _incident(row))


def details(connection: Connection, found: IncidentRecord) -> IncidentDetails:
    """What else is known of `found`."""

    def of(table: Any, *order: Any) -> Sequence[Row[Any]]:
        query = select(table).where(table.c.incident_id == found.id).order_by(*order)
        return connection.execute(query).all()

    told, said, files, curves = (
        tables.deliveries,
        tables.judgements,
        tables.evidence_files,
        tables.score_curves,
    )
    return IncidentDetails(
        incident=found,
        deliveries=[_delivery(row) for row in of(told, told.c.at, told.c.sink)],
        judgements=[
            _judgement(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
            for row in of(said, said.c.order.desc(), said.c.id.desc())
        ],
        evidence=[EvidenceFile(**row._mapping) for row in of(files, files.c.created_at)],  # noqa: SLF001
        scores=[
            ScoreCurve(row.incident_id, row.label, tuple(row.times_s), tuple(row.scores))
            for row in of(curves, curves.c.label)
        ],
    )


def deliveries(connection: Connection, keys: Collection[UUID]) -> list[DeliveryRecord]:
    """What has become of the alerts of the incidents `keys`, as it came."""
    table = tables.deliveries
    query = select(table).where(table.c.incident_id.in_(keys)).order_by(table.c.at, table.c.sink)
    return [_delivery(row) for row in connection.execute(query)]


def cameras_and_labels(connection: Connection) -> tuple[list[str], list[str]]:
    """The names of all cameras that ever had an incident, and the labels."""
    camera, label = tables.incidents.c.camera, tables.incidents.c.label
    return (
        list(connection.scalars(select(camera).distinct().order_by(camera))),
        list(connection.scalars(select(label).distinct().order_by(label))),
    )


def audit(
    connection: Connection,
    limit: int = 100,
    before: Position | None = None,
    target: str | None = None,
) -> list[AuditEntry]:
    """Who did what (to `target` alone, where it is given), newest first."""
    table = tables.audit.c
    query = select(tables.audit).order_by(table.at.desc(), table.id.desc()).limit(limit)
    if target is not None:
        query = query.where(table.target == target)
    if before is not None:
        query = query.where(_behind(table.at, table.id, before))
    return [AuditEntry(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def camera_states(
    connection: Connection, since: datetime, until: datetime
) -> list[CameraStateRecord]:
    """The changes in [`since`, `until`), oldest first, and of each camera the last one before."""
    table = tables.camera_states
    before = (
        select(table.c.site, table.c.camera, func.max(table.c.since).label("since"))
        .where(table.c.since < since)
        .group_by(table.c.site, table.c.camera)
        .subquery()
    )
    last = select(table).join(
        before,
        and_(
            before.c.site == table.c.site,
            before.c.camera == table.c.camera,
            before.c.since == table.c.since,
        ),
    )
    within = select(table).where(table.c.since >= since, table.c.since < until)
    rows = [*connection.execute(last), *connection.execute(within)]
    found = [CameraStateRecord(row.camera, row.site, row.state, row.since) for row in rows]
    return sorted(found, key=lambda one: one.since)


def month(
    connection: Connection, year: int, number: int, zone: tzinfo, now: datetime
) -> list[CameraMonth]:
    """Month `number` (1 to 12) in the local time of `zone`, by camera; up to `now`."""
    since = datetime(year, number, 1, tzinfo=zone)
    until = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)
    found = incidents(connection, IncidentFilter(since=since, until=until), limit=1_000_000)
    states = camera_states(connection, since, min(until, now)) if since < now else []
    first = _first_judgements(connection, since, until)
    cameras = {one.camera for one in found}
    cameras |= {one.camera for one in states if one.state != STOPPED}
    report = []
    for camera in sorted(cameras):
        own = [one for one in found if one.camera == camera]
        hours = Counter(one.opened_at.astimezone(zone).hour for one in own)
        waits = [
            max(0.0, (first[one.id] - one.opened_at).total_seconds())
            for one in own
            if one.id in first
        ]
        report.append(
            CameraMonth(
                camera=camera,
                incidents=len(own),
                verdicts=dict(
                    Counter(one.judgement.verdict if one.judgement else None for one in own)
                ),
                by_hour=tuple(hours[hour] for hour in range(24)),
                response_s=median(waits) if waits else None,
                live_share=_live_share(
                    [one for one in states if one.camera == camera], since, min(until, now)
                ),
            )
        )
    return report


def with_judgement(one: IncidentRecord, judgement: Judgement) -> IncidentRecord:
    """`one` once `judgement` is known, too; the newest counts."""
    if one.judgement and (one.judgement.order, one.judgement.id) > (judgement.order, judgement.id):
        return one
    return replace(one, judgement=judgement)


def _newest_judgement() -> Select[Any]:
    table = tables.judgements
    newer = table.alias()
    return select(table).where(
        ~select(newer.c.id)
        .where(
            newer.c.incident_id == table.c.incident_id,
            or_(
                newer.c.order > table.c.order,
                and_(newer.c.order == table.c.order, newer.c.id > table.c.id),
            ),
        )
        .exists()
    )


def _with_judgement(newest: Any) -> Select[Any]:
    columns = [column.label(f"judgement_{column.name}") for column in newest.c]
    joined = tables.incidents.outerjoin(newest, newest.c.incident_id == tables.incidents.c.id)
    return select(tables.incidents, *columns).select_from(joined)


def _behind(at: Any, key: Any, before: Position) -> Any:
    return or_(at < before[0], and_(at == before[0], key < before[1]))


def _incident(row: Row[Any]) -> IncidentRecord:
    found = dict(row._mapping)  # noqa: SLF001 - same
    parts = {
        name.removeprefix("judgement_"): found.pop(name)
        for name in list(found)
        if name.startswith("judgement_")
    }
    return IncidentRecord(**found, judgement=_judgement(parts) if parts["id"] else None)


def _judgement(parts: Any) -> Judgement:
    return Judgement(**{**parts, "verdict": Verdict(parts["verdict"])})


def _delivery(row: Row[Any]) -> DeliveryRecord:
    parts = dict(row._mapping)  # noqa: SLF001 - same
    return DeliveryRecord(**{**parts, "outcome": Outcome(parts["outcome"])})


def _first_judgements(
    connection: Connection, since: datetime, until: datetime
) -> dict[UUID, datetime]:
    said, of = tables.judgements.c, tables.incidents.c
    query = (
        select(said.incident_id, func.min(said.at))
        .join(tables.incidents, of.id == said.incident_id)
        .where(of.opened_at >= since, of.opened_at < until)
        .group_by(said.incident_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _live_share(states: list[CameraStateRecord], since: datetime, until: datetime) -> float | None:
    if not states or until <= since:
        return None
    edges = [(max(one.since, since), one.state) for one in states] + [(until, "")]
    known_s = live_s = 0.0
    for (begin, state), (end, _) in pairwise(edges):
        known_s += (end - begin).total_seconds()
        if state == CameraState.LIVE.value:
            live_s += (end - begin).total_seconds()
    return live_s / known_s if known_s > 0 else None
