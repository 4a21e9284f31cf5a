"""What the configuration says of a webhook, and what of it goes over the line."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from alerts.forms.cap import SENDER
from alerts.forms.choice import Form
from alerts.sink import Problem
from alerts.sinks.http.signature import signing_key
from config.settings import Section

KEPT_IN_URL = "%/:@!$&'()*+,;=?~-._[]"
"""Everything else in a path or query is percent-encoded (RFC 3986, 2.2 and 2.3)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What may be a header's name (RFC 9110, 5.6.2)."""


OWN = frozenset({"connection", "content-length", "transfer-encoding"})
"""Headers that say how a message is carried: wrong ones would leave no alert readable."""


class WebhookOptions(Section):
    """Where to post, and as whom. The URL is a secret: many receivers put their key into it."""

    url: SecretStr
    headers: dict[str, SecretStr] = Field(default={}, description="sent with each alert")
    bearer_token: SecretStr | None = None
    signing_secret: SecretStr | None = Field(
        default=None, description="signs each alert by Standard Webhooks: whsec_ and base64"
    )
    form: Form = Field(default="jikimi", description="of the message: jikimi, cloudevents or cap")
    sender: str | None = Field(
        default=None,
        description="cap: who sends it, unique in the world, such as jikimi@city.example",
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="for the whole request")
    image: bool = Field(default=True, description="with the picture")

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname, parts.port  # a port that is none raises
            _host_name(host or "")
        except ValueError:
            raise ValueError(f"has no good host or port; {_WRITE_URL}") from None
        if parts.scheme not in {"http", "https"} or not host:
            raise ValueError(_WRITE_URL)
        if not url.isprintable():  # which urlsplit would leave out
            raise ValueError(f"holds a line break or another control character; {_WRITE_URL}")
        return SecretStr(url)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no header's name; use letters, digits and -")
            if name.lower() in OWN:
                raise ValueError(f"{name!r} is set by each request itself; take it out")
            if not _is_one_line(secret):
                raise ValueError(f"{name}: {_CONTROL}")
        return value

    @field_validator("bearer_token")
    @classmethod
    def _is_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_one_line(value):
            raise ValueError(_CONTROL)
        return value

    @field_validator("signing_secret")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing_key(value.get_secret_value())
        return value

    @field_validator("sender")
    @classmethod
    def _is_sender(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(SENDER, value):
            raise ValueError("holds a space, a comma, < or &, which CAP does not allow there")
        return value

    @model_validator(mode="after")
    def _sender_with_cap(self) -> WebhookOptions:
        if self.form == "cap" and self.sender is None:
            raise ValueError("form: cap needs a sender beside it, such as jikimi@city.example")
        if self.form != "cap" and self.sender is not None:
            raise ValueError("sender needs form: cap beside it")
        return self

    def problems(self) -> list[Problem]:
        """Headers that are sent, but that not every receiver can read."""
        values: dict[tuple[str, ...], SecretStr] = {
            ("headers", name): value for name, value in self.headers.items()
        }
        if self.bearer_token is not None:
            values[("bearer_token",)] = self.bearer_token
        return [
            Problem(key, _BEYOND_ASCII, "warning")
            for key, value in values.items()
            if not value.get_secret_value().isascii()
        ]


_WRITE_URL = "write the url as https://host/path"
_CONTROL = "holds a line break or another control character; take it out"
_BEYOND_ASCII = (
    "holds letters beyond ASCII, which go as UTF-8 and which not every receiver reads; "
    "where yours does not, percent-encode them"
)


def _is_one_line(value: SecretStr) -> bool:
    """Whether a header can hold it; a line break at its end is left out, see `header_text`."""
    text = value.get_secret_value().strip()
    return not any(
        unicodedata.category(letter) in {"Cc", "Cs"} and letter != "\t" for letter in text
    )


def header_text(value: SecretStr) -> str:
    """As http.client takes it, which encodes Latin-1: UTF-8 goes over the line (RFC 9110, 5.5).

    Without spaces and line breaks at its ends, as files of secrets have them.
    """
    return value.get_secret_value().strip().encode().decode("latin-1")


def _host_name(host: str) -> str:
    """As the name server knows it; raises UnicodeError (a ValueError) where it is no name."""
    return host.encode("idna").decode() if host else ""


def address(url: str) -> str:
    """`url` without user and password, as it goes over the line: host IDNA, the rest encoded."""
    parts = urlsplit(url)
    host = _host_name(parts.hostname or "")
    host = f"[{host}]" if ":" in host else host
    return urlunsplit(
        parts._replace(
            netloc=host if parts.port is None else f"{host}:{parts.port}",
            path=quote(parts.path, KEPT_IN_URL),
            query=quote(parts.query, KEPT_IN_URL),
            fragment="",
        )
    )
