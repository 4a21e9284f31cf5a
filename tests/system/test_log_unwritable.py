"""Standard error full, closed, gone or read by nobody: alarms get through, and the end comes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from servers.daemon import COMMAND, DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DRILLS = 3
STOPS_WITHIN_S = 5

CONFIG = """
cameras: {{gate: "pattern://calm"}}
log: {{format: {format}}}
sinks: {{police: {{type: mqtt, host: 127.0.0.1, port: {port}, protocol: "{protocol}"}}}}
"""


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[Path]:
    """A full pipe that is open and that nobody reads."""
    path = tmp_path / "unread"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    yield path
    os.close(pipe)


@pytest.mark.parametrize(
    ("outputs", "said", "log_format"),
    [
        (">/dev/full 2>/dev/full", "log lines cannot be written ([Errno 28] No space", "json"),
        (">/dev/full 2>/dev/full", "log lines cannot be written ([Errno 28] No space", "console"),
        (">&- 2>&-", "log lines cannot be written (standard file is closed", "console"),
        ("<&- >{unread} 2>{unread}", "log has made no progress for", "console"),
        ("> >(exit) 2> >(exit)", "log lines cannot be written ([Errno 32] Broken pipe", "json"),
    ],
    ids=["full", "full for people", "closed", "unread", "broken"],
)
def test_a_log_that_cannot_be_written_costs_no_alarm(
    tmp_path: Path, broker: MqttBroker, unread: Path, outputs: str, said: str, log_format: str
) -> None:
    command = ("bash", "-c", f'exec "$0" "$@" {outputs.format(unread=unread)}', *COMMAND)
    config = CONFIG.format(format=log_format, port=broker.port, protocol=PROTOCOL)
    environment = {"JIKIMI_LOG__FORMAT": log_format}
    with (
        Subscriber(broker) as station,
        DaemonProcess(
            tmp_path / "jikimi", config, environment=environment, command=command
        ) as daemon,
    ):
        daemon.wait_state("gate", "live")
        for _ in range(DRILLS):
            assert daemon.jikimi("drill").returncode == 0
        assert len(station.wait_for_incidents(2 * DRILLS)) == 2 * DRILLS
        wait_until(
            lambda: any(reason.startswith(said) for reason in daemon.health()["reasons"]),
            f"/healthz to say: {said}",
        )
        assert daemon.metric("jikimi_thread_restarts_total") == 0
        daemon.stop(STOPS_WITHIN_S)
