"""Each camera's newest picture, as JPEG."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.access.user import Role
from detector.console.monitor import Monitor, Picture
from detector.console.pages.seeing import once_back, seen_name
from detector.console.routing import GuardedRoute

SIDES = (320, 640, 1280)
"""Longer side, pixels: a tile, a large tile, a page of its own."""

RETRY_S = 2
"""A camera that has not given a picture yet is asked again after that."""


def routes() -> list[GuardedRoute]:
    """The picture."""
    return [GuardedRoute("/camera/{name}/picture.jpg", picture, role=Role.VIEWER)]


async def picture(request: Request) -> Response:
    """The newest one, `side` pixels long; 304 where it is the one named in If-None-Match."""
    name = seen_name(request)
    asked = request.query_params.get("side", str(SIDES[0]))
    if asked not in map(str, SIDES):
        raise HTTPException(400, f"side is one of {', '.join(map(str, SIDES))}")
    found = await run_in_threadpool(_newest, request, name, int(asked))
    if found is None:
        return Response(status_code=503, headers={"Retry-After": str(RETRY_S)})
    headers = {
        "Cache-Control": "no-store",
        "ETag": f'"{found.number}-{asked}"',
        "X-Taken-At": found.at.isoformat(timespec="milliseconds"),
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.jpeg, media_type="image/jpeg", headers=headers)


def _newest(request: Request, name: str, side: int) -> Picture | None:
    monitor: Monitor = request.app.state.monitor
    return once_back(monitor, name, lambda: monitor.picture(name, side))
