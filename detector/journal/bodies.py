"""Records as the JSON that waits in the local store, and back.

A body of a newer release may hold more; what it lacks, or holds damaged, is a ValueError.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from detector.journal.records import (
    AuditEntry,
    CameraStateRecord,
    DeliveryRecord,
    EvidenceFile,
    Handover,
    Judgement,
    ScoreCurve,
)

Record = (
    AuditEntry
    | CameraStateRecord
    | DeliveryRecord
    | EvidenceFile
    | Handover
    | Judgement
    | ScoreCurve
)

KINDS: Final[dict[str, type[Record]]] = {
    "audit": AuditEntry,
    "camera": CameraStateRecord,
    "delivery": DeliveryRecord,
    "evidence": EvidenceFile,
    "handover": Handover,
    "judgement": Judgement,
    "scores": ScoreCurve,
}
"""By the kind of a row of `pending`."""


def key_of(record: Record) -> str:
    """What tells it from every other one of its kind."""
    match record:
        case AuditEntry() | Judgement():
            return str(record.id)
        case CameraStateRecord():
            return f"{record.site}/{record.camera}/{record.since:%Y-%m-%dT%H:%M}"
        case DeliveryRecord():
            return f"{record.alert_id}/{record.sink}"
        case EvidenceFile():
            return f"{record.incident_id}/{record.name}"
        case Handover():
            return f"{record.camera}/{record.kind}"
        case ScoreCurve():
            return f"{record.incident_id}/{record.label}"


def kind_of(record: Record) -> str:
    """Its kind, as `KINDS` has it."""
    return next(kind for kind, of in KINDS.items() if isinstance(record, of))


def as_body(record: Record) -> str:
    """Its JSON."""
    return _adapter(kind_of(record)).dump_json(record).decode()


def from_body(kind: str, body: str) -> Record:
    """The record that `body` says; ValueError where it says none.

    A NUL, which PostgreSQL takes in no text, is replaced.
    """
    try:
        record: Record = _adapter(kind).validate_json(body.replace("\\u0000", "\\ufffd"))
    except KeyError:
        raise ValueError(f"{kind!r} is nothing that this release knows") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from None
    return record


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])
