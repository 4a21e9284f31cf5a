"""What is answered where something is wrong: a page to browsers, a line to programs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog import get_logger

from detector.console.access.access import SAFE
from detector.console.access.refusal import RefusedError
from detector.console.api.problems import problem
from detector.console.rendering import here, render
from detector.console.words import WORDS

KNOWN: Final = "there are /metrics, /livez and /healthz, and for people the page at /"
API: Final = "/api/"

log = get_logger()


async def refused(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException."""
    assert isinstance(error, HTTPException)
    status, detail = error.status_code, error.detail
    headers = dict(error.headers or {})
    if status == HTTPStatus.UNAUTHORIZED and wants_page(request) and request.method in SAFE:
        back = urlencode({"next": here(request)})
        return RedirectResponse(f"/login?{back}", HTTPStatus.SEE_OTHER)
    if isinstance(error, RefusedError):
        return answer(request, status, error.words, detail, headers)
    if status == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = KNOWN
    words = f"error_{status}" if f"error_{status}" in WORDS else "error_400"
    return answer(request, status, words, detail, headers)


async def failed(request: Request, _error: Exception) -> Response:
    """The answer where the console itself has failed; the log says why."""
    detail = "the console failed; its log says why"
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "error", detail)


def answer(
    request: Request,
    status: int,
    words: str,
    detail: str,
    headers: dict[str, str] | None = None,
) -> Response:
    """`words`: the key of what people are told; `detail` is for programs."""
    if wants_page(request):
        answered: Response = render(request, "error.html", status, key=words)
    elif request.url.path.startswith(API):
        answered = problem(status, detail)
    else:
        answered = PlainTextResponse(f"{detail}\n", status)
    answered.headers.update(headers or {})
    return answered


def wants_page(request: Request) -> bool:
    """Whether a browser shows to somebody what is answered."""
    return "text/html" in request.headers.get("accept", "")


class LogFailures:
    """Outermost: what nobody expected becomes one event of the log, without what was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await self._app(scope, receive, send)
        except Exception:  # it has been answered: see `failed`
            log.exception("http request failed", path=scope["path"])
