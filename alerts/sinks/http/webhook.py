"""Alerts as HTTP POST of their JSON; any 2xx answer is the acknowledgement.

No redirects: a POST that becomes a GET on the way would be acknowledged and never seen.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from alerts.message import Alert, AlertPhase
from alerts.schema import alert_json
from alerts.sink import (
    BusyError,
    Problem,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.sinks.http.post import (
    Answer,
    HttpPost,
    HttpTimeoutError,
    HungUpError,
    UnreachableError,
)
from config.errors import DeliveryError
from config.secrets import register_secret
from config.settings import Section

TOO_LARGE = 413

REFUSALS = {
    400: "finds the alert malformed",
    406: "cannot answer in a form that Jikimi accepts",
    409: "is in conflict with the alert",
    411: "wants a length, which the alert has: look at the proxies on the way",
    415: "takes no JSON",
    422: "cannot process the alert",
}
"""Answers about this one alert, and what they mean; see the table in `alerts/README.md`."""

FORBIDDEN = 403
"""Also the answer of a firewall that dislikes one alert, or a picture."""

REMEDIES = {
    401: "check bearer_token, or user and password in the url",
    FORBIDDEN: "check what the token or user may do there",
    404: "check the path of the url",
    405: "takes no POST there; check the path of the url",
    407: "the proxy wants a user and password",
    410: "the address is gone; get a new url from the receiver",
    429: "it gets too many requests",
}
"""Answers that the next alert would most likely get, too, and what to do."""

_JSON = {"Content-Type": "application/json"}

MASKED_FROM = 6
"""Characters from which a header counts as a secret: masking every "7" makes logs unreadable."""

KEPT_IN_URL = "%/:@!$&'()*+,;=?~-._[]"
"""Everything else in a path or query is percent-encoded (RFC 3986, 2.2 and 2.3)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What may be a header's name (RFC 9110, 5.6.2)."""


class WebhookOptions(Section):
    """Where to post, and as whom. The URL is a secret: many receivers put their key into it."""

    url: SecretStr
    headers: dict[str, SecretStr] = Field(default={}, description="sent with each alert")
    bearer_token: SecretStr | None = None
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
            if not _is_one_line(secret):
                raise ValueError(f"{name}: {_CONTROL}")
        return value

    @field_validator("bearer_token")
    @classmethod
    def _is_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_one_line(value):
            raise ValueError(_CONTROL)
        return value

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
    """Whether it can be sent in a header; a line break at its end is left out, see `_header`."""
    text = value.get_secret_value().strip()
    return not any(
        unicodedata.category(letter) in {"Cc", "Cs"} and letter != "\t" for letter in text
    )


def _header(value: SecretStr) -> str:
    """As http.client takes it, which encodes Latin-1: UTF-8 goes over the line (RFC 9110, 5.5).

    Without spaces and line breaks at its ends, as files of secrets have them.
    """
    return value.get_secret_value().strip().encode().decode("latin-1")


def _host_name(host: str) -> str:
    """As the name server knows it; raises UnicodeError (a ValueError) where it is no name."""
    return host.encode("idna").decode() if host else ""


class WebhookSink:
    """Posts each alert."""

    Options: ClassVar[type[BaseModel]] = WebhookOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: WebhookOptions) -> None:
        self._options = options
        url = urlsplit(options.url.get_secret_value())
        self._host = url.hostname or ""
        self._post = HttpPost(_ascii(options.url.get_secret_value()))
        self._headers = {key: _header(value) for key, value in options.headers.items()}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if options.bearer_token:
            self._headers["Authorization"] = f"Bearer {_header(options.bearer_token)}"
        for secret in (
            options.url.get_secret_value(),
            unquote(url.password or ""),
            self._headers.get("Authorization", "").partition(" ")[2],
            *(value.get_secret_value().strip() for value in options.headers.values()),
            *self._headers.values(),
        ):
            if len(secret) >= MASKED_FROM:
                register_secret(secret)
        self._headers = {"User-Agent": "jikimi", **self._headers, **_JSON}

    def start(self) -> None:
        """Nothing to keep open between alerts."""

    def deliver(self, alert: Alert) -> None:
        """Post it; any 2xx acknowledges."""
        body = alert_json(alert, image=self._options.image)
        try:
            answer = self._post(body, self._headers, self._options.timeout_s)
        except HttpTimeoutError as error:
            text = f"{self._host} did not answer within {self._options.timeout_s:g} s"
            raise (TimedOutError if error.connected else DeliveryError)(text) from None
        except HungUpError as error:
            raise UnclearError(f"{self._host} {error}") from None
        except UnreachableError as error:
            raise DeliveryError(f"{self._host} cannot be reached: {error}") from None
        if not 200 <= answer.status < 300:
            raise self._error(answer)

    def close(self) -> None:
        """Nothing is open."""

    def _error(self, answer: Answer) -> DeliveryError:
        """What an answer that acknowledges nothing means, sorted."""
        status = answer.status
        said = f"{self._host} answered HTTP {status}"
        if status == TOO_LARGE:
            return TooLargeError(f"{said}: the alert is too large")
        if status in REFUSALS:
            return RefusedError(f"{said}: {REFUSALS[status]}")
        if 300 <= status < 400:
            said += ", a redirect, which is not followed; write where it leads into the url"
        elif status in REMEDIES:
            said += f": {REMEDIES[status]}"
        after_s = _seconds(answer.retry_after)
        if after_s is not None:
            return BusyError(said, after_s)
        is_configuration = status < 400 or (status in REMEDIES and status != FORBIDDEN)
        return (DeliveryError if is_configuration else UnclearError)(said)


def _ascii(url: str) -> str:
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


def _seconds(retry_after: str | None) -> float | None:
    """How long `Retry-After` asks to wait: it holds seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
