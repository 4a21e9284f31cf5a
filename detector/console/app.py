"""The console as an ASGI application: all routes, and what stands before them."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from detector.console.access.access import Access
from detector.console.api import serving
from detector.console.cluster import boxes
from detector.console.errors import LogFailures, failed, refused
from detector.console.events import Events
from detector.console.headers import SecurityHeaders
from detector.console.monitor import Monitor
from detector.console.pages import (
    audit,
    camera,
    evidence,
    history,
    incident,
    language,
    live,
    login,
    missing,
    now,
    observing,
    pictures,
    report,
    static,
    wall,
    zones,
)
from detector.console.routing import GuardedRoute

MAX_BODY_BYTES: Final = 1 << 20
"""Of a request; zones and notes are a few kilobytes."""

PAGES: Final = (
    observing,
    static,
    login,
    language,
    live,
    now,
    incident,
    evidence,
    wall,
    pictures,
    camera,
    zones,
    boxes,
    history,
    report,
    audit,
    serving,
)


def build(monitor: Monitor, access: Access) -> ASGIApp:
    """The application over `monitor`; endpoints find it as `request.app.state.monitor`."""
    app = Starlette(
        routes=[*pages(), *missing.routes()],
        exception_handlers={HTTPException: refused, Exception: failed},
        max_body_size=MAX_BODY_BYTES,
    )
    app.router.redirect_slashes = False
    app.state.monitor = monitor
    app.state.access = access
    app.state.events = Events(monitor)
    app.state.looks = evidence.Looks()
    served: ASGIApp = SecurityHeaders(LogFailures(app))
    if proxies := monitor.settings.http.trusted_proxies:
        served = ProxyHeadersMiddleware(served, proxies)  # type: ignore[arg-type,assignment]
    return served


def pages() -> list[GuardedRoute]:
    """Every route."""
    return [route for page in PAGES for route in page.routes()]
