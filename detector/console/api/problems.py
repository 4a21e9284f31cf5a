"""What went wrong, as RFC 9457 has it: `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """`title`: of the status; `detail`: what it was, and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""


def problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The answer."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return Response(body.model_dump_json(), status, headers, PROBLEM)


def in_words(error: ValidationError) -> str:
    """Every mistake, by its place."""
    found = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in one["loc"])
        found.append(f"{where}: {one['msg']}" if where else one["msg"])
    return "; ".join(found)
