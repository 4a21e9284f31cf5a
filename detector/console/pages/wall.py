"""The wall: every camera's picture and state, side by side."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from detector.console.access.user import Role
from detector.console.monitor import CameraView
from detector.console.pages.seeing import seen_cameras, shown
from detector.console.rendering import render
from detector.console.routing import GuardedRoute

NO_STORE = {"Cache-Control": "no-store"}


def routes() -> list[GuardedRoute]:
    """The page, and what its script asks for once a second."""
    return [
        GuardedRoute("/wall", wall, role=Role.VIEWER),
        GuardedRoute("/wall/state.json", state, role=Role.VIEWER),
    ]


async def wall(request: Request) -> Response:
    """A tile a camera."""
    views: list[CameraView] = await run_in_threadpool(seen_cameras, request)
    tiles = [shown(request, view) for view in views]
    sites = sorted({view.site for view in views})
    return render(request, "wall.html", tiles=tiles, sites=sites)


async def state(request: Request) -> Response:
    """How all of them stand, one answer for all tiles."""
    views = await run_in_threadpool(seen_cameras, request)
    return JSONResponse({"cameras": [shown(request, view) for view in views]}, headers=NO_STORE)
