"""What libav's error codes mean to an operator; never the URL, which holds the password."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import av

from config.errors import StreamError, UnauthorisedError
from config.secrets import scrub
from config.urls import StreamUrl

REFUSED = (
    "user name or password refused; "
    "check them in the camera's own web page, and that the account may view video"
)
FORBIDDEN = (
    "the camera forbids it (403); check that the account may view video, and that the camera "
    "lets in the address of this machine"
)
CODEC = "its codec is not supported; set the camera to H.264"
CODEC_OF_FILE = "its codec is not supported; convert it to H.264"
TOO_MANY = "the camera has too many viewers (453); close others, or restart the camera"

_KNOWN: tuple[tuple[type[Exception], str], ...] = (
    (av.HTTPNotFoundError, "the camera has no such stream (404); check the path"),
    (av.HTTPBadRequestError, "the camera did not understand the request (400); check the path"),
    (av.HTTPServerError, "the camera reports a fault of its own; restart it if this lasts"),
    (av.HTTPTooManyRequestsError, "the camera is asked too often (429); close other viewers"),
    (
        av.HTTPOtherClientError,
        "the camera refused the request; check path and port, and whether others view it",
    ),
    (av.ConnectionRefusedError, "connection refused; check that the camera is on, and the port"),
    (av.ConnectionResetError, "the camera closed the connection"),
    (av.BrokenPipeError, "the camera closed the connection"),
    (av.EOFError, "the camera closed the connection"),
    (av.FileNotFoundError, "no such file; check its path"),
    (av.IsADirectoryError, "is a folder, not a video"),
    (av.PermissionError, "may not be read; check the permissions"),
    (av.InvalidDataError, "what comes from there is no video; check address, port and path"),
    (av.ProtocolNotFoundError, "this kind of address is not supported"),
    (av.DecoderNotFoundError, CODEC),
    (av.PatchWelcomeError, CODEC),
)

_OF_FILES: tuple[tuple[type[Exception], str], ...] = (
    (av.EOFError, "holds no video: it is empty or cut off at its beginning"),
    (av.InvalidDataError, "holds no video, or only part of one"),
    (av.DecoderNotFoundError, CODEC_OF_FILE),
    (av.PatchWelcomeError, CODEC_OF_FILE),
)

_STATUSES = {
    453: TOO_MANY,
    454: "the camera lost the connection's session (454); restart it if this lasts",
    455: "the camera cannot play this stream now (455); restart it if this lasts",
    503: "the camera is overloaded (503); close other viewers, or restart it",
    551: "the camera lacks what is asked for (551); update its firmware",
}


class StalledError(StreamError):
    """Connected, but nothing arrives any more."""


def open_failure(url: StreamUrl, error: Exception, timed_out_s: float | None) -> StreamError:
    """Why `url` could not be opened; `timed_out_s`: the open time-out, if it has passed."""
    if isinstance(error, av.HTTPUnauthorizedError):
        return UnauthorisedError(f"{url}: {REFUSED}{_by_proxy(url)}")
    if isinstance(error, av.HTTPForbiddenError):
        return UnauthorisedError(f"{url}: {FORBIDDEN}{_by_proxy(url)}")
    if timed_out_s is not None or isinstance(error, av.ExitError | av.TimeoutError):
        within = "" if timed_out_s is None else f" within {timed_out_s:g} s"
        check = "check the address, the cable and firewalls"
        return StreamError(f"{url}: no answer{within}; {check}{_by_proxy(url)}")
    if isinstance(error, av.OSError) and not _resolves(url):
        return StreamError(f"{url}: host name not found; check its spelling and the DNS server")
    return StreamError(f"{url}: {words(url, error)}{_rather_rtsp(url, error)}{_by_proxy(url)}")


def read_failure(url: StreamUrl, error: Exception, timeout_s: float) -> StreamError:
    """Why reading from `url` ended."""
    if isinstance(error, av.ExitError | av.TimeoutError):
        return stalled(url, timeout_s)
    return StreamError(f"{url}: {words(url, error)}")


def stalled(url: StreamUrl, timeout_s: float) -> StalledError:
    """Nothing came for `timeout_s`."""
    return StalledError(f"{url}: nothing received for {timeout_s:g} s")


def too_large(name: StreamUrl | Path, width: int, height: int) -> StreamError:
    """The pictures of `name` have more pixels than the decoder takes."""
    remedy = "make them smaller" if is_file(name) else "use the camera's sub-stream"
    return StreamError(
        f"{name}: its pictures of {width}x{height} are larger than 40 megapixels, which are not "
        f"decoded; {remedy}"
    )


def refused_by_status(url: StreamUrl, status: int) -> StreamError | None:
    """What an RTSP status means that libav has no word for; None: no more than libav says."""
    if said := _STATUSES.get(status):
        return StreamError(f"{url}: {said}")
    if status in range(400, 500):
        return StreamError(
            f"{url}: the camera refused the request ({status}); check path and port, and whether "
            "others view it"
        )
    return None


def in_circles(url: StreamUrl) -> StreamError:
    """Every answer is a redirection (status 3xx)."""
    return StreamError(
        f"{url}: the camera sends every request on to another address, in a circle; check the "
        "path, and what the camera redirects to"
    )


def wrong_transport(url: StreamUrl, transport: str) -> StreamError:
    """Status 461."""
    other = "udp" if transport == "tcp" else "tcp"
    return StreamError(
        f"{url}: the camera does not send by {transport} (461); set transport: {other}"
    )


def unsupported_login(url: StreamUrl, asked_for: Sequence[str]) -> UnauthorisedError:
    """The camera asks for log-ins of these kinds only."""
    return UnauthorisedError(
        f"{url}: the camera asks for a log-in by {' or '.join(asked_for)}, which is not supported; "
        "set its authentication to MD5 digest"
    )


def refused_login(url: StreamUrl, kind: str) -> UnauthorisedError:
    """The camera refused a log-in of this kind, which libav does not know."""
    return UnauthorisedError(
        f"{url}: the camera refused the log-in by {kind}; check user name and password, or set "
        "its authentication to MD5 digest"
    )


def is_file(name: StreamUrl | Path) -> bool:
    """Whether `name` is a file, played as a camera or not, and no camera."""
    return isinstance(name, Path) or name.kind == "file"


def words(name: StreamUrl | Path, error: Exception) -> str:
    """What `error` means for what was read as `name`."""
    of_file = is_file(name)
    for kind, text in (*(_OF_FILES if of_file else ()), *_KNOWN):
        if isinstance(error, kind):
            return text
    if isinstance(error, av.OSError) and error.errno == errno.EIO:
        if of_file:
            return "cannot be read; check the disk or the network folder it lies on"
        circle = ", or it leads in a circle" if _is_http(name) else ""
        return f"no connection came about{circle}; check scheme, address, port and path"
    return scrub(getattr(error, "strerror", None) or type(error).__name__).lower()


def _is_http(name: StreamUrl | Path) -> bool:
    return not isinstance(name, Path) and name.url.startswith(("http://", "https://"))


def _rather_rtsp(url: StreamUrl, error: Exception) -> str:
    """Advice for an address of a kind that few cameras send video at."""
    if url.kind == "file":
        return ", or write rtsp://… for a camera" if isinstance(error, FileNotFoundError) else ""
    if url.url.startswith(("http://", "https://", "rtmp://")):
        return "; most cameras send their video at rtsp://…, port 554"
    return ""


def _by_proxy(url: StreamUrl) -> str:
    """Advice for the one kind of address that libav takes through a proxy, whatever is set."""
    if url.url.startswith("rtsps://") and os.environ.get("http_proxy"):
        return (
            "; rtsps:// goes through the proxy that http_proxy names: write the camera's address "
            "into no_proxy"
        )
    return ""


def _resolves(url: StreamUrl) -> bool:
    if url.kind != "network":
        return True
    try:
        socket.getaddrinfo(urlsplit(url.url).hostname, None)
    except (OSError, UnicodeError):
        return False
    return True
