"""The page *Now*: what needs a decision."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.access.user import Role
from detector.console.incidents.listing import listing
from detector.console.rendering import render
from detector.console.routing import GuardedRoute


def routes() -> list[GuardedRoute]:
    """The page, and its list alone, which the script asks for when something has changed."""
    return [
        GuardedRoute("/", now, role=Role.VIEWER),
        GuardedRoute("/now/list", now_list, role=Role.VIEWER),
    ]


async def now(request: Request) -> Response:
    """The page."""
    return await _rendered(request, "now.html")


async def now_list(request: Request) -> Response:
    """The list; `again`: the id of an incident that is to be judged once more."""
    return await _rendered(request, "now_list.html")


async def _rendered(request: Request, template: str) -> Response:
    try:
        again = UUID(request.query_params["again"]) if "again" in request.query_params else None
    except ValueError:
        raise HTTPException(400, "again: give an incident's id") from None
    monitor, user = request.app.state.monitor, request.scope["user"]

    def page() -> Response:
        found = listing(monitor, user, again)
        return render(request, template, shown=found, asked_at=datetime.now(UTC))

    return await run_in_threadpool(page)
