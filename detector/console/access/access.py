"""Who is let through to a page, and what goes with every answer to him."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from detector.console.access.accounts import Accounts
from detector.console.access.forms import csrf_of
from detector.console.access.hosts import is_known_host, is_same_origin
from detector.console.access.links import OneTimeLinks
from detector.console.access.refusal import RefusedError
from detector.console.access.sessions import LONGEST_S, Session, Sessions
from detector.console.access.throttle import Throttle
from detector.console.access.user import Role, User

SAFE: Final = frozenset({"GET", "HEAD"})
BEARER: Final = "bearer "
_VISITOR = re.compile(r"[\w-]{22}", re.ASCII)


class Access:
    """Decides for every route but the public ones; used in the event loop alone."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        links: OneTimeLinks,
        host_names: Callable[[], list[str]],
        port: int,
    ) -> None:
        """`port`: tells the cookies of two daemons on one machine apart, as browsers do not."""
        self.accounts = accounts
        self.sessions = sessions
        self.links = links
        self.throttle = Throttle()
        self._host_names = host_names
        self._port = port

    async def admit(
        self, scope: Scope, receive: Receive, send: Send, role: Role | None
    ) -> tuple[Receive, Send]:
        """Let through who may use a route of `role`; raises RefusedError for anybody else.

        The scope then has `user`, `session` and `csrf`.
        """
        request = Request(scope)
        self._check_host(request)
        by_token = request.headers.get("authorization", "").lower().startswith(BEARER)
        session = None if by_token else self._session(request)
        scope["session"] = session
        scope["user"] = user = self._user(request, session, by_token)
        if not (self.accounts.any or self.accounts.is_local or by_token):
            raise RefusedError(403, "error_closed", "there are no accounts: state http.accounts")
        visitor = session.id if session else self._visitor(request)
        scope["csrf"] = self.sessions.csrf(visitor)
        if role is not None and user is None:
            raise RefusedError(401, "error_401", "log in, or send a token as Authorization: Bearer")
        if role is not None and user is not None and user.role < role:
            raise RefusedError(403, "error_403", f"this needs the role {role.name.lower()}")
        if scope["method"] not in SAFE and not by_token:
            receive = await self._check_csrf(request, scope, receive)

        def is_still_let_in() -> bool:
            now = self._user(request, session, by_token)
            return role is None or (now is not None and now.role >= role)

        return receive, self._sender(request, send, visitor, is_still_let_in)

    def log_in(self, request: Request, answer: Response, session: Session) -> None:
        """Have `answer` set the cookie of `session`, which has just begun."""
        self._set(answer.headers, request, "session", self.sessions.cookie(session), LONGEST_S)

    def log_out(self, request: Request, answer: Response) -> None:
        """Have `answer` take the session's cookie away."""
        self._set(answer.headers, request, "session", "", 0)

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not is_known_host(host, self._host_names()):
            raise RefusedError(
                400, "error_host", "this name is not known; state it in http.host_names"
            )

    def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(self._cookie(request, "session"))
        return self.sessions.read(cookie) if cookie else None

    def _user(self, request: Request, session: Session | None, by_token: bool) -> User | None:
        if by_token:
            token = request.headers["authorization"][len(BEARER) :].strip()
            user = self.accounts.of_token(token)
            if user is None:
                raise RefusedError(401, "error_401", "there is no such token")
            return user
        if session is None or not self.sessions.is_on(session):
            return None
        return self.accounts.of_session(session, self.sessions)

    def _visitor(self, request: Request) -> str:
        known = request.cookies.get(self._cookie(request, "visitor"), "")
        return known if _VISITOR.fullmatch(known) else secrets.token_urlsafe(16)

    async def _check_csrf(self, request: Request, scope: Scope, receive: Receive) -> Receive:
        """A form of ours has sent this; returns what gives its body once more."""
        refusal = RefusedError(403, "error_csrf", "X-CSRF-Token is missing, or of another session")
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise refusal
        origin = request.headers.get("origin")
        host = request.headers.get("host", "")
        if origin is not None and not is_same_origin(origin, host, self._host_names()):
            raise refusal
        given, receive = await csrf_of(request, scope, receive)
        if not secrets.compare_digest(given.encode(), scope["csrf"].encode()):
            raise refusal
        return receive

    def _sender(
        self, request: Request, send: Send, visitor: str, is_still_let_in: Callable[[], bool]
    ) -> Send:
        """Sets cookies, and ends an answer that lasts longer than its session."""

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set_cookies(request, MutableHeaders(scope=message), visitor)
            elif message.get("more_body") and not _holds(is_still_let_in):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise SessionEndedError
            await send(message)

        return sender

    def _set_cookies(self, request: Request, headers: MutableHeaders, visitor: str) -> None:
        session: Session | None = request.scope["session"]
        name = self._cookie(request, "session")
        if any(cookie.startswith(f"{name}=") for cookie in headers.getlist("set-cookie")):
            return
        if session is None and "text/html" in headers.get("content-type", ""):
            if request.cookies.get(self._cookie(request, "visitor")) != visitor:
                self._set(headers, request, "visitor", visitor, None)
        elif session and request.scope["user"] and (new := self.sessions.renewed(session)):
            self._set(headers, request, "session", self.sessions.cookie(new), LONGEST_S)

    def _cookie(self, request: Request, what: str) -> str:
        """`__Host-` has browsers take it from no other host and over TLS alone (RFC 6265bis)."""
        prefix = "__Host-" if request.scope["scheme"] == "https" else ""
        return f"{prefix}jikimi-{what}-{self._port}"

    def _set(
        self, headers: MutableHeaders, request: Request, what: str, value: str, age_s: int | None
    ) -> None:
        """Lax, not strict: who comes by a link in a message is to be logged in."""
        answer = Response()
        answer.set_cookie(
            self._cookie(request, what),
            value,
            max_age=age_s,
            path="/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="lax",
        )
        headers.append("set-cookie", answer.headers["set-cookie"])


class SessionEndedError(Exception):
    """The session has ended while something was still being sent to it."""


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except RefusedError:
        return False
