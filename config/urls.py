"""Camera URLs as technicians type them, raw passwords included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

Kind = Literal["network", "file", "device", "pattern"]


@dataclass(frozen=True, slots=True, repr=False)
class StreamUrl:
    """Where a camera's pictures come from.

    `url` holds the password, percent-encoded as libav wants it: hand it to the decoder and
    to nothing else. `redacted` is what people and logs may see; it is also `str()` and `repr()`.
    """

    url: str
    redacted: str
    kind: Kind

    def __str__(self) -> str:
        return self.redacted

    __repr__ = __str__

    @classmethod
    def parse(cls, text: str) -> StreamUrl:
        """Parse `text`; raises ValueError in the operator's words, without the password."""
        return cls(text, text, "network")  # placeholder

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.to_string_ser_schema(),
        )
