"""The operations as routes: reads what is asked, checks it, answers in JSON."""

from __future__ import annotations

from uuid import UUID

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from config.errors import ControlError
from detector.console.access.user import Role
from detector.console.api.models import Asked
from detector.console.api.openapi import description
from detector.console.api.operations import OPERATIONS, Call, Operation
from detector.console.api.problems import in_words, problem
from detector.console.routing import Endpoint, GuardedRoute

MOST_BYTES = 1 << 16
"""Of a body."""


def routes() -> list[GuardedRoute]:
    """All operations, and their description."""
    return [
        GuardedRoute("/api/openapi.json", openapi, role=Role.VIEWER),
        *(
            GuardedRoute(one.path, _endpoint(one), role=one.role, methods=(one.method,))
            for one in OPERATIONS
        ),
    ]


async def openapi(_request: Request) -> Response:
    """The description."""
    return JSONResponse(description())


def _endpoint(operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            if operation.method == "GET":
                asked = _of_query(operation.asked, request)
            else:
                asked = operation.asked.model_validate_json(await _body(request))
        except ValidationError as error:
            return problem(422, in_words(error))
        call = Call(request.app.state.monitor, request.scope["user"], asked, _incident(request))
        try:
            found = await run_in_threadpool(operation.run, call)
        except ControlError as error:
            return problem(409, str(error))
        return Response(found.model_dump_json(), media_type="application/json")

    return endpoint


def _of_query(asked: type[Asked], request: Request) -> Asked:
    """Raises ValidationError; a value that is given twice is none."""
    query = request.query_params
    return asked.model_validate(
        {key: values[0] if len(values := query.getlist(key)) == 1 else values for key in query}
    )


def _incident(request: Request) -> UUID | None:
    text = request.path_params.get("incident")
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise HTTPException(404, f"{text!r} is no incident's id") from None


async def _body(request: Request) -> bytes:
    """What was sent; nothing stands for an empty object."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a body has at most {MOST_BYTES} bytes")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise HTTPException(415, "send application/json")
    return body or b"{}"
