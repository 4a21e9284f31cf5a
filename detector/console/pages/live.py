"""/events: what changes, for pages that are open."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from detector.console.access.user import Role
from detector.console.events import CrowdedError
from detector.console.routing import GuardedRoute

RETRY_AFTER_S = 5


def routes() -> list[GuardedRoute]:
    """The one stream."""
    return [GuardedRoute("/events", events, role=Role.VIEWER)]


async def events(request: Request) -> Response:
    """Server-sent events."""
    try:
        stream = request.app.state.events.stream(request.scope["user"])
    except CrowdedError as error:
        return PlainTextResponse(str(error), 503, {"Retry-After": str(RETRY_AFTER_S)})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold it back
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
