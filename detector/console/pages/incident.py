"""The page of one incident: all that is known of it, and its archive."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from config.errors import JikimiError
from detector.console.access.user import Role, User
from detector.console.incidents import seeing
from detector.console.incidents.archive import Wish, archive, entries
from detector.console.incidents.curve import Drawing, draw
from detector.console.incidents.listing import Item, items
from detector.console.monitor import Monitor
from detector.console.pages.evidence import stream
from detector.console.rendering import render
from detector.console.routing import GuardedRoute
from detector.journal.queries import IncidentDetails
from detector.journal.records import AuditEntry

ASKED = ("confirm", "mute")
"""What a link in an alert leads to (`?ask=`): its button is shown and has the focus, no more."""

STILLS = ("first", "peak", "latest")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows. `stills`: name → its address, with the moving place marked if known.

    `audit`: who did what to it; for administrators.
    """

    found: IncidentDetails
    item: Item
    stills: dict[str, str]
    curve: Drawing | None
    audit: list[AuditEntry]


def routes() -> list[GuardedRoute]:
    """The page and its archive."""
    return [
        GuardedRoute("/incident/{incident:uuid}", incident, role=Role.VIEWER),
        GuardedRoute(
            "/incident/{incident:uuid}/export", export, role=Role.ADMIN, methods=("POST",)
        ),
    ]


async def incident(request: Request) -> Response:
    """The page."""
    return await run_in_threadpool(_page, request)


async def export(request: Request) -> Response:
    """The archive; the page with what is wrong where it cannot be had."""
    async with request.form(max_files=0, max_fields=10) as form:
        wish = Wish(
            by=request.scope["user"].name,
            reason=str(form.get("reason", "")),
            pixelate=form.get("pixelate") == "yes",
            passphrase=str(form.get("passphrase", "")),
        )
    return await run_in_threadpool(_export, request, wish)


def _export(request: Request, wish: Wish) -> Response:
    monitor, found = request.app.state.monitor, _found(request)
    try:
        file = archive(monitor, found, wish)
    except JikimiError as error:
        return _page(request, str(error))
    answer = stream(file, "application/zip")
    name = f"incident-{found.incident.id}.zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _page(request: Request, refused: str = "") -> Response:
    monitor, user = request.app.state.monitor, request.scope["user"]
    shown = _shown(monitor, user, _found(request))
    asked = request.query_params.get("ask")
    return render(
        request,
        "incident.html",
        422 if refused else 200,
        shown=shown,
        refused=refused,
        asked=asked if asked in ASKED else "",
    )


def _found(request: Request) -> IncidentDetails:
    key: UUID = request.path_params["incident"]
    found = seeing.incident(request.app.state.monitor, request.scope["user"], key)
    if found is None:
        raise HTTPException(404)
    return found


def _shown(monitor: Monitor, user: User, found: IncidentDetails) -> Shown:
    one = found.incident
    [item] = items(monitor, user, [one])
    stills = {name: item.kept.still(f"{name}-marked", name) for name in STILLS}
    return Shown(
        found=found,
        item=item,
        stills={name: address for name, address in stills.items() if address},
        curve=_curve(found, item),
        audit=entries(monitor, one.id) if user.role >= Role.ADMIN else [],
    )


def _curve(found: IncidentDetails, item: Item) -> Drawing | None:
    """Of the file where it is kept, else of what the journal has."""
    one, curve = found.incident, item.kept.curve()
    if curve is not None:
        times_s = [point[0] for point in curve.points]
        scores = [point[2] for point in curve.points]
    else:
        own = next((each for each in found.scores if each.label == one.label), None)
        times_s, scores = ([*own.times_s], [*own.scores]) if own else ([], [])
    closed_s = (one.closed_at - one.opened_at).total_seconds() if one.closed_at else None
    threshold = item.camera.thresholds.get(one.label) if item.camera else None
    return draw(times_s, scores, closed_s, threshold)
