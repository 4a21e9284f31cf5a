"""Routes, each with the role that it asks for: who adds one has to say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from detector.console.access.user import Role

Endpoint = Callable[[Request], Awaitable[Response]]


class GuardedRoute(Route):
    """A route that knows who may use it; `role` None: everybody, without logging in."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        role: Role | None,
        methods: tuple[str, ...] = ("GET",),
        **more: Any,
    ) -> None:
        super().__init__(path, endpoint, methods=list(methods), **more)
        self.role = role
