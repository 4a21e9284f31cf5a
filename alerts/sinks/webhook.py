"""Alerts as HTTP POST of their JSON; any 2xx answer is the acknowledgement.

No redirects: a POST that becomes a GET on the way would be acknowledged and never seen.
"""

from __future__ import annotations

import base64
from http.client import HTTPException
from typing import Any, ClassVar
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import BaseModel, Field, SecretStr, field_validator

from alerts.message import Alert, AlertPhase
from alerts.schema import alert_json
from alerts.sink import RejectedError
from config.errors import DeliveryError
from config.secrets import register_secret
from config.settings import Section

TOO_LARGE = 413

REJECTIONS = frozenset({400, 409, TOO_LARGE, 422})
"""Answers about this one alert; any other failure will meet the next alert, too."""

_JSON = {"Content-Type": "application/json"}

MASKED_FROM = 6
"""Characters from which a header counts as a secret: masking every "7" makes logs unreadable."""


class WebhookOptions(Section):
    """Where to post, and as whom. The URL is a secret: many receivers put their key into it."""

    url: SecretStr
    headers: dict[str, SecretStr] = Field(default={}, description="sent with each alert")
    bearer_token: SecretStr | None = None
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="for each step of the request")
    image: bool = Field(default=True, description="with the picture")

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write the url as https://host/path")
        return value


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class WebhookSink:
    """Posts each alert."""

    Options: ClassVar[type[BaseModel]] = WebhookOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: WebhookOptions) -> None:
        self._options = options
        url = urlsplit(options.url.get_secret_value())
        self._host = url.hostname or ""
        self._url = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
        self._headers = {key: value.get_secret_value() for key, value in options.headers.items()}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if options.bearer_token:
            token = options.bearer_token.get_secret_value()
            self._headers["Authorization"] = f"Bearer {token}"
        for secret in (
            options.url.get_secret_value(),
            unquote(url.password or ""),
            self._headers.get("Authorization", "").partition(" ")[2],
            *self._headers.values(),
        ):
            if len(secret) >= MASKED_FROM:
                register_secret(secret)
        self._headers = {"User-Agent": "jikimi", **self._headers, **_JSON}
        self._opener = build_opener(_NoRedirect)

    def start(self) -> None:
        """Nothing to keep open between alerts."""

    def deliver(self, alert: Alert) -> None:
        """Post it; a receiver that finds it too large gets it again without its picture."""
        image = self._options.image and alert.image is not None
        status = self._post(alert_json(alert, image=image))
        if status == TOO_LARGE and image:
            status = self._post(alert_json(alert, image=False))
        if status in REJECTIONS:
            raise RejectedError(f"{self._host} refused the alert with HTTP {status}")
        if not 200 <= status < 300:
            raise DeliveryError(f"{self._host} answered HTTP {status}")

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, body: bytes) -> int:
        """The status of the answer; raises DeliveryError where there is none."""
        request = Request(self._url, body, self._headers, method="POST")  # noqa: S310 - http(s) only, see Options
        try:
            with self._opener.open(request, timeout=self._options.timeout_s) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code
        except (URLError, OSError, HTTPException) as error:
            # Not str(error): it may quote the request.
            reason = getattr(error, "reason", error)
            what = getattr(reason, "strerror", None) or type(reason).__name__
            raise DeliveryError(f"{self._host} cannot be reached: {what}") from None
