"""Who did what."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.access.refusal import RefusedError
from detector.console.access.user import Role
from detector.console.monitor import Monitor
from detector.console.rendering import render
from detector.console.routing import GuardedRoute
from detector.journal.queries import Position

PAGE = 100


def routes() -> list[GuardedRoute]:
    """One, for administrators of all cameras: it names every one of them."""
    return [GuardedRoute("/audit", audit, role=Role.ADMIN)]


async def audit(request: Request) -> Response:
    """Newest first, `PAGE` at a time; `?before=TIME,ID` those before one."""
    if request.scope["user"].limited:
        raise RefusedError(403, "error_403", "this account is limited to some cameras")
    monitor: Monitor = request.app.state.monitor
    before = _position(request.query_params.get("before"))
    entries = await run_in_threadpool(monitor.journal.audit, PAGE + 1, before)
    last = entries[PAGE - 1] if len(entries) > PAGE else None
    return render(
        request,
        "audit.html",
        entries=entries[:PAGE],
        before=f"{last.at.isoformat()},{last.id}" if last else "",
        trouble=monitor.journal.trouble or "",
    )


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    at, _, key = text.partition(",")
    try:
        position = datetime.fromisoformat(at), UUID(key)
        position[0].astimezone()
    except (ValueError, OverflowError) as error:
        raise HTTPException(400, "before must be TIME,ID") from error
    if position[0].tzinfo is None:
        raise HTTPException(400, "before must have a time zone")
    return position
