"""A password never reaches the log, whichever way it comes."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from config.secrets import MASK, register_secret
from config.settings import LogSettings
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.observability.logs import configure_logging

SECRET = 'p@ss/w:rd"#€%20'
URL = f"rtsp://viewer:{SECRET}@192.0.2.1/stream1"
FORMS = (SECRET, json.dumps(SECRET)[1:-1], "p%40ss", "w:rd")

DEADLINE_S = 10.0

Read = Callable[[], str]


def give_up() -> None:
    """Fail as PyAV does, with the URL in the message, and once more on the way up."""
    try:
        open_camera()
    except OSError as error:
        raise RuntimeError("giving up") from error


def open_camera() -> None:
    raise OSError(f"cannot open {URL}")


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, own_logging: None) -> Iterator[io.StringIO]:
    """What would be standard error."""
    buffer = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", buffer)
        yield buffer


@pytest.fixture
def writer(stderr: io.StringIO) -> Iterator[LogWriter]:
    """What writes the log, as in the daemon; `close` waits until all is written."""
    one = LogWriter(stderr, None)
    one.start()
    yield one
    one.close(0)


@pytest.fixture(params=["json", "console"])
def read(request: pytest.FixtureRequest, stderr: io.StringIO, writer: LogWriter) -> Read:
    """Logging as configured for the daemon; gives what has been written."""
    register_secret(SECRET)
    configure_logging(LogSettings(format=request.param, level="debug"), writer)

    def written() -> str:
        writer.close(DEADLINE_S)
        text = stderr.getvalue()
        if request.param == "json":
            assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
        return text

    return written


def assert_hidden(text: str) -> None:
    for form in FORMS:
        assert form not in text
    assert MASK in text


class Camera:
    """Something whose repr gives the secret away."""

    def __repr__(self) -> str:
        return f"Camera({URL!r})"


@pytest.mark.parametrize(
    "value",
    [
        URL,
        {"camera": {"urls": [URL, 5, None]}},
        [("gate", URL)],
        {URL},
        URL.encode(),
        Camera(),
        ValueError(URL),
        {"list": [Camera()]},
    ],
    ids=["text", "nested", "tuple", "set", "bytes", "object", "exception", "object in list"],
)
def test_no_value_holds_it(read: Read, value: Any) -> None:
    structlog.get_logger().bind(bound=value).info("opened", value=value)
    assert_hidden(read())


def test_no_event_text_holds_it(read: Read) -> None:
    structlog.get_logger().info("opening %s", URL)
    assert_hidden(read())


def test_no_context_holds_it(read: Read) -> None:
    with structlog.contextvars.bound_contextvars(url=URL):
        structlog.get_logger().info("opened")
    assert_hidden(read())


def test_no_traceback_holds_it(read: Read) -> None:
    try:
        give_up()
    except RuntimeError:
        structlog.get_logger().exception("camera failed", camera="gate")
    text = read()
    assert_hidden(text)
    assert "giving up" in text
    assert "cannot open" in text


def test_no_record_of_another_library_holds_it(read: Read) -> None:
    log = logging.getLogger("paho.mqtt.client")
    log.warning("connecting to %s", URL, extra={"url": URL}, stack_info=True)
    try:
        open_camera()
    except OSError:
        log.exception("could not connect")
    assert_hidden(read())


def test_no_dying_thread_gives_it_away(read: Read) -> None:
    thread = threading.Thread(target=give_up, name="camera-gate")
    thread.start()
    thread.join()
    text = read()
    assert_hidden(text)
    assert "camera-gate" in text


def test_events_stay_readable(read: Read) -> None:
    structlog.get_logger().info("incident", camera="정문", peak=0.93, exercise=True, reason=None)
    text = read()
    assert "incident" in text
    assert "정문" in text
    assert "0.93" in text


def test_events_below_the_level_stay_out(
    stderr: io.StringIO, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logging(LogSettings(format="json", level="warning"), writer)
    structlog.get_logger().info("connected")
    logging.getLogger("other").info("connected")
    structlog.get_logger().warning("lost")
    writer.close(DEADLINE_S)
    events = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert [(event["level"], event["event"]) for event in events] == [("warning", "lost")]
    assert events[0]["timestamp"].endswith("Z")


def test_a_warning_of_a_library_is_json_and_without_the_secret(
    stderr: io.StringIO, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_secret(SECRET)
    monkeypatch.setattr(sys, "stderr", stderr)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging(LogSettings(format="json"), writer)
        warnings.warn(f"{URL} is an old way to write it", stacklevel=1)
    writer.close(DEADLINE_S)
    [event] = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert event["level"] == "warning"
    assert_hidden(stderr.getvalue())
