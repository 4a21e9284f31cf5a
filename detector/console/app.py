"""The console as an ASGI application: all routes, and what stands before them."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from detector.console.monitor import Monitor
from detector.console.pages import observing
from detector.console.routing import GuardedRoute

STATIC = Path(__file__).with_name("static")


def build(monitor: Monitor) -> Starlette:
    """The application over `monitor`; endpoints find it as `request.app.state.monitor`."""
    routes: list[BaseRoute] = [*pages(), Mount("/static", StaticFiles(directory=STATIC))]
    app = Starlette(routes=routes)
    app.state.monitor = monitor
    return app


def pages() -> list[GuardedRoute]:
    """Every route but static files."""
    return [*observing.routes()]
