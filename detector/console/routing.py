"""Routes, each with the role that it asks for: who adds one has to say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from detector.console.access.access import Access, SessionEndedError
from detector.console.access.user import Role

Endpoint = Callable[[Request], Awaitable[Response]]


class GuardedRoute(Route):
    """A route that knows who may use it; `role` None: everybody, without logging in.

    `public`: for programs and the page to log in. It is answered whatever the name under which it
    is asked for, and knows of no session.
    """

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        role: Role | None,
        methods: tuple[str, ...] = ("GET",),
        public: bool = False,
        **more: Any,
    ) -> None:
        assert role is None or not public
        super().__init__(path, endpoint, methods=list(methods), **more)
        self.role = role
        self.public = public

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer who may ask; raises HTTPException for anybody else.

        The scope then has `user` (a `User`; None: not logged in), `session` and `csrf`.
        """
        methods = self.methods or set()
        if scope["method"] not in methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        if self.public:
            await self.app(scope, receive, send)
            return
        access: Access = scope["app"].state.access
        receive, send = await access.admit(scope, receive, send, self.role)
        try:
            await self.app(scope, receive, send)
        except* SessionEndedError:
            pass
