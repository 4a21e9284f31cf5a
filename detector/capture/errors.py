"""What libav's error codes mean to an operator; never the URL, which holds the password."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

import av

from config.errors import StreamError, UnauthorisedError
from config.secrets import scrub
from config.urls import StreamUrl

_KNOWN: tuple[tuple[type[Exception], str], ...] = (
    (av.HTTPNotFoundError, "the camera has no such stream (404); check the path"),
    (av.HTTPBadRequestError, "the camera did not understand the request (400); check the path"),
    (av.HTTPServerError, "the camera reports a fault of its own; restart it if this lasts"),
    (av.HTTPError, "the camera refused the request; check path and port"),
    (av.ConnectionRefusedError, "connection refused; check that the camera is on, and the port"),
    (av.ConnectionResetError, "the camera closed the connection"),
    (av.BrokenPipeError, "the camera closed the connection"),
    (av.EOFError, "the camera closed the connection"),
    (av.FileNotFoundError, "no such file; check its path, or write rtsp://… for a camera"),
    (av.IsADirectoryError, "is a folder, not a video"),
    (av.PermissionError, "may not be read; check the permissions"),
    (av.InvalidDataError, "what comes from there is no video; check address, port and path"),
    (av.ProtocolNotFoundError, "this kind of address is not supported"),
    (av.DecoderNotFoundError, "its codec is not supported; set the camera to H.264"),
)


class StalledError(StreamError):
    """Connected, but nothing arrives any more."""


def open_failure(url: StreamUrl, error: Exception, timed_out_s: float | None) -> StreamError:
    """Why `url` could not be opened; `timed_out_s`: the open time-out, if it has passed."""
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return UnauthorisedError(
            f"{url}: user name or password refused; "
            "check them in the camera's own web page, and that the account may view video"
        )
    if timed_out_s is not None or isinstance(error, av.ExitError | av.TimeoutError):
        within = "" if timed_out_s is None else f" within {timed_out_s:g} s"
        return StreamError(f"{url}: no answer{within}; check the address, the cable and firewalls")
    if isinstance(error, av.OSError) and not _resolves(url):
        return StreamError(f"{url}: host name not found; check its spelling and the DNS server")
    return StreamError(f"{url}: {_words(error)}{_rather_rtsp(url)}")


def read_failure(url: StreamUrl, error: Exception, timeout_s: float) -> StreamError:
    """Why reading from `url` ended."""
    if isinstance(error, av.ExitError | av.TimeoutError):
        return stalled(url, timeout_s)
    return StreamError(f"{url}: {_words(error)}")


def stalled(url: StreamUrl, timeout_s: float) -> StalledError:
    """Nothing came for `timeout_s`."""
    return StalledError(f"{url}: nothing received for {timeout_s:g} s")


def _words(error: Exception) -> str:
    for kind, words in _KNOWN:
        if isinstance(error, kind):
            return words
    if isinstance(error, av.OSError) and error.errno == errno.EIO:
        return "no connection came about; check scheme, address and port"
    return scrub(getattr(error, "strerror", None) or type(error).__name__).lower()


def _rather_rtsp(url: StreamUrl) -> str:
    """Advice for an address of a kind that few cameras send video at."""
    if url.url.startswith(("http://", "https://", "rtmp://")):
        return "; most cameras send their video at rtsp://…, port 554"
    return ""


def _resolves(url: StreamUrl) -> bool:
    if url.kind != "network":
        return True
    try:
        socket.getaddrinfo(urlsplit(url.url).hostname, None)
    except (OSError, UnicodeError):
        return False
    return True
