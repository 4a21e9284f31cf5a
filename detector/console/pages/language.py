"""English or Korean."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from detector.console.redirecting import local_path
from detector.console.rendering import LANGUAGE_COOKIE
from detector.console.routing import GuardedRoute
from detector.console.words import LANGUAGES

YEAR_S = 365 * 24 * 3600


def routes() -> list[GuardedRoute]:
    """One, also for who is not logged in."""
    return [GuardedRoute("/language", language, role=None, methods=("POST",))]


async def language(request: Request) -> Response:
    """Keep what was chosen, in a cookie, and go back."""
    async with request.form() as form:
        chosen, back = form.get("language"), form.get("next")
    answer = RedirectResponse(local_path(back), 303)
    if chosen in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            str(chosen),
            max_age=YEAR_S,
            httponly=True,
            samesite="lax",
            secure=request.scope["scheme"] == "https",
        )
    return answer
