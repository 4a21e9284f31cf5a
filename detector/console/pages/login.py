"""Log in, by password or one-time link, and log out."""

from __future__ import annotations

import asyncio
import math
from unicodedata import normalize

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from detector.console.access.access import Access
from detector.console.access.accounts import LOCAL_ADMIN
from detector.console.access.refusal import RefusedError
from detector.console.access.user import Role
from detector.console.redirecting import local_path
from detector.console.rendering import render
from detector.console.routing import GuardedRoute

LONGEST_NAME = 64
NOBODY = "unknown"
"""Whom the audit names where there is no such account: people type passwords there by mistake."""

_hashing = CapacityLimiter(1)
"""A hash takes 64 MiB and a tenth of a second of a core that detection needs."""


def routes() -> list[GuardedRoute]:
    """To get in and out."""
    return [
        GuardedRoute("/login", form, role=None),
        GuardedRoute("/login", log_in, role=None, methods=("POST",)),
        GuardedRoute("/logout", log_out, role=Role.VIEWER, methods=("POST",)),
    ]


async def form(request: Request) -> Response:
    """Name and password; with `?link=…`, no form but a session, once."""
    access: Access = request.app.state.access
    link = request.query_params.get("link")
    if link is not None:
        return await _by_link(request, access, link)
    back = local_path(request.query_params.get("next"))
    if request.scope["user"]:
        return RedirectResponse(back, 303)
    problem = "login_link_over" if "over" in request.query_params else ""
    return _form(request, 200, problem, back)


async def log_in(request: Request) -> Response:
    """Begin a session for who knows the password; the answer says nothing of who has an account."""
    access: Access = request.app.state.access
    async with request.form() as fields:
        name, password = (str(fields.get(key, "")) for key in ("name", "password"))
        back = local_path(fields.get("next"))
    name = normalize("NFC", name.strip())[:LONGEST_NAME]
    address = request.client.host if request.client else ""
    if wait_s := access.throttle.wait_s(address):
        seconds = {"Retry-After": str(math.ceil(wait_s))}
        raise RefusedError(429, "error_429", "too many attempts; wait", seconds)
    access.throttle.attempt(name, address)
    await asyncio.sleep(access.throttle.delay_s(name))
    hashed = await run_sync(access.accounts.password_of, name, password, limiter=_hashing)
    if hashed is None:
        who = name if access.accounts.has(name) else NOBODY
        await _audit(request, who, "login failed")
        return _form(request, 403, "login_wrong", back)
    access.throttle.succeeded(name, address)
    await _audit(request, name, "login")
    return await _begin(request, access, name, hashed, back)


async def log_out(request: Request) -> Response:
    """End the session, wherever its cookie has got to."""
    access: Access = request.app.state.access
    if request.scope["session"]:
        await run_in_threadpool(access.sessions.end, request.scope["session"])
    await _audit(request, request.scope["user"].name, "logout")
    answer = RedirectResponse("/login", 303)
    access.log_out(request, answer)
    return answer


async def _by_link(request: Request, access: Access, link: str) -> Response:
    """By GET, for it is opened from a terminal; a HEAD, as of a preview, uses nothing up."""
    if request.method == "HEAD":
        return Response()
    if not access.accounts.takes_links or not access.links.take(link):
        return RedirectResponse("/login?over", 303)
    await _audit(request, LOCAL_ADMIN, "login")
    return await _begin(request, access, "", "", "/")


async def _begin(request: Request, access: Access, name: str, hashed: str, back: str) -> Response:
    if before := request.scope["session"]:
        await run_in_threadpool(access.sessions.end, before)
    answer = RedirectResponse(back, 303)
    access.log_in(request, answer, access.sessions.begin(name, hashed))
    return answer


async def _audit(request: Request, who: str, action: str) -> None:
    address = request.client.host if request.client else ""
    await run_in_threadpool(request.app.state.monitor.audit, who, action, address)


def _form(request: Request, status: int, problem: str, back: str) -> Response:
    has_accounts = request.app.state.access.accounts.any
    return render(
        request, "login.html", status, problem=problem, back=back, has_accounts=has_accounts
    )
