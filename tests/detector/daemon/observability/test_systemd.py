"""What systemd hears, on a real socket of each kind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from detector.daemon.observability.systemd import notify, watchdog_interval_s

DEADLINE_S = 10.0


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_hears_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@jikimi-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(DEADLINE_S)
        manager.bind("\0" + address[1:] if abstract else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        for state in ("READY=1", "WATCHDOG=1"):
            notify(state)
            assert manager.recv(100) == state.encode()


@pytest.mark.parametrize("address", [None, "", "{folder}/gone", "{folder}/" + "x" * 200])
def test_without_a_service_manager_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address.format(folder=tmp_path))
    notify("READY=1")


def test_a_sign_of_life_is_due_at_half_the_watchdogs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert watchdog_interval_s() == 15
    monkeypatch.delenv("WATCHDOG_USEC")
    assert watchdog_interval_s() is None


@pytest.mark.timeout(30)
def test_a_service_manager_that_does_not_listen_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full socket would block for ever, and the watchdog then kill a healthy daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setattr("detector.daemon.observability.systemd.TIMEOUT_S", 0.01)
        queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
        for _ in range(queue + 10):
            notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"
