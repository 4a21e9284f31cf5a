"""Whatever has become of the disk, cameras are watched and alarms go out."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chaos.damage import WAYS, damage
from chaos.fighting_daemon import FightingDaemon
from chaos.ledger import table
from chaos.sizes import LONG, SEED
from servers.daemon import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FILES = (
    "outbox.sqlite",
    "incidents.sqlite",
    "journal.sqlite",
    "journal.sqlite-wal",
    "outbox.sqlite-wal",
    "outbox.sqlite.lock",
    "daemon.lock",
    "calibration/gate.json",
    "console.json",
    "control.sock",
)

CASES = [(file, way) for file in FILES for way in WAYS]
DRAWN = CASES if LONG else CASES[SEED % 14 :: 14]
"""All of them, or twelve, others each time."""

WATCHING_S = 5.0
"""From the start of a daemon to its first camera live, on top of what an unharmed one takes."""

SLACK_S = 10.0
"""On top of that, for what else this machine does; the table has the figures."""

SIZE = "8M"
"""Of a small disk: the store's log alone takes 4 MB (`LOG_LIMIT`) before it is emptied."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A state with incidents and undelivered alerts, as a kill leaves it; and a start's seconds."""
    folder = tmp_path_factory.mktemp("before")
    sinks = "  away: {type: webhook, url: 'http://127.0.0.1:9/'}\n"
    with FightingDaemon(folder, sinks=sinks) as daemon:
        daemon.wait_state("gate", "live")
        daemon.fight_once()
        daemon.fight()
        wait_until(daemon.open_incidents, "an open incident")
        daemon.jikimi("recalibrate", "gate")
        daemon.kill()
        began_s = time.monotonic()
        daemon.start()
        daemon.wait_state("gate", "live")
        return daemon.state_dir, time.monotonic() - began_s


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """Something mounted on the last of `arguments`; skips where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


def watches(folder: Path, state_dir: Path, start_s: float, file: str, way: str) -> str | float:
    """What is wrong with a daemon that starts on a damaged state; else after how long it watches.

    It is to watch, to let a drill through, and to do without a traceback.
    """
    daemon = FightingDaemon(folder)
    shutil.copytree(
        state_dir, daemon.state_dir, ignore=lambda _, names: {"control.sock"} & {*names}
    )
    damage(daemon.state_dir / file, way, SEED)
    began_s = time.monotonic()
    try:
        with daemon:
            daemon.wait_state("gate", "live", WATCHING_S + start_s + SLACK_S)
            took_s = time.monotonic() - began_s
            daemon.fight_once()
            if file != "control.sock":  # a socket that cannot be made cannot be asked
                daemon.drill_arrives()
            assert "Traceback" not in daemon.log(), daemon.log()[-3000:]
    except AssertionError as error:
        return f"{error}\n{daemon.log()[-3000:]}"
    return round(took_s, 1)


def test_a_damaged_file_of_the_state_stops_nothing(
    tmp_path: Path, state: tuple[Path, float]
) -> None:
    state_dir, start_s = state
    with ThreadPoolExecutor(2) as both:
        found = list(
            both.map(
                lambda at: watches(tmp_path / str(at), state_dir, start_s, *DRAWN[at]),
                range(len(DRAWN)),
            )
        )
    rows = [
        {"file": file, "way": way, "watching after (s)": of if isinstance(of, float) else "never"}
        for (file, way), of in zip(DRAWN, found, strict=True)
    ]
    print(f"\ndamaged state files; an unharmed start takes {start_s:.1f} s\n{table(rows)}")
    wrong = {case: of for case, of in zip(DRAWN, found, strict=True) if isinstance(of, str)}
    assert not wrong, "\n".join(f"{case}: {what}" for case, what in wrong.items())


def test_what_a_full_disk_refused_is_written_once_there_is_room(tmp_path: Path) -> None:
    daemon = FightingDaemon(tmp_path / "jikimi")
    daemon.state_dir.mkdir()
    filler = daemon.state_dir / "filler"
    with mounted("-t", "tmpfs", "-o", f"size={SIZE}", "none", str(daemon.state_dir)), daemon:
        daemon.wait_state("gate", "live")
        daemon.fight_once()
        _fill(filler)
        daemon.fight_once()
        daemon.fight()
        wait_until(lambda: len(daemon.told("opened")) == 3, "a fight to be told")
        daemon.drill_arrives()
        filler.unlink()
        wait_until(lambda: _listed(daemon) == 3, "what was refused to be written")
        daemon.kill()
        daemon.calm()
        daemon.start()
        wait_until(daemon.settled, "everything to be told")
        found = daemon.ledger()
        assert "Traceback" not in daemon.log()
    print(f"\na disk that was full\n{table([found.row()])}")
    assert len(found.recorded) == 3
    assert found.faults() == {}


def test_a_start_on_a_full_disk_watches_and_alarms(tmp_path: Path) -> None:
    daemon = FightingDaemon(tmp_path / "jikimi")
    daemon.state_dir.mkdir()
    with mounted("-t", "tmpfs", "-o", f"size={SIZE}", "none", str(daemon.state_dir)):
        _fill(daemon.state_dir / "filler")
        with daemon:
            daemon.wait_state("gate", "live")
            daemon.fight_once()


def test_a_read_only_state_directory_stops_no_alarm(tmp_path: Path) -> None:
    daemon = FightingDaemon(tmp_path / "jikimi")
    daemon.state_dir.mkdir()
    here = str(daemon.state_dir)
    with daemon:
        daemon.wait_state("gate", "live")
        daemon.fight_once()
        daemon.kill()
        with mounted("--bind", here, here):
            subprocess.run(["mount", "-o", "remount,ro,bind", here], check=True)
            daemon.start()
            daemon.wait_state("gate", "live")
            daemon.fight_once()
            assert "Traceback" not in daemon.log()
            daemon.kill()


def test_files_that_are_removed_while_it_runs_stop_no_alarm(tmp_path: Path) -> None:
    with FightingDaemon(tmp_path / "jikimi") as daemon:
        daemon.wait_state("gate", "live")
        daemon.fight_once()
        shutil.rmtree(daemon.state_dir.rename(tmp_path / "gone"))  # else it writes meanwhile
        daemon.fight_once()
        daemon.kill()
        daemon.start()
        daemon.wait_state("gate", "live")
        daemon.drill_arrives()
        daemon.fight_once()
        assert "Traceback" not in daemon.log()


def _listed(daemon: FightingDaemon) -> int:
    return len(daemon.jikimi("incidents", "--json").stdout.splitlines())


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(os.urandom(4096)):
            pass
