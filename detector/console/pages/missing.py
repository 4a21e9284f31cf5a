"""What there is no page for."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.routing import GuardedRoute


def routes() -> list[GuardedRoute]:
    """Everything that no other route takes, so that who asks is known to the page that says so."""
    return [GuardedRoute("/{path:path}", missing, role=None)]


async def missing(_request: Request) -> Response:
    """404."""
    raise HTTPException(404)
