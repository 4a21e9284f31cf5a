"""The CSRF token that comes with a form or a script's request."""

from __future__ import annotations

from functools import partial

from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

HEADER = "x-csrf-token"
FIELD = "csrf"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def csrf_of(request: Request, scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """What was given, "" for nothing; and what gives the body, once more where it was read."""
    if in_header := request.headers.get(HEADER):
        return in_header, receive
    if not request.headers.get("content-type", "").startswith(FORMS):
        return "", receive
    body = await Request(scope, receive).body()
    again = partial(_given_again, body, receive)
    try:
        async with Request(scope, again()).form() as form:
            given = form.get(FIELD)
    except MultiPartException:
        given = None
    return given if isinstance(given, str) else "", again()


def _given_again(body: bytes, then: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await then()

    return receive
