"""What the operator states of a `notify` sink; Apprise is imported only by `problems`."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator

from alerts.sink import Problem
from alerts.sinks.notify.words import Language
from config.settings import Section

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S.*", re.IGNORECASE)


class NotifyOptions(Section):
    """Whom to tell, and how. The URL is a secret: for most services it holds the key."""

    url: SecretStr = Field(description="of one receiver, as Apprise writes it: ntfys://host/topic")
    language: Language = Field(default="en", description="of title and text")
    image: bool = Field(default=True, description="with the picture, where the service takes one")
    timeout_s: float = Field(default=15.0, gt=0, le=60, description="for one whole message")

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        if not _URL.fullmatch(url) or not url.isprintable():
            raise ValueError("is no url; write it as Apprise does, as in ntfys://host/topic")
        return SecretStr(url)

    def problems(self) -> list[Problem]:
        """Whether Apprise knows the service and finds in the URL what that needs."""
        from alerts.sinks.notify.service import Service, UrlError  # noqa: PLC0415 - 3 s of CPU

        try:
            Service(self.url.get_secret_value(), self.timeout_s)
        except UrlError as error:
            return [Problem(("url",), str(error))]
        return []
