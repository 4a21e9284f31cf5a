"""Files of evidence: stills, clips, scores, for who may see the camera."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import IO
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from config.errors import JikimiError
from detector.console.access.user import Role, User
from detector.console.incidents.kept import GROWING, file_of
from detector.console.monitor import Monitor
from detector.console.routing import GuardedRoute
from detector.evidence.record import Kind

TYPES = {".jpg": "image/jpeg", ".json": "application/json", ".mp4": "video/mp4"}

HEADERS = {"Cache-Control": "private, no-store"}
"""Nothing of it stays in a browser that others use, too."""

CHUNK_BYTES = 1 << 16

MOST_LOOKS = 10_000


def routes() -> list[GuardedRoute]:
    """One route for all files."""
    return [GuardedRoute("/evidence/{incident:uuid}/{name}", evidence, role=Role.VIEWER)]


class Looks:
    """Who has looked at the clip of which incident, since the start: each is audited once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, UUID], None] = OrderedDict()

    def first(self, who: str, incident: UUID) -> bool:
        """Whether this is the first look of `who`."""
        with self._lock:
            known = (who, incident) in self._known
            self._known[who, incident] = None
            if len(self._known) > MOST_LOOKS:
                self._known.popitem(last=False)
            return not known


async def evidence(request: Request) -> Response:
    """One file; parts of it by range requests, but of a clip that grows."""
    state, user = request.app.state, request.scope["user"]
    incident, name = request.path_params["incident"], request.path_params["name"]
    return await run_in_threadpool(_answer, state.monitor, state.looks, user, incident, name)


def stream(file: IO[bytes], media_type: str) -> StreamingResponse:
    """All that is in the open `file` now, and nothing that comes later; closes it."""
    size = os.fstat(file.fileno()).st_size

    def parts() -> Iterator[bytes]:
        left = size
        with file:
            while left and (part := file.read(min(CHUNK_BYTES, left))):
                left -= len(part)
                yield part

    headers = {**HEADERS, "Content-Length": str(size)}
    return StreamingResponse(parts(), headers=headers, media_type=media_type)


def _answer(monitor: Monitor, looks: Looks, user: User, incident: UUID, name: str) -> Response:
    if monitor.evidence is None:
        raise HTTPException(404)
    try:
        record, path, kind = file_of(monitor.evidence, incident, name)
        if not user.sees(record.camera):
            raise HTTPException(404)
        if kind is Kind.CLIP and looks.first(user.name, incident):
            monitor.audit(user.name, "look", str(incident))
        if GROWING.fullmatch(name):
            return stream(path.open("rb"), TYPES[".mp4"])
        type_ = TYPES.get(path.suffix, "application/octet-stream")
        if kind is Kind.CLIP:
            return FileResponse(path, 200, HEADERS, type_, stat_result=path.stat())
        # Read at once: a still may be renewed at any time.
        return Response(path.read_bytes(), 200, HEADERS, type_)
    except (OSError, JikimiError):
        raise HTTPException(404) from None
