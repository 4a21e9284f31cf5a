"""The service that a URL names: Apprise, kept to one message to one receiver and to nothing else.

Importing this imports Apprise and its 150 services: 3 s of CPU and 40 MB.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory
from apprise.plugins import url_to_dict

from alerts.sink import TimedOutError
from alerts.sinks.notify.attempt import Attempt, DeadlineError, listen
from alerts.sinks.notify.failures import failure
from alerts.sinks.notify.text import Text, Urgency
from config.errors import DeliveryError
from config.secrets import MASK, scrub

LIST = "https://appriseit.com/services/"

MASKED_FROM = 4
"""Parts of the URL from so many characters on are masked in what Apprise says."""


class UrlError(ValueError):
    """A URL that Apprise cannot use; the text shows nothing of it."""


_STATED: dict[Urgency, dict[str, Any]] = {
    Urgency.HIGH: {"priority": "high"},
    Urgency.NORMAL: {},
    Urgency.QUIET: {"priority": "moderate", "silent": True},  # Pushover's `low` does not show
}
"""Arguments of a service; those that it has, unless the URL states them."""

CLICK = "click"
"""The argument of services, ntfy among them, that open a page where people tap on a message."""

_KIND = {
    Urgency.HIGH: NotifyType.FAILURE,
    Urgency.NORMAL: NotifyType.WARNING,
    Urgency.QUIET: NotifyType.INFO,
}
"""Colour, where the service has one."""


class Service:
    """One receiver, one message at a time. Raises UrlError where Apprise cannot use `url`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        listen()
        self._url = url
        self._timeout_s = timeout_s
        self._attempt: Attempt | None = None
        # No icon of a third party's, no key pair made, no file kept, no redirect followed.
        asset = AppriseAsset(
            app_id="Jikimi",
            app_desc="Jikimi",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            image_path_mask=False,
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
            storage_mode="memory",
            allow_templates=False,
            service_timeout=0,  # the thread of `Attempt` has the deadline
        )
        stated: dict[str, Any] | None = url_to_dict(url)  # type: ignore[no-untyped-call]
        base = None if stated is None else _plugin(stated, asset)
        if stated is None or base is None:
            raise UrlError(f"names no service that Apprise knows, or lacks a part; see {LIST}")
        if len(base) > 1:
            text = f"names {len(base)} receivers, and where one fails all would get it again"
            raise UrlError(f"{text}; give each a sink of its own")
        self.name = str(base.service_name)
        self.takes_pictures = bool(base.attachment_support)
        self._stated = stated
        self._asset = asset
        self._base = base
        self._free = base.template_args.keys() - stated.get("qsd", {}).keys()
        self._senders = {urgency: self._sender(arguments) for urgency, arguments in _STATED.items()}

    def send(self, text: Text, picture: bytes | None, urgency: Urgency) -> None:
        """Return once the service has taken it; raises one of the errors of `alerts.sink`."""
        if self._attempt is not None and self._attempt.is_alive():
            raise DeliveryError(f"{self.name}: the message before has not come to an end")
        sender = self._senders[urgency]
        # Apprise encodes what it hands to ntfy, a second time what is encoded.
        if text.click and CLICK in self._free and "%" not in text.click:
            sender = self._sender(_STATED[urgency] | {CLICK: text.click})
        attach = None
        if picture is not None:
            attach = AttachMemory(  # type: ignore[no-untyped-call]
                picture, name="picture.jpg", mimetype="image/jpeg"
            )
        self._attempt = Attempt(
            lambda: bool(
                sender.notify(
                    body=text.body,
                    title=text.title,
                    notify_type=_KIND[urgency],
                    body_format=NotifyFormat.TEXT,
                    attach=attach,
                )
            )
        )
        try:
            taken = self._attempt.taken(self._timeout_s)
        except DeadlineError as error:
            late = f"{self.name} did not take it within {self._timeout_s:g} s"
            raise (TimedOutError if error.connected else DeliveryError)(late) from None
        if not taken:
            raise failure(self.name, self._attempt.outcome, self._masked(self._attempt.said))

    def _sender(self, arguments: dict[str, Any]) -> Apprise:
        """With those of `arguments` that the service has and the URL leaves free."""
        changes = {key: value for key, value in arguments.items() if key in self._free}
        plugin = _plugin(self._stated | changes, self._asset) or self._base
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self._timeout_s
        sender = Apprise(asset=self._asset)
        sender.add(plugin)
        return sender

    def _masked(self, said: str) -> str:
        """Without anything of the URL that may be a key."""
        url = urlsplit(self._url)
        parts = [*url.path.split("/"), *url.query.replace("=", "&").split("&"), url.netloc]
        parts += [url.username or "", url.password or "", url.hostname or "", self._url]
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= MASKED_FROM:
                said = said.replace(part, MASK).replace(unquote(part), MASK)
        return scrub(said)


def _plugin(stated: dict[str, Any], asset: AppriseAsset) -> Any:
    """As `stated`, but for what the worker does itself; None where Apprise cannot use it."""
    plugin: Any = Apprise.instantiate(dict(stated), asset=asset)
    if plugin is not None:
        plugin.request_rate_per_sec = 0  # it would sleep
        plugin.retry = 0
        plugin.optional = False  # else a failure is told as success
    return plugin
