"""What a message that was not taken means: for this one, for its picture, or for all."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

import requests

from alerts.sink import BusyError, TimedOutError, TooLargeError, UnclearError
from alerts.sinks.http.post import Answer
from alerts.sinks.http.retry_after import seconds
from config.errors import DeliveryError

REFUSALS = {
    400: "finds it malformed; where all are refused, check chat, room or topic in the url",
    413: "it is too large",
    414: "it is too long",
    415: "takes no such picture",
    422: "cannot process it",
    431: "it is too long",
}
"""Answers about this one message, or its picture; without one it is refused for good."""

REMEDIES = {
    401: "check user, password or token in the url",
    403: "check what the user or token in the url may do there",
    404: "check chat, room or topic in the url",
    405: "check host and port in the url",
    407: "the proxy wants a user and password",
    410: "the address is gone; get a new url",
    429: "it gets too many messages",
}
"""Answers that the next message would most likely get, too, and what to do."""

UNCLEAR = {408, 425}
"""With 5xx: the service was reached and fails."""

MAIL_TOO_LARGE = 552
MAIL_FOR_GOOD = 500

_MAIL: dict[type[SMTPException], str] = {
    SMTPConnectError: "greets nobody now, or is none; check host and port in the url",
    SMTPHeloError: "greets nobody now, or is none; check host and port in the url",
    SMTPAuthenticationError: "refuses the user; check user and password in the url",
    SMTPSenderRefused: "refuses the sender; check from= in the url",
    SMTPRecipientsRefused: "refuses the address; check to= in the url",
    SMTPNotSupportedError: "knows no login; take user and password out of the url",
}
"""What the next message would meet, too."""


def failure(service: str, outcome: Answer | Exception | None, said: str) -> DeliveryError:
    """The error to raise for `outcome` at `service`; `said`: what Apprise said, without secrets."""
    if isinstance(outcome, Answer):
        return _of_answer(service, outcome, said)
    if isinstance(outcome, SMTPException):
        return _of_mail(service, outcome)
    if isinstance(outcome, OSError):
        return _of_connection(service, outcome)
    if outcome is not None:
        return DeliveryError(f"{service}: fault in Apprise ({type(outcome).__name__})")
    return DeliveryError(f"{service} did not take it{f': {said}' if said else ''}")


def _of_answer(service: str, answer: Answer, said: str) -> DeliveryError:
    status = answer.status
    text = f"{service} answered HTTP {status}"
    if status in REFUSALS:
        return TooLargeError(f"{text}: {REFUSALS[status]}")
    if status < 300:
        return DeliveryError(f"{service} did not take it{f': {said}' if said else ''}")
    if status < 400:
        text += ", a redirect, which is not followed; write where it leads into the url"
    elif status in REMEDIES:
        text += f": {REMEDIES[status]}"
    after_s = seconds(answer.retry_after)
    if after_s is not None:
        return BusyError(text, after_s)
    return (UnclearError if status >= 500 or status in UNCLEAR else DeliveryError)(text)


def _of_mail(service: str, error: SMTPException) -> DeliveryError:
    """By RFC 5321, 4.2: 4yz may pass later, 5yz is for good."""
    code = getattr(error, "smtp_code", 0)
    text = f"{service}: the mail server answered {code}"
    if code == MAIL_TOO_LARGE:
        return TooLargeError(f"{text}: it is too large")
    for kind, what in _MAIL.items():
        if isinstance(error, kind):
            return DeliveryError(f"{service}: the mail server {what}")
    if isinstance(error, SMTPServerDisconnected):
        return UnclearError(f"{service}: the mail server hung up")
    if code >= MAIL_FOR_GOOD:
        return TooLargeError(f"{text}: it refuses the mail")
    return UnclearError(text if code else f"{service}: {type(error).__name__}")


def _of_connection(service: str, error: OSError) -> DeliveryError:
    """Not str(error): it may quote the URL."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(error, requests.ConnectTimeout):
        return DeliveryError(f"{service} cannot be reached: no connection in time")
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return TimedOutError(f"{service} did not answer in time")
    if isinstance(cause, (BrokenPipeError, ConnectionResetError)):  # also RemoteDisconnected
        return UnclearError(f"{service} hung up without an answer")
    return DeliveryError(f"{service} cannot be reached: {_reason(cause)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known; check the url, or the name server"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({error.reason}); check scheme and port in the url"
    if isinstance(error, HTTPException):
        return "it does not answer in HTTP; check scheme and port in the url"
    return getattr(error, "strerror", None) or type(error).__name__
