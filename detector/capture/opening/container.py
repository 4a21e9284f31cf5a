"""A camera's stream or a file, opened by libav: what was tried, and what is said where it fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from config.errors import StreamError, UnauthorisedError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.decoder import LIMITED, MAX_PIXELS, is_decodable
from detector.capture.errors import (
    CODEC,
    CODEC_OF_FILE,
    in_circles,
    is_file,
    open_failure,
    refused_by_status,
    refused_login,
    too_large,
    unsupported_login,
    wrong_transport,
)
from detector.capture.opening.challenge import Challenge
from detector.capture.opening.relay import UNAUTHORISED, LoginRelay, offered, redirected

FAILURES = (av.FFmpegError, OSError, ValueError)
"""What opening raises; the last for an address that libav cannot take."""

PROTOCOL_NOT_SUPPORTED = errno.EPROTONOSUPPORT
"""libav's word for RTSP's status 461."""

ASK_S = 0.5
"""A camera that redirects answers within milliseconds; one that is gone must not cost more."""

NO_VIDEO = "sends no video; check which stream the path names"

MOST_REDIRECTS = 5

_circling: set[str] = set()
"""Cameras (redacted) that sent libav round in circles, which it follows until its time is up:
18,000 requests in 10 s. They are asked first whether they still do."""


def open_container(url: StreamUrl, capture: CaptureSettings) -> InputContainer:
    """`url`, opened; raises UnauthorisedError or StreamError, which say why not.

    Where libav cannot log in, a relay does. libav stays silent, for PyAV drops its log by default.
    Leave it so: libav logs whole URLs, and PyAV's bridge into Python's logging is known to
    dead-lock (PyAV issues 751, 2276).
    """
    if str(url) in _circling and (circles := _circles(url)):
        raise circles
    began_s = time.monotonic()
    try:
        return _opened(url.url, _options(url, capture), capture)
    except FAILURES as error:
        # libav reports a camera that never answered as one that sent rubbish
        late = time.monotonic() - began_s >= capture.open_timeout_s
        failure = open_failure(url, error, capture.open_timeout_s if late else None)
        asked_login = isinstance(error, av.HTTPUnauthorizedError)
        refused = isinstance(error, av.HTTPOtherClientError)
        if is_rtsp(url) and getattr(error, "errno", 0) == PROTOCOL_NOT_SUPPORTED:
            failure = wrong_transport(url, capture.transport)
    # From here on outside the handler: PyAV's own error holds the URL.
    if is_rtsp(url) and (asked_login or refused):
        return _by_relay(url, capture, failure)
    if is_rtsp(url) and late:
        raise _circles(url) or failure
    if asked_login and _is_http(url):
        raise _unsupported(url, offered(url, capture.open_timeout_s)) or failure
    raise failure


def video_of(name: StreamUrl | Path, container: InputContainer) -> VideoStream:
    """The video of what was opened as `name`; raises StreamError where none can be decoded."""
    if not container.streams.video:
        raise StreamError(f"{name}: {'holds no video' if is_file(name) else NO_VIDEO}")
    video = container.streams.video[0]
    if not is_decodable(video):
        raise StreamError(f"{name}: {CODEC_OF_FILE if is_file(name) else CODEC}")
    if video.width * video.height > MAX_PIXELS:
        raise too_large(name, video.width, video.height)
    return video


def is_rtsp(url: StreamUrl) -> bool:
    """Whether it is fetched by RTSP."""
    return url.url.lower().startswith(("rtsp://", "rtsps://"))


def _is_http(url: StreamUrl) -> bool:
    return url.url.lower().startswith(("http://", "https://"))


def _opened(address: str, options: dict[str, str], capture: CaptureSettings) -> InputContainer:
    return av.open(
        address,
        options=options,
        timeout=(capture.open_timeout_s, capture.read_timeout_s),
        metadata_errors="ignore",  # a title in another encoding must not refuse the pictures
    )


def _options(url: StreamUrl, capture: CaptureSettings) -> dict[str, str]:
    options = dict(LIMITED)
    if is_rtsp(url):
        # No other option (buffer_size, reorder_queue_size, max_delay) makes receiving cheaper.
        options["rtsp_transport"] = capture.transport
        options["allowed_media_types"] = "video"
        # Otherwise libav watches 25 pictures to find the frame rate, which is not needed: opening
        # takes 0.33 s instead of 1.13 s. `nobuffer` would throw the probed pictures away.
        options["fpsprobesize"] = "0"
    elif _is_http(url):
        options["http_proxy"] = ""  # no camera is behind the proxy that the environment names
    return options


def _by_relay(url: StreamUrl, capture: CaptureSettings, failure: StreamError) -> InputContainer:
    """`url` by way of a relay, where that may be the remedy; else raises what the camera says."""
    relay = _relay(url, capture.open_timeout_s)
    if relay is None:
        raise failure
    asked_login = isinstance(failure, UnauthorisedError)
    if asked_login and all(one.known_to_libav for one in relay.offered):
        relay.close()
        raise failure  # libav has tried the very same
    if not relay.can_answer:
        relay.close()
        raise _unsupported(url, relay.offered) or failure
    try:
        return _opened(relay.url, _options(url, capture) | {"rtsp_transport": "tcp"}, capture)
    except FAILURES as error:
        relay.close()
        failure = open_failure(url, error, None)
        if relay.status == UNAUTHORISED and relay.answered:
            failure = refused_login(url, relay.answered.name)
        elif isinstance(error, av.HTTPOtherClientError | av.HTTPServerError):
            failure = refused_by_status(url, relay.status) or failure
        elif getattr(error, "errno", 0) == PROTOCOL_NOT_SUPPORTED:
            failure = wrong_transport(url, "tcp")
    raise failure


def _circles(url: StreamUrl) -> StreamError | None:
    """What is wrong, where the camera sends whoever asks on and on."""
    target: StreamUrl | None = url
    for _ in range(MOST_REDIRECTS):
        target = redirected(target, ASK_S) if target else None
    if target is None:
        _circling.discard(str(url))
        return None
    _circling.add(str(url))
    return in_circles(url)


def _relay(url: StreamUrl, timeout_s: float) -> LoginRelay | None:
    try:
        return LoginRelay(url, timeout_s)
    except (OSError, ValueError):
        return None


def _unsupported(url: StreamUrl, asked_for: Sequence[Challenge]) -> StreamError | None:
    names = [one.name for one in asked_for if not one.known_to_libav]
    return unsupported_login(url, names) if names else None
