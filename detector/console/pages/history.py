"""The page *History*: all incidents, by what is asked for; also as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from detector.console.access.user import Role, User
from detector.console.api.models import YEARS
from detector.console.incidents import csv_file, seeing
from detector.console.monitor import Monitor
from detector.console.rendering import render
from detector.console.routing import GuardedRoute
from detector.journal.queries import IncidentFilter, Position
from detector.journal.records import IncidentRecord, Verdict

PAGE = 50
CSV_PAGE = 1000

FILTERS = ("camera", "label", "since", "until", "verdict", "judged")


def routes() -> list[GuardedRoute]:
    """The page and the file."""
    return [
        GuardedRoute("/history", history, role=Role.VIEWER),
        GuardedRoute("/history.csv", history_csv, role=Role.VIEWER),
    ]


async def history(request: Request) -> Response:
    """The page."""
    return await run_in_threadpool(_page, request)


async def history_csv(request: Request) -> Response:
    """Everything that the filters take."""
    of = _filter(request.query_params)
    name = f"incidents-{datetime.now().astimezone():%Y-%m-%d}.csv"
    return StreamingResponse(
        csv_file.lines(_all(request.app.state.monitor, request.scope["user"], of)),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
        media_type="text/csv; charset=utf-8",
    )


def _page(request: Request) -> Response:
    monitor, user, query = request.app.state.monitor, request.scope["user"], request.query_params
    of, before = _filter(query), _before(monitor, user, query)
    found = seeing.incidents(monitor, user, of, PAGE + 1, before)
    shown = found[:PAGE]
    asked = {name: query.get(name, "") for name in FILTERS}
    kept = {name: value for name, value in asked.items() if value}
    last = str(shown[-1].id) if len(found) > PAGE else ""
    cameras, labels = seeing.cameras_and_labels(monitor)
    return render(
        request,
        "history.html",
        incidents=shown,
        asked=asked,
        cameras=[name for name in cameras if user.sees(name)],
        labels=labels,
        verdicts=[one.value for one in Verdict],
        older=urlencode(kept | {"before": last}) if last else "",
        is_first=before is None,
        newest=urlencode(kept),
        trouble=monitor.journal.trouble,
    )


def _all(monitor: Monitor, user: User, of: IncidentFilter) -> Iterator[IncidentRecord]:
    """Page by page, so that nobody holds all of them."""
    before: Position | None = None
    while found := seeing.incidents(monitor, user, of, CSV_PAGE, before):
        yield from found
        before = found[-1].opened_at, found[-1].id


def _filter(query: Mapping[str, str]) -> IncidentFilter:
    """What is asked for; raises HTTPException (400) with what is wrong."""
    verdict, judged = query.get("verdict", ""), query.get("judged", "")
    if verdict not in {"", *Verdict}:
        raise HTTPException(400, f"verdict: give one of {', '.join(Verdict)}")
    if judged not in {"", "yes", "no"}:
        raise HTTPException(400, "judged: give yes or no")
    return IncidentFilter(
        camera=_name(query, "camera"),
        label=_name(query, "label"),
        since=_midnight(query, "since", timedelta()),
        until=_midnight(query, "until", timedelta(days=1)),
        verdict=Verdict(verdict) if verdict else None,
        judged={"": None, "yes": True, "no": False}[judged],
    )


def _name(query: Mapping[str, str], key: str) -> str | None:
    """A NUL, which PostgreSQL takes in no text, is in no name."""
    return query.get(key, "").replace("\0", "") or None


def _midnight(query: Mapping[str, str], key: str, later: timedelta) -> datetime | None:
    """Local midnight of the day, or `later`."""
    if not (text := query.get(key, "")):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise HTTPException(400, f"{key}: give a day, such as {datetime.now(UTC):%Y-%m-%d}")
    return datetime.combine(day + later, time()).astimezone()


def _before(monitor: Monitor, user: User, query: Mapping[str, str]) -> Position | None:
    """Where the page begins: behind the incident that `before` names."""
    if not (text := query.get("before", "")):
        return None
    try:
        found = seeing.position(monitor, user, UUID(text))
    except ValueError:
        found = None
    if found is None:
        raise HTTPException(400, "before: there is no such incident")
    return found
