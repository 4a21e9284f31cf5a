"""Alerts by HTTP POST, in one of three forms; any 2xx answer is the acknowledgement.

No redirects: a POST that becomes a GET on the way would be acknowledged and never seen.
"""

from __future__ import annotations

import base64
import time
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from alerts.forms.choice import body
from alerts.message import Alert, AlertPhase
from alerts.sink import (
    BusyError,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.sinks.http.options import WebhookOptions, address, header_text
from alerts.sinks.http.post import (
    Answer,
    HttpPost,
    HttpTimeoutError,
    HungUpError,
    UnreachableError,
)
from alerts.sinks.http.retry_after import seconds
from alerts.sinks.http.signature import PREFIX, signed, signing_key
from config.errors import DeliveryError
from config.secrets import register_secret

TOO_LARGE = 413

REFUSALS = {
    400: "finds the alert malformed",
    406: "cannot answer in a form that Jikimi accepts",
    409: "is in conflict with the alert",
    411: "wants a length, which the alert has: look at the proxies on the way",
    415: "does not take this form of it; check form",
    422: "cannot process the alert",
}
"""Answers about this one alert, and what they mean; see the table in `alerts/README.md`."""

FORBIDDEN = 403
"""Also the answer of a firewall that dislikes one alert, or a picture."""

REMEDIES = {
    401: "check bearer_token, signing_secret and the clock, or user and password in the url",
    FORBIDDEN: "check what the token or user may do there",
    404: "check the path of the url",
    405: "takes no POST there; check the path of the url",
    407: "the proxy wants a user and password",
    410: "the address is gone; get a new url from the receiver",
    429: "it gets too many requests",
}
"""Answers that the next alert would most likely get, too, and what to do."""

MASKED_FROM = 6
"""Characters from which a header counts as a secret: masking every "7" makes logs unreadable."""


class WebhookSink:
    """Posts each alert."""

    Options: ClassVar[type[BaseModel]] = WebhookOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: WebhookOptions) -> None:
        self._options = options
        url = urlsplit(options.url.get_secret_value())
        self._host = url.hostname or ""
        self._post = HttpPost(address(options.url.get_secret_value()))
        self._headers = {key: header_text(value) for key, value in options.headers.items()}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if options.bearer_token:
            self._headers["Authorization"] = f"Bearer {header_text(options.bearer_token)}"
        for secret in (
            options.url.get_secret_value(),
            unquote(url.password or ""),
            self._headers.get("Authorization", "").partition(" ")[2],
            *(value.get_secret_value().strip() for value in options.headers.values()),
            *self._headers.values(),
            *_signing_texts(options),
        ):
            if len(secret) >= MASKED_FROM:
                register_secret(secret)
        self._headers = {"User-Agent": "jikimi", **self._headers}
        signing = options.signing_secret
        self._key = signing_key(signing.get_secret_value()) if signing else None

    def start(self) -> None:
        """Nothing to keep open between alerts."""

    def deliver(self, alert: Alert) -> None:
        """Post it; any 2xx acknowledges."""
        options = self._options
        content, kind = body(alert, options.form, options.sender or "", image=options.image)
        headers = {**self._headers, "Content-Type": kind}
        if self._key:
            headers |= signed(self._key, alert.alert_id, int(time.time()), content)
        try:
            answer = self._post(content, headers, options.timeout_s)
        except HttpTimeoutError as error:
            text = f"{self._host} did not answer within {options.timeout_s:g} s"
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
        after_s = seconds(answer.retry_after)
        if after_s is not None:
            return BusyError(said, after_s)
        is_configuration = status < 400 or (status in REMEDIES and status != FORBIDDEN)
        return (DeliveryError if is_configuration else UnclearError)(said)


def _signing_texts(options: WebhookOptions) -> list[str]:
    """The signing secret as it is written, and without what it begins with."""
    if options.signing_secret is None:
        return []
    text = options.signing_secret.get_secret_value().strip()
    return [text, text.removeprefix(PREFIX)]
