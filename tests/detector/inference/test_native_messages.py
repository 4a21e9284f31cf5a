"""What native code writes to standard error stands in the log, and nowhere else."""

from __future__ import annotations

import os

import pytest
from structlog.testing import capture_logs

from detector.inference.native_messages import native_messages_logged


def write(text: str) -> None:
    os.write(2, text.encode())


def test_errors_and_warnings_are_logged_and_notices_left_out(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with capture_logs() as logs:
        with native_messages_logged():
            write("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
            write("ERROR: Node 7 failed to prepare\nW0000 no GPU\n")
        write("afterwards\n")
    assert [(entry["log_level"], entry["text"]) for entry in logs] == [
        ("error", "ERROR: Node 7 failed to prepare"),
        ("warning", "W0000 no GPU"),
    ]
    assert capfd.readouterr().err == "afterwards\n"


def test_what_was_said_before_a_failure_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        with native_messages_logged():
            write("ERROR: no such operator\n")
            raise ValueError("not loaded")

    with capture_logs() as logs, pytest.raises(ValueError, match="not loaded"):
        load()
    assert [entry["text"] for entry in logs] == ["ERROR: no such operator"]
    assert capfd.readouterr().err == ""
