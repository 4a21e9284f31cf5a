"""The console as an ASGI application: all routes, and what stands before them."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from detector.console.api import serving
from detector.console.errors import LogFailures, failed, refused
from detector.console.events import Events
from detector.console.monitor import Monitor
from detector.console.pages import (
    camera,
    evidence,
    live,
    now,
    observing,
    pictures,
    static,
    wall,
    zones,
)
from detector.console.routing import GuardedRoute

MAX_BODY_BYTES: Final = 1 << 20
"""Of a request; zones and notes are a few kilobytes."""


def build(monitor: Monitor) -> ASGIApp:
    """The application over `monitor`; endpoints find it as `request.app.state.monitor`."""
    app = Starlette(
        routes=pages(),
        exception_handlers={HTTPException: refused, Exception: failed},
        max_body_size=MAX_BODY_BYTES,
    )
    app.router.redirect_slashes = False
    app.state.monitor = monitor
    app.state.events = Events(monitor)
    app.state.looks = evidence.Looks()
    return LogFailures(app)


def pages() -> list[GuardedRoute]:
    """Every route."""
    return [
        *observing.routes(),
        *static.routes(),
        *live.routes(),
        *now.routes(),
        *evidence.routes(),
        *wall.routes(),
        *pictures.routes(),
        *camera.routes(),
        *zones.routes(),
        *serving.routes(),
    ]
