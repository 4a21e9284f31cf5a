"""Which kind of stream a camera's URL stands for."""

from __future__ import annotations

from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.demo.stream import PatternStream
from detector.capture.device import DeviceStream
from detector.capture.network import AvStream
from detector.capture.streams import Stream


def open_stream(url: StreamUrl, capture: CaptureSettings) -> Stream:
    """Connect to `url`: log in, find the video, be ready to receive.

    Raises UnauthorisedError or StreamError, whose messages never hold a password.
    """
    if url.kind == "pattern":
        return PatternStream(url.url.removeprefix("pattern://"))
    if url.kind == "device":
        return DeviceStream(url)
    return AvStream(url, capture)
