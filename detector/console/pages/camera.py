"""One camera: its picture, health, scores and incidents, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import log1p
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from config.errors import ControlError
from detector.console.access.user import Role
from detector.console.monitor import CameraFigures, CameraView, ScoreBin
from detector.console.pages.seeing import lasting, seen_camera, shown, span, user_of
from detector.console.rendering import language_of, render
from detector.console.routing import GuardedRoute
from detector.journal.queries import IncidentFilter
from detector.journal.records import IncidentRecord

INCIDENTS = 20
"""The newest of them are on the page; history has the others."""

MUTES_S = {"10": 600.0, "60": 3600.0}
"""By the minutes that a button says."""

CHART_HEIGHT = 60.0
"""Of the histogram, in its own units; it is 100 wide."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram, in its own units, and how many scores it stands for."""

    x: float
    y: float
    width: float
    height: float
    scores: ScoreBin


def routes() -> list[GuardedRoute]:
    """The page, its parts, and its buttons."""
    post = ("POST",)
    return [
        GuardedRoute("/camera/{name}", camera, role=Role.VIEWER),
        GuardedRoute("/camera/{name}/state.json", state, role=Role.VIEWER),
        GuardedRoute("/camera/{name}/figures", figures, role=Role.VIEWER),
        GuardedRoute("/camera/{name}/drill/{incident:uuid}", deliveries, role=Role.OPERATOR),
        GuardedRoute("/camera/{name}/drill", drill, role=Role.OPERATOR, methods=post),
        GuardedRoute("/camera/{name}/mute", mute, role=Role.OPERATOR, methods=post),
        GuardedRoute("/camera/{name}/unmute", unmute, role=Role.OPERATOR, methods=post),
        GuardedRoute("/camera/{name}/recalibrate", recalibrate, role=Role.OPERATOR, methods=post),
    ]


async def camera(request: Request) -> Response:
    """The page; after a drill it shows what became of it."""
    return await run_in_threadpool(_page, request)


async def state(request: Request) -> Response:
    """What changes from second to second."""
    view = await run_in_threadpool(seen_camera, request)
    return JSONResponse(shown(request, view), headers={"Cache-Control": "no-store"})


async def figures(request: Request) -> Response:
    """Health, scores and incidents alone, to take the place of those on the page."""
    return await run_in_threadpool(_figures, request)


async def drill(request: Request) -> Response:
    """Send an exercise; leads to the page that shows what becomes of it."""
    view, answer = await run_in_threadpool(_asked, request, "drill")
    if isinstance(answer, Response):
        return answer
    incident = answer["incident"]
    return RedirectResponse(f"/camera/{quote(view.name)}?drill={incident}#drill", 303)


async def deliveries(request: Request) -> Response:
    """How far the exercise got at each sink."""
    view = await run_in_threadpool(seen_camera, request)
    told = await run_in_threadpool(_deliveries, request, request.path_params["incident"])
    return render(request, "camera_deliveries.html", camera=view.name, deliveries=told)


async def mute(request: Request) -> Response:
    """For 10 or 60 `minutes`."""
    for_s = MUTES_S.get(request.query_params.get("minutes", ""))
    if for_s is None:
        raise HTTPException(400, f"minutes is one of {', '.join(MUTES_S)}")
    return await _done(request, "silence", for_s=for_s)


async def unmute(request: Request) -> Response:
    """End its silence."""
    return await _done(request, "unsilence")


async def recalibrate(request: Request) -> Response:
    """Forget what it has learnt."""
    return await _done(request, "recalibrate")


async def _done(request: Request, command: str, **details: Any) -> Response:
    view, answer = await run_in_threadpool(_asked, request, command, **details)
    if isinstance(answer, Response):
        return answer
    return RedirectResponse(f"/camera/{quote(view.name)}", 303)


def _asked(
    request: Request, command: str, **details: Any
) -> tuple[CameraView, dict[str, Any] | Response]:
    """What came of `command`; where it is refused, the page that says so."""
    view = seen_camera(request)
    monitor, user = request.app.state.monitor, user_of(request)
    try:
        return view, monitor.ask(command, user.name, camera=view.name, **details)
    except ControlError as error:
        return view, _page(request, str(error))


def _page(request: Request, refused: str = "") -> Response:
    view = seen_camera(request)
    told = None
    if "drill" in request.query_params and user_of(request).role >= Role.OPERATOR:
        try:
            told = _deliveries(request, UUID(request.query_params["drill"]))
        except ValueError:
            raise HTTPException(404) from None
    return render(
        request,
        "camera.html",
        409 if refused else 200,
        refused=refused,
        deliveries=told,
        drill=request.query_params.get("drill", ""),
        **_values(request, view),
    )


def _figures(request: Request) -> Response:
    return render(request, "camera_figures.html", **_values(request, seen_camera(request)))


def _values(request: Request, view: CameraView) -> dict[str, Any]:
    monitor, language = request.app.state.monitor, language_of(request)
    try:
        counted: CameraFigures = monitor.figures(view.name)
    except ControlError:  # it has just been taken out
        raise HTTPException(404) from None
    incidents: list[IncidentRecord] = monitor.journal.incidents(
        IncidentFilter(camera=view.name), INCIDENTS
    )
    now = datetime.now(UTC)
    return {
        "view": view,
        "tile": shown(request, view),
        "figures": counted,
        "asleep": span(language, counted.asleep_s),
        "charts": {label: _bars(bins) for label, bins in counted.scores.items()},
        "chart_height": CHART_HEIGHT,
        "incidents": [
            (one, lasting(language, one.closed_at or now, one.opened_at)) for one in incidents
        ],
        "journal_trouble": monitor.journal.trouble,
    }


def _deliveries(request: Request, incident: UUID) -> list[dict[str, Any]]:
    """None of an exercise that is too long ago."""
    monitor, user = request.app.state.monitor, user_of(request)
    try:
        answer = monitor.ask("deliveries", user.name, incident=str(incident))
    except ControlError:
        return []
    found: list[dict[str, Any]] = answer["deliveries"]
    return found


def _bars(bins: tuple[ScoreBin, ...]) -> list[Bar]:
    """By the logarithm of the counts: nearly all scores are close to 0, and the few count."""
    most = log1p(max((each.count for each in bins), default=0)) or 1.0
    found = []
    for each in bins:
        height = CHART_HEIGHT * log1p(each.count) / most
        width = 100 * (each.at_most - each.above)
        found.append(Bar(100 * each.above, CHART_HEIGHT - height, width, height, each))
    return found
