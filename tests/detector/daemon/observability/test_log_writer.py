"""Whoever logs neither waits for who reads nor fails with him, and what is lost is told."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from config.settings import LogSettings
from detector.daemon.observability.log_writer import MAX_LINES, LogWriter
from detector.daemon.observability.logs import configure_logging
from servers.daemon import wait_until

DEADLINE_S = 10.0

Log = Callable[..., LogWriter]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def log_some(count: int, name: str = "seen") -> None:
    for number in range(count):
        structlog.get_logger().warning(name, number=number)


class Pipe:
    """A pipe that nobody reads until asked."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self.inside = os.fdopen(write, "w")
        self._outside = os.fdopen(read, "rb", buffering=0)
        self._reader: threading.Thread | None = None

    def fill(self) -> None:
        """Until a write would wait."""
        os.set_blocking(self.inside.fileno(), False)
        with suppress(BlockingIOError):
            while os.write(self.inside.fileno(), b"\n"):
                pass
        os.set_blocking(self.inside.fileno(), True)

    def read_on(self) -> list[bytes]:
        """Begin to read, for good; what has come is in the list."""
        found: list[bytes] = []

        def read() -> None:
            while data := self._outside.read(65536):
                found.append(data)

        self._reader = threading.Thread(target=read)
        self._reader.start()
        return found

    def forsake(self) -> None:
        """Nobody will ever read."""
        if self._reader is None:
            self._outside.close()

    def close(self) -> None:
        """Close both ends; nobody writes any more."""
        self.inside.close()
        if self._reader:
            self._reader.join()
        self._outside.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    yield one
    one.close()


@pytest.fixture
def log_to(own_logging: None, pipe: Pipe) -> Iterator[Log]:
    """Logging in JSON, as the daemon's, to any file."""
    made: list[LogWriter] = []

    def begin(file: TextIO | None, output: TextIO | None = None) -> LogWriter:
        made.append(LogWriter(file, output))
        made[-1].start()
        configure_logging(LogSettings(format="json"), made[-1])
        return made[-1]

    yield begin
    pipe.forsake()
    for writer in made:
        writer.close(0)
        writer.thread.join(DEADLINE_S)


def test_lines_come_out_in_order_and_the_last_before_the_end(log_to: Log, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        log_some(500)
        writer.close(DEADLINE_S)
    assert [event["number"] for event in events(path.read_text())] == list(range(500))


def test_what_is_lost_is_told_once_somebody_reads_again(log_to: Log, tmp_path: Path) -> None:
    """As where journald has gone and comes back."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with path.open("w") as file:
        writer = log_to(file)
        os.close(reader)
        log_some(3, "lost")
        logging.getLogger("paho").error("lost")
        wait_until(lambda: writer.dropped == 4, "four lines to be dropped")
        assert writer.trouble() == "log lines cannot be written ([Errno 32] Broken pipe)"
        reader = os.open(path, os.O_RDONLY)
        log_some(1)
        text = ""
        while "written" not in text:
            text += os.read(reader, 65536).decode()
        assert writer.trouble() is None
        writer.close(DEADLINE_S)
    os.close(reader)
    seen, told = events(text)
    assert seen["event"] == "seen"
    assert (told["event"], told["since_start"]) == ("log lines could not be written", 4)


def test_a_full_disk_costs_lines_only(log_to: Log) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        writer = log_to(full)
        log_some(2)
        wait_until(lambda: writer.dropped == 2, "two lines to be dropped")
        assert "No space left" in str(writer.trouble())


def test_lines_keep_their_way_while_standard_error_is_borrowed(log_to: Log, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file, (tmp_path / "other").open("w") as other:
        writer = log_to(file)
        os.dup2(other.fileno(), file.fileno())
        log_some(1)
        writer.close(DEADLINE_S)
    assert len(events(path.read_text())) == 1


def test_a_pipe_that_nobody_reads_holds_nobody_up(log_to: Log, pipe: Pipe) -> None:
    pipe.fill()
    writer = log_to(pipe.inside)
    log_some(MAX_LINES + 100)
    assert 90 <= writer.dropped <= 100  # one may be with the writer
    dropped = writer.dropped
    found = pipe.read_on()
    wait_until(lambda: b"could not be written" in b"".join(found), "it to be told")
    lines = [line for line in b"".join(found).decode().splitlines() if line.startswith("{")]
    *seen, told = [json.loads(line) for line in lines]
    assert [event["number"] for event in seen] == list(range(MAX_LINES + 100 - dropped))
    assert told["since_start"] == dropped
    assert seen[0]["timestamp"] < told["timestamp"]


def test_a_pipe_made_non_blocking_by_others_gets_every_line(log_to: Log, pipe: Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.inside.fileno(), False)
    writer = log_to(pipe.inside)
    log_some(50)
    found = pipe.read_on()
    writer.close(DEADLINE_S)
    wait_until(lambda: b"".join(found).count(b"seen") == 50, "every line")
    assert writer.dropped == 0


def test_a_pipe_whose_reader_is_gone_costs_lines_only(log_to: Log, pipe: Pipe) -> None:
    pipe.forsake()
    writer = log_to(pipe.inside)
    log_some(5)
    wait_until(lambda: writer.dropped == 5, "five lines to be dropped")


def test_a_closed_file_costs_lines_only(log_to: Log) -> None:
    writer = log_to(None, None)
    log_some(2)
    writer.say("Configuration: none")
    wait_until(lambda: writer.dropped == 3, "three lines to be dropped")


def test_the_end_does_not_wait_for_who_does_not_read(log_to: Log, pipe: Pipe) -> None:
    pipe.fill()
    writer = log_to(pipe.inside)
    log_some(1)
    writer.close(0.1)
    assert writer.thread.is_alive()


class Unspeakable:
    """Something that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "values", [{"what": Unspeakable()}, {"what": {b"key": 1}}, {"what": {Unspeakable(): 1}}]
)
def test_an_event_that_cannot_be_shown_is_named(
    log_to: Log, tmp_path: Path, values: dict[str, Any]
) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        structlog.get_logger().error("gone", **values)
        log_some(1)
        writer.close(DEADLINE_S)
    named, seen = events(path.read_text())
    assert (named["event"], named["of"], named["level"]) == (
        "log event cannot be shown",
        "gone",
        "error",
    )
    assert seen["event"] == "seen"


def test_a_record_that_cannot_be_shown_is_counted(
    log_to: Log, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        logging.getLogger("paho").error("%d", "no number")
        writer.close(DEADLINE_S)
    assert writer.dropped == 1
    assert capfd.readouterr().err == ""


def test_letters_that_have_no_code_are_written_escaped(log_to: Log, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        structlog.get_logger().error("정문", reason="\udcff")
        writer.close(DEADLINE_S)
    [event] = events(path.read_text())
    assert (event["event"], event["reason"]) == ("정문", "\udcff")


def test_an_error_in_a_finaliser_goes_by_the_log(log_to: Log, tmp_path: Path) -> None:
    class Last:
        def __del__(self) -> None:
            raise OSError("not even closing works")

    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        one = Last()
        del one
        writer.close(DEADLINE_S)
    assert "not even closing works" in path.read_text()


def test_logging_from_every_thread_at_once_loses_nothing(log_to: Log, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer = log_to(file)
        threads = [threading.Thread(target=log_some, args=(50,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.close(DEADLINE_S)
    assert len(events(path.read_text())) == 400
    assert sys.unraisablehook is not sys.__unraisablehook__
