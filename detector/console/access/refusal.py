"""Why somebody is not let through."""

from __future__ import annotations

from starlette.exceptions import HTTPException


class RefusedError(HTTPException):
    """`words`: the key of what people are told; `detail` is for programs."""

    def __init__(
        self, status: int, words: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        if status == 401:
            headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
        super().__init__(status, detail, headers)
        self.words = words
