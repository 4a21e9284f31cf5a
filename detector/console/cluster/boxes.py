"""The page *Boxes*: which box of the cluster watches what, and whether one may die."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from detector.console.access.user import Role
from detector.console.cluster.seeing import seen
from detector.console.pages.seeing import lasting
from detector.console.rendering import language_of, render
from detector.console.routing import GuardedRoute


def routes() -> list[GuardedRoute]:
    """The page, and what its script asks for every few seconds."""
    return [
        GuardedRoute("/boxes", boxes, role=Role.VIEWER),
        GuardedRoute("/boxes/list", boxes_list, role=Role.VIEWER),
    ]


async def boxes(request: Request) -> Response:
    """The page; there is none where the daemon is in no cluster."""
    return await run_in_threadpool(_rendered, request, "boxes.html")


async def boxes_list(request: Request) -> Response:
    """All that changes on it."""
    return await run_in_threadpool(_rendered, request, "boxes_list.html")


def _rendered(request: Request, template: str) -> Response:
    monitor = request.app.state.monitor
    if not monitor.in_cluster:
        raise HTTPException(404)
    cluster = seen(monitor, request.scope["user"])
    now = datetime.now(UTC)
    then = cluster.told_at if cluster and cluster.cut_off else now
    by_reason = groupby(cluster.unwatched if cluster else (), lambda camera: camera.reason)
    return render(
        request,
        template,
        cluster=cluster,
        unwatched=[(reason, [one.name for one in cameras]) for reason, cameras in by_reason],
        lasting=partial(lasting, language_of(request), now),
        lasting_then=partial(lasting, language_of(request), then),
    )
