"""The machine's limits: no more threads, no more descriptors, the process stopped for a while."""

from __future__ import annotations

import json
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from detector.console.connections import MAX_CONNECTIONS
from servers import no_threads
from servers.daemon import COMMAND, DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

STOPPED_S = 20.0
"""Longer than any thread may stand still."""

OWN_MEMORY = ["rw-p", "00000000", "00:00", "0"]


def livez(daemon: DaemonProcess) -> str:
    with urlopen(f"http://127.0.0.1:{daemon.port}/livez", timeout=10) as answer:
        return str(answer.read().decode())


def scored(daemon: DaemonProcess, camera: str) -> float:
    return daemon.metric("jikimi_samples_scored_total", camera=camera)


def goes_on(daemon: DaemonProcess, camera: str) -> None:
    before = scored(daemon, camera)
    wait_until(lambda: scored(daemon, camera) > before + 8, f"{camera} to be scored")


def test_a_camera_whose_thread_cannot_be_started_is_named_and_tried_again(tmp_path: Path) -> None:
    full = tmp_path / "full"
    config = "cameras:\n  gate: 'pattern://calm'\n"
    command = (sys.executable, no_threads.__file__, str(full))
    with DaemonProcess(tmp_path / "jikimi", config, command=command) as daemon:
        daemon.wait_state("gate", "live")
        full.touch()
        daemon.config_path.write_text(config + "  yard: 'pattern://calm'\n")
        daemon.signal(signal.SIGHUP)
        said = "capture-yard cannot be started (can't start new thread)"
        wait_until(lambda: said in livez(daemon), "/livez to name the camera")
        assert said in daemon.health()["reasons"]
        assert daemon.metric("jikimi_thread_stuck", thread="capture-yard") == 1
        assert daemon.metric("jikimi_thread_stuck") == 1
        goes_on(daemon, "gate")
        full.unlink()
        daemon.wait_state("yard", "live")
        goes_on(daemon, "yard")
        wait_until(lambda: livez(daemon) == "ok\n", "/livez to be content")
        daemon.stop()


def heaps(pid: int) -> int:
    """Of glibc's arenas but the first: memory of no file that begins at a multiple of 64 MiB."""
    maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    begins = [int(line[0].split("-")[0], 16) for line in maps if line[1:] == OWN_MEMORY]
    return sum(begin % 2**26 == 0 for begin in begins)


def test_what_threads_have_freed_is_shared_by_all_of_them(tmp_path: Path) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than glibc")
    cameras = "".join(f"  c{n}: 'pattern://calm'\n" for n in range(4))
    with DaemonProcess(tmp_path / "jikimi", f"cameras:\n{cameras}") as daemon:
        assert daemon.process
        for n in range(4):
            goes_on(daemon, f"c{n}")
        # 16 where each thread has an arena; one large mapping in 32 begins like one by chance.
        assert heaps(daemon.process.pid) < 8
        daemon.stop()


def test_a_thousand_idle_clients_take_neither_threads_nor_descriptors(tmp_path: Path) -> None:
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("needs prlimit (util-linux)")
    command = (prlimit, f"--nofile={MAX_CONNECTIONS + 60}", *COMMAND)
    cameras = {"gate": "pattern://calm"}
    with DaemonProcess(tmp_path / "jikimi", cameras=cameras, command=command) as daemon:
        daemon.wait_state("gate", "live")
        with ExitStack() as clients:
            for _ in range(1000):
                clients.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 10))
            assert livez(daemon) == "ok\n"
            assert daemon.process
            threads = list(Path(f"/proc/{daemon.process.pid}/task").iterdir())
            assert len(threads) < MAX_CONNECTIONS + 40
            goes_on(daemon, "gate")
        daemon.stop()


def test_without_descriptors_it_answers_or_ends(tmp_path: Path) -> None:
    """So few are left that most of the clients it would hold are too many."""
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("needs prlimit (util-linux)")
    cameras = {"gate": "pattern://calm"}
    with DaemonProcess(tmp_path / "jikimi", cameras=cameras) as daemon, ExitStack() as clients:
        daemon.wait_state("gate", "live")
        # its thread has loaded what it needs files for
        wait_until((daemon.state_dir / "journal.sqlite").exists, "the journal")
        loading = "starting"  # which takes descriptors
        wait_until(lambda: daemon.health()["second_look"]["state"] != loading, "the second look")
        assert daemon.process
        pid = daemon.process.pid
        used = max(int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir())
        limit = f"--nofile={used + 4}"
        subprocess.run([prlimit, limit, "--pid", str(pid)], check=True)
        for _ in range(40):
            clients.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 10))
        assert livez(daemon) == "ok\n"
        goes_on(daemon, "gate")


def test_a_process_stopped_for_a_while_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    cameras = {"gate": "pattern://calm", "yard": "pattern://scuffle"}
    with DaemonProcess(tmp_path / "jikimi", cameras=cameras) as daemon:
        for camera in cameras:
            daemon.wait_state(camera, "live")
        daemon.signal(signal.SIGSTOP)
        threading.Event().wait(STOPPED_S)
        daemon.signal(signal.SIGCONT)
        wait_until(daemon.answers, "/livez to be content", 5)
        for camera in cameras:
            daemon.wait_state(camera, "live")
            goes_on(daemon, camera)
        assert livez(daemon) == "ok\n"
        assert daemon.metric("jikimi_thread_restarts_total") == 0
        daemon.stop()
        names = [json.loads(line)["event"] for line in daemon.log().splitlines()]
        assert "thread started anew" not in names
