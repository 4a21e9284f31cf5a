"""Styles and scripts."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from detector.console.routing import GuardedRoute

_files = StaticFiles(directory=Path(__file__).parent.with_name("static"))


def routes() -> list[GuardedRoute]:
    """All of the folder, open to everybody: the page to log in needs them."""
    return [GuardedRoute("/static/{path:path}", file, role=None, public=True)]


async def file(request: Request) -> Response:
    """One of them; a browser asks again whether it has changed."""
    answer = await _files.get_response(request.path_params["path"], request.scope)
    answer.headers["Cache-Control"] = "no-cache"
    return answer
