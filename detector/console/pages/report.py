"""The page *Report*: a month, by camera and hour."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.access.user import Role
from detector.console.api.models import YEARS
from detector.console.rendering import render
from detector.console.routing import GuardedRoute
from detector.journal import queries
from detector.journal.queries import CameraMonth
from detector.journal.records import Verdict

LOCALTIME = Path("/etc/localtime")
"""The box's time zone (localtime(5))."""

SHADES = 5
"""Of the cells of hours, beside that of none."""


@dataclass(frozen=True, slots=True)
class Row:
    """A camera's month, or that of all of them. `precision`: real of real and false alarms, 0…1."""

    camera: str
    incidents: int
    verdicts: dict[Verdict | None, int]
    by_hour: tuple[int, ...]
    precision: float | None
    response_s: float | None
    live_share: float | None


def routes() -> list[GuardedRoute]:
    """The page."""
    return [GuardedRoute("/report", report, role=Role.VIEWER)]


async def report(request: Request) -> Response:
    """The page; `month`: such as 2026-11, this one where it is left out."""
    return await run_in_threadpool(_page, request)


def _page(request: Request) -> Response:
    monitor, user = request.app.state.monitor, request.scope["user"]
    zone, now = local_zone(), datetime.now(UTC)
    here = now.astimezone(zone)
    year, month = _month(request.query_params.get("month", f"{here:%Y-%m}"))
    found = monitor.journal.asked(lambda c: queries.month(c, year, month, zone, now))
    rows = [_row(one) for one in found or [] if user.sees(one.camera)]
    most = max((count for row in rows for count in row.by_hour), default=0)
    return render(
        request,
        "report.html",
        month=f"{year}-{month:02}",
        before=_shifted(year, month, -1),
        after=_shifted(year, month, 1),
        is_running=(year, month) == (here.year, here.month),
        rows=rows,
        total=_total(rows),
        shade=lambda count: -(-count * SHADES // most) if most else 0,
        verdicts=list(Verdict),
        trouble=monitor.journal.trouble if found is None else None,
        made_at=now,
    )


def local_zone() -> tzinfo:
    """The box's, with its summer times; where it is not known, today's offset from UTC."""
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, "local")
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None
        return zone


def _month(text: str) -> tuple[int, int]:
    try:
        found = datetime.strptime(text, "%Y-%m")  # noqa: DTZ007 - only year and month are taken
    except ValueError:
        raise HTTPException(400, "month: give it as 2026-11") from None
    if found.year not in YEARS:
        raise HTTPException(400, f"month: between {YEARS.start} and {YEARS.stop - 1}")
    return found.year, found.month


def _shifted(year: int, month: int, by: int) -> str:
    years, rest = divmod(year * 12 + month - 1 + by, 12)
    return f"{years}-{rest + 1:02}"


def _row(one: CameraMonth) -> Row:
    return Row(
        one.camera,
        one.incidents,
        one.verdicts,
        one.by_hour,
        _precision(one.verdicts),
        one.response_s,
        one.live_share,
    )


def _total(rows: list[Row]) -> Row:
    """Of all cameras; the median of their response times and the mean of their uptimes."""
    verdicts: Counter[Verdict | None] = Counter()
    for row in rows:
        verdicts.update(row.verdicts)
    waits = [row.response_s for row in rows if row.response_s is not None]
    shares = [row.live_share for row in rows if row.live_share is not None]
    return Row(
        "",
        sum(row.incidents for row in rows),
        dict(verdicts),
        tuple(_sums(row.by_hour for row in rows)),
        _precision(verdicts),
        median(waits) if waits else None,
        sum(shares) / len(shares) if shares else None,
    )


def _sums(hours: Iterable[tuple[int, ...]]) -> list[int]:
    return [sum(column) for column in zip(*hours, strict=True)] or [0] * 24


def _precision(verdicts: dict[Verdict | None, int]) -> float | None:
    real, false = verdicts.get(Verdict.REAL, 0), verdicts.get(Verdict.FALSE_ALARM, 0)
    return real / (real + false) if real + false else None
