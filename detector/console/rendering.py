"""Pages from templates: HTML escaped by itself, in the language of whoever asks."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from detector.console.words import LANGUAGES, Language, text
from detector.console.words.reasons import said

LANGUAGE_COOKIE = "language"

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: Request) -> Language:
    """What was chosen, else the first of Accept-Language that there is, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    asked = request.headers.get("accept-language", "")
    for wanted in [chosen, *(part.strip()[:2].lower() for part in asked.split(","))]:
        if wanted in LANGUAGES:
            return wanted
    return "en"


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page; templates see `t` (words), `said` (reasons), `user` (None: nobody), …, `values`."""
    language = language_of(request)
    body = _pages.get_template(template).render(
        t=partial(_text, language),
        said=partial(said, language=language),
        lang=language,
        user=request.scope.get("user"),
        csrf=request.scope.get("csrf", ""),
        path=request.url.path,
        here=here(request),
        in_cluster=request.app.state.monitor.in_cluster,
        local=local,
        clock=clock,
        span=span,
        **values,
    )
    return HTMLResponse(body, status)


def here(request: Request) -> str:
    """Path and query of what was asked for."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def local(at: datetime) -> str:
    """A point in time in the box's local time, as `2026-11-27 21:43:05`."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def clock(at: datetime) -> str:
    """As `local`, without the date where that is today's."""
    here = at.astimezone()
    today = here.date() == datetime.now().astimezone().date()
    return f"{here:%H:%M:%S}" if today else f"{here:%Y-%m-%d %H:%M:%S}"


def span(duration: timedelta) -> str:
    """A duration as `0:03:12`; never negative, though a clock was set back."""
    seconds = max(0, round(duration.total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _text(language: Language, key: str, **values: object) -> str:
    return text(key, language, **values)
