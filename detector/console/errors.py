"""What is answered where something is wrong: a page to browsers, a line to programs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog import get_logger

from detector.console.api.problems import problem
from detector.console.rendering import render

KNOWN: Final = "there are /metrics, /livez and /healthz, and for people the page at /"
API: Final = "/api/"

log = get_logger()


async def refused(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException."""
    assert isinstance(error, HTTPException)
    status, detail = error.status_code, error.detail
    if status == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = KNOWN
    return answer(request, status, detail, dict(error.headers or {}))


async def failed(request: Request, _error: Exception) -> Response:
    """The answer where the console itself has failed; the log says why."""
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "the console failed; its log says why")


def answer(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """`detail`, in English, is for programs; people read what there is to say of `status`."""
    if wants_page(request):
        known = status in {400, 403, 404, 413, 429}
        answered: Response = render(
            request, "error.html", status, key=f"error_{status}" if known else "error"
        )
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
