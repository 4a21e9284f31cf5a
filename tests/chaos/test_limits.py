"""Nobody reads the log, the daemon is stopped for a while, no file or thread is to be had."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chaos.fighting_daemon import FightingDaemon
from chaos.sizes import STOPPED_S
from servers.daemon import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@contextmanager
def full_device() -> Iterator[int]:
    """A descriptor that takes nothing."""
    full = os.open("/dev/full", os.O_WRONLY)
    yield full
    os.close(full)


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe that nobody reads, and that is full already."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"\n" * 4096):
            pass
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


@contextmanager
def left_pipe() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def watches_and_alarms(daemon: FightingDaemon) -> None:
    """Each part that an alarm passes does its work."""
    daemon.wait_state("gate", "live")
    daemon.fight_once()
    daemon.drill_arrives()
    assert daemon.answers()
    assert daemon.health()["live"]


def first_free(pid: int) -> int:
    """The descriptor that the next open file of process `pid` would have."""
    taken = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return min({*range(len(taken) + 1)} - taken)


@pytest.mark.parametrize("stderr", [full_device, full_pipe, left_pipe])
def test_a_log_that_nobody_takes_stops_no_alarm(
    tmp_path: Path, stderr: Callable[[], Iterator[int]]
) -> None:
    with stderr() as errors, FightingDaemon(tmp_path / "jikimi", errors=errors) as daemon:
        for _ in range(3):
            watches_and_alarms(daemon)
        daemon.stop()


def test_a_daemon_that_was_stopped_for_a_while_goes_on(tmp_path: Path) -> None:
    """As a debugger, a freezing container or a sleeping machine stops it: in mid-incident."""
    with FightingDaemon(tmp_path / "jikimi", cameras=("gate", "yard"), gap_s=5.0) as daemon:
        watches_and_alarms(daemon)
        daemon.fight()
        wait_until(lambda: len(daemon.open_incidents()) == 2, "two fights")
        daemon.signal(signal.SIGSTOP)
        threading.Event().wait(STOPPED_S)
        daemon.signal(signal.SIGCONT)
        daemon.calm()
        wait_until(lambda: not daemon.open_incidents(), "their end")
        watches_and_alarms(daemon)
        wait_until(daemon.settled, "everything to be told")
        assert daemon.ledger().faults() == {}


def test_without_files_to_open_it_goes_on_and_delivers_once_there_are(tmp_path: Path) -> None:
    with FightingDaemon(tmp_path / "jikimi") as daemon:
        watches_and_alarms(daemon)
        assert daemon.process
        pid = daemon.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        sounded = len(daemon.sounded())
        daemon.fight(1.0, 4.0)
        wait_until(daemon.open_incidents, "a fight")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free(pid), hard))
        wait_until(lambda: "sink failed" in daemon.log(), "a sink to miss a file")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_until(lambda: len(daemon.sounded()) > sounded, "the siren")
        daemon.calm()
        wait_until(daemon.settled, "everything to be told", 60)
        watches_and_alarms(daemon)
        assert daemon.ledger().faults() == {}


def test_without_threads_to_start_it_goes_on_and_delivers_once_there_are(tmp_path: Path) -> None:
    with few_threads() as limit, FightingDaemon(tmp_path / "jikimi") as daemon:
        watches_and_alarms(daemon)
        assert daemon.process
        limit(daemon.process.pid, len(list(Path(f"/proc/{daemon.process.pid}/task").iterdir())))
        daemon.fight()
        wait_until(lambda: len(daemon.told("opened")) >= 2, "a fight to be told all the same")
        daemon.calm()
        limit(daemon.process.pid, None)
        wait_until(daemon.settled, "everything to be told", 60)
        watches_and_alarms(daemon)
        assert daemon.ledger().faults() == {}


@contextmanager
def few_threads() -> Iterator[Callable[[int, int | None], None]]:
    """A control group in which a process may have so many threads (None: any number).

    Systemd's TasksMax and Docker's --pids-limit are the same. Skips where none can be made.
    """
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = root / f"jikimi-test-{os.getpid()}"
        try:
            group.mkdir()
            break
        except OSError:
            continue
    else:
        pytest.skip("no control group can be made here")
    if not (group / "pids.max").exists():
        group.rmdir()
        pytest.skip("control groups here do not count threads")

    def limit(pid: int, threads: int | None) -> None:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text("max" if threads is None else str(threads))

    yield limit
    (group / "pids.max").write_text("max")
    wait_until(lambda: not (group / "cgroup.procs").read_text(), "the group to be left")
    group.rmdir()
