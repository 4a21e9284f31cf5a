"""/metrics, /livez and /healthz, for programs that watch the daemon."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from detector.console.routing import GuardedRoute


def routes() -> list[GuardedRoute]:
    """These three, open to everybody who reaches the port."""
    return [
        GuardedRoute("/metrics", metrics, role=None, public=True),
        GuardedRoute("/livez", livez, role=None, public=True),
        GuardedRoute("/healthz", healthz, role=None, public=True),
    ]


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    body = await run_in_threadpool(request.app.state.monitor.metrics)
    return Response(body, media_type=CONTENT_TYPE_LATEST)


async def livez(request: Request) -> Response:
    """In the event loop, which waits for nothing: no thread need be had."""
    alive, threads = request.app.state.monitor.liveness()
    lines = ["ok" if alive else "stuck", *threads, ""]
    return PlainTextResponse("\n".join(lines), 200 if alive else 503)


async def healthz(request: Request) -> Response:
    """As `jikimi status` has it."""
    found = await run_in_threadpool(request.app.state.monitor.health)
    return JSONResponse(found, 200 if found["live"] else 503)
