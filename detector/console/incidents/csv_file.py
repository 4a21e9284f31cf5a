"""Incidents as CSV (RFC 4180), for spreadsheets: in UTF-8 with the mark that they look for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from detector.journal.records import IncidentRecord

COLUMNS = (
    "id",
    "camera",
    "site",
    "label",
    "opened_at",
    "closed_at",
    "seconds",
    "peak",
    "ended",
    "verdict",
    "judged_by",
    "judged_at",
    "note",
)

BYTE_ORDER_MARK = "\ufeff"


def lines(incidents: Iterable[IncidentRecord]) -> Iterator[str]:
    """The file, line by line; times are ISO 8601 in the box's local time."""
    yield BYTE_ORDER_MARK + _line(COLUMNS)
    for one in incidents:
        said, closed = one.judgement, one.closed_at
        values = [
            str(one.id),
            one.camera,
            one.site or "",
            one.label,
            one.opened_at.astimezone().isoformat(timespec="seconds"),
            closed.astimezone().isoformat(timespec="seconds") if closed else "",
            f"{max(0.0, (closed - one.opened_at).total_seconds()):.0f}" if closed else "",
            f"{one.peak:.3f}",
            one.reason or "",
            said.verdict.value if said else "",
            said.by if said else "",
            said.at.astimezone().isoformat(timespec="seconds") if said else "",
            said.note if said else "",
        ]
        yield _line(map(_harmless, values))


def _harmless(text: str) -> str:
    """A spreadsheet runs what begins so as a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _line(values: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(values)
    return written.getvalue()
