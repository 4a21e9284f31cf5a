"""One archive of an incident's evidence, for whoever asked for it and said why."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from config.errors import JikimiError
from config.secrets import register_secret
from detector.console.api.models import IncidentDetailsFound, details_of
from detector.console.monitor import Monitor
from detector.evidence.export import Request, export, find
from detector.journal.queries import IncidentDetails
from detector.journal.records import AuditEntry

SHORTEST_PASSPHRASE = 8
LONGEST_PASSPHRASE = 1000
LONGEST_REASON = 500
MOST_ENTRIES = 1000


class Story(IncidentDetailsFound):
    """`journal.json` of the archive: the incident, and who looked at it, judged it, had it."""

    audit: list[AuditEntry]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `passphrase`: "" for an archive that everybody can read."""

    by: str
    reason: str
    pixelate: bool
    passphrase: str


def archive(monitor: Monitor, found: IncidentDetails, wish: Wish) -> IO[bytes]:
    """The archive, open to be read, and nowhere on disk once it is closed.

    Raises JikimiError where it is not to be had, or cannot be audited.
    """
    incident = found.incident.id
    if not wish.reason.strip() or len(wish.reason) > LONGEST_REASON:
        raise JikimiError(f"say why, in at most {LONGEST_REASON} characters")
    if wish.passphrase and not SHORTEST_PASSPHRASE <= len(wish.passphrase) <= LONGEST_PASSPHRASE:
        raise JikimiError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    if monitor.evidence is None:
        raise JikimiError("no evidence is kept: it is switched off")
    if wish.passphrase:
        register_secret(wish.passphrase)

    def audit(key: UUID, request: Request) -> None:
        how = "pixelated: " if request.pixelate else ""
        if why := monitor.audit(wish.by, "export", str(key), how + request.reason):
            raise JikimiError(f"not handed out, for the audit cannot be written ({why})")

    folder = find(monitor.evidence, incident)
    story = Story(**details_of(found).model_dump(), audit=entries(monitor, incident))
    with tempfile.TemporaryDirectory(prefix="jikimi-export-") as work:
        out = Path(work) / f"{incident}.zip"
        export(
            folder,
            out,
            Request(wish.by, wish.reason.strip(), wish.pixelate),
            audit,
            more={"journal.json": story.model_dump_json(indent=1).encode()},
            passphrase=wish.passphrase or None,
        )
        return out.open("rb")  # stays readable though its name goes


def entries(monitor: Monitor, incident: UUID) -> list[AuditEntry]:
    """Who did what to `incident`, newest first."""
    return monitor.journal.audit(MOST_ENTRIES, target=str(incident))
