"""Whatever the state directory holds, alarms go out, it is said, and nothing is deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from alerting import ScriptedSink, make_alert, sink, wait_for
from damage import (
    another_programs,
    directory,
    empty,
    fifo,
    flipped,
    foreign_socket,
    garbage,
    half,
    hole,
    huge,
    link_to_a_device,
    link_to_itself,
    link_to_nowhere,
    much_newer,
    other_tables,
    text,
    zeros,
)
from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from alerts import registry
from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics
from config.errors import DeliveryError
from config.settings import CameraSettings, SinkSettings
from config.urls import StreamUrl
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.journal import OUTBOX, Journal, read_entries
from detector.daemon.operators.control import ControlServer, ask
from detector.daemon.state_dir import claimed
from detector.incidents.calibration import LEVELS, Day, Learnt
from detector.inference.weights import Classifier
from detector.types import Incident, Phase

CAMERA = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="yard")
LEARNT = {"violence": Learnt((Day(3.5, np.arange(len(LEVELS))[::-1]),), 0.61)}
NOBODY = 65534


def incident() -> Incident:
    return Incident(uuid7(), "gate", "violence", datetime.now(UTC), None, 0.8, Phase.OPENED)


class Started:
    """What of a daemon keeps something on disk, with a sink that tells what it gets."""

    def __init__(self, folder: Path, classifier: Classifier, sinks: list[SinkSettings]) -> None:
        self.folder = folder
        self._held = ExitStack()
        self._held.enter_context(claimed(folder))
        self.registry = CollectorRegistry()
        self.dispatcher = Dispatcher(sinks, folder / OUTBOX, AlertMetrics(self.registry))
        faults = self.dispatcher.faults
        self.journal = Journal(self.dispatcher.store)
        self.calibrations = CalibrationStore(folder / "calibration", classifier.sidecar, faults)
        self.control = ControlServer(folder / "control.sock", {"echo": lambda _: "here"}, faults)
        self.dispatcher.start()
        self.control.start()

    def alarm(self) -> None:
        """An incident is told and recorded; fails where nobody is told."""
        alert = make_alert()
        found = replace(incident(), id=alert.incident_id)
        _, entry = self.journal.change(found)
        assert self.dispatcher.submit(alert, None, entry) == ["told"]
        wait_for(lambda: alert.alert_id in self.told())

    def told(self) -> set[UUID]:
        made = ScriptedSink.made.get("told")
        return {one.alert_id for one in made.got} if made else set()

    def learn(self) -> None:
        self.calibrations.save(CAMERA, LEARNT)
        self.calibrations.write()

    def stop(self) -> None:
        self.control.stop()
        self.dispatcher.stop(Deadline.after(5))
        self._held.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state directory with a short path, for sockets, that other users reach."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o777)
    state = made / "state"
    yield state
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def start(
    folder: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Started]]:
    running: list[Started] = []
    entry = EntryPoint("scripted", "alerting:ScriptedSink", registry.GROUP)
    real = registry._entries()
    monkeypatch.setattr(registry, "_entries", lambda: [*real, entry])
    ScriptedSink.reset()

    def begin() -> Started:
        for one in running:
            one.stop()
        running[:] = [Started(folder, classifier, [sink("scripted", "told")])]
        return running[0]

    yield begin
    for one in running:
        one.stop()


DAMAGE = [
    *(garbage, text, empty, zeros, half, hole, flipped, huge, directory, fifo, foreign_socket),
    *(link_to_nowhere, link_to_itself, link_to_a_device),
    *(another_programs, much_newer, other_tables),
]
FILES = [
    *(OUTBOX, f"{OUTBOX}-wal", f"{OUTBOX}-shm", f"{OUTBOX}-journal", f"{OUTBOX}.lock"),
    *("incidents.sqlite", "daemon.lock", "control.sock", "calibration", "calibration/gate.json"),
]


def is_kept(folder: Path, content: bytes) -> bool:
    """Whether some file still holds it."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return any(content in path.read_bytes() for path in found)


@pytest.mark.parametrize(("name", "damage"), [(OUTBOX, garbage), (OUTBOX, half), (OUTBOX, fifo)])
def test_a_damaged_outbox_stops_no_alarm(
    folder: Path, start: Callable[[], Started], name: str, damage: Callable[[Path], None]
) -> None:
    test_a_damaged_file_stops_no_alarm_and_is_not_deleted(folder, start, name, damage)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_stops_no_alarm_and_is_not_deleted(
    folder: Path, start: Callable[[], Started], name: str, damage: Callable[[Path], None]
) -> None:
    before = start()
    before.alarm()
    before.learn()
    before.dispatcher.store.write(lambda db: db.execute("DELETE FROM stage"))  # it was not told
    before.stop()
    path = folder / name
    if path.is_symlink():
        path.unlink()
    if path.is_dir():
        shutil.rmtree(path)
    damage(path)
    content = b"" if path.is_symlink() or not path.exists() else b"notes"
    if path.is_file() and not path.is_symlink():
        content = path.read_bytes()[:4096]
    elif not path.is_dir():
        content = b""

    after = start()
    after.alarm()
    after.learn()
    assert ask(folder / "control.sock", "echo") == "here"
    assert after.dispatcher.stored() is None
    assert after.calibrations.flush(0) is None
    assert len(read_entries(folder)) >= 1
    sqlites_own = name.endswith(("-wal", "-shm", "-journal", ".lock"))
    assert sqlites_own or is_kept(folder, content)

    again = start()  # nothing is left that would be in the way
    assert again.dispatcher.trouble() == []
    assert again.calibrations.load(CAMERA)
    again.alarm()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("queue", "position", 2**63 - 1),
        ("queue", "position", -(2**63)),
        ("queue", "unconfirmed", "perhaps"),
        ("queue", "unconfirmed", b"\xff"),
        ("refused", "position", 2**63 - 1),
        ("alert", "image", "a text"),
        ("sqlite_sequence", "seq", 2**63 - 1),
        ("sqlite_sequence", "seq", float("inf")),
        ("clock", "offset_s", b"\xff"),
        ("clock", "saved_at", b"\xff"),
        ("silence", "until", float("inf")),
        ("incidents", "messages", 2**63 - 1),
    ],
)
def test_one_damaged_value_stops_no_alarm(
    folder: Path, start: Callable[[], Started], table: str, column: str, value: object
) -> None:
    before = start()
    ScriptedSink.faults = [DeliveryError("away")] * 1000
    waiting = [make_alert() for _ in range(3)]
    for alert in waiting:
        before.dispatcher.submit(alert)
    before.dispatcher.store.write(
        lambda database: database.execute(
            "INSERT INTO refused SELECT position + 9, sink, alert_id, incident_id, phase, sent_at,"
            " no_image, 'too large', 0 FROM queue WHERE position = 1"
        )
    )
    before.dispatcher.cameras.silence("yard", 60)
    before.journal.record(incident())
    before.stop()
    ScriptedSink.faults = []
    with closing(sqlite3.connect(folder / OUTBOX)) as database, database:
        key = "camera" if table == "silence" else "rowid"
        row = f"{key} = (SELECT max({key}) FROM {table})"
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {row}", (value,))

    after = start()
    after.journal.left_open(datetime.now(UTC))
    after.alarm()
    wait_for(lambda: {alert.alert_id for alert in waiting} <= after.told())
    assert after.dispatcher.stored() is None
    assert "yard" not in after.dispatcher.cameras.silences() or table != "silence"
    assert len(after.dispatcher.refused()) == 1
    again = start()
    again.alarm()
    assert again.dispatcher.trouble() == []


@pytest.mark.parametrize("kind", ["file", "absent parent is a file"])
def test_a_state_directory_that_cannot_be_stops_no_alarm(
    folder: Path, start: Callable[[], Started], kind: str
) -> None:
    (folder if kind == "file" else folder.parent).mkdir(exist_ok=True)
    if kind == "file":
        folder.rmdir()
        folder.write_text("Somebody's notes.")
    else:
        shutil.rmtree(folder.parent)
        folder.parent.write_text("Somebody's notes.")
    running = start()
    running.alarm()
    running.learn()
    assert [reason.split(":")[1] for reason in running.dispatcher.trouble()] == [
        " outbox",
        " calibration",
        " control",
    ]
    for file in ("outbox", "calibration", "control"):
        labels = {"file": file}
        assert running.registry.get_sample_value("jikimi_storage_failing", labels) == 1
    spoilt = folder if kind == "file" else folder.parent
    spoilt.unlink()
    folder.mkdir(parents=True)
    assert running.dispatcher.stored() is None  # all of it, once it can be
    assert len(read_entries(folder)) == 1


@pytest.fixture
def tiny_disk(folder: Path) -> Iterator[Path]:
    """The state directory is a disk of 1 MB."""
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):
        pytest.skip("only root may mount a disk")
    yield folder
    os.system(f"umount -l {folder}")


def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(
    tiny_disk: Path, start: Callable[[], Started]
) -> None:
    running = start()
    running.alarm()
    assert running.dispatcher.stored() is None
    filler = tiny_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    for _ in range(40):
        running.alarm()
    running.learn()
    assert "disk is full" in str(running.dispatcher.stored())
    assert "storage: outbox: database or disk is full" in running.dispatcher.trouble()
    filler.unlink()
    wait_for(lambda: running.dispatcher.stored() is None)
    running.calibrations.write()
    assert running.dispatcher.trouble() == []
    assert len(read_entries(tiny_disk)) == 41


def test_a_full_disk_at_start_stops_no_alarm(tiny_disk: Path, start: Callable[[], Started]) -> None:
    with suppress(OSError), (tiny_disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    running = start()
    running.alarm()
    assert running.dispatcher.trouble()
    (tiny_disk / "filler").unlink()
    assert running.dispatcher.stored() is None
    assert len(read_entries(tiny_disk)) == 1


def test_a_read_only_disk_says_what_waits_and_takes_all_once_it_can_be_written(
    tiny_disk: Path, start: Callable[[], Started]
) -> None:
    before = start()
    before.journal.record(incident())
    before.learn()
    waiting = make_alert()
    ScriptedSink.faults = [DeliveryError("away")] * 1000
    before.dispatcher.submit(waiting)
    before.stop()
    ScriptedSink.faults = []
    assert os.system(f"mount -o remount,ro {tiny_disk}") == 0
    running = start()
    assert [left.told for left in running.journal.left_open(datetime.now(UTC))] == [False]
    assert running.calibrations.load(CAMERA)
    wait_for(lambda: waiting.alert_id in running.told())
    running.alarm()
    assert running.dispatcher.stored()
    os.system(f"mount -o remount,rw {tiny_disk}")
    assert running.dispatcher.stored() is None
    assert len(read_entries(tiny_disk)) == 2


@pytest.fixture
def _as_nobody() -> Iterator[None]:
    """Whoever runs the tests as root: root may open everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(was)


@pytest.mark.usefixtures("_as_nobody")
@pytest.mark.parametrize("name", FILES)
def test_a_file_without_permission_stops_no_alarm(
    folder: Path, start: Callable[[], Started], name: str
) -> None:
    folder.mkdir()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if name == "calibration":
        path.mkdir()
    else:
        path.write_text("Somebody's notes.")
    path.chmod(0)
    running = start()
    running.alarm()
    running.learn()
    if name not in {"daemon.lock", f"{OUTBOX}-wal", f"{OUTBOX}-journal"}:  # nobody needs them
        assert running.dispatcher.trouble()
    with suppress(FileNotFoundError):
        path.chmod(0o700)


@pytest.mark.usefixtures("_as_nobody")
def test_a_directory_without_permission_stops_no_alarm(
    folder: Path, start: Callable[[], Started]
) -> None:
    folder.mkdir()
    folder.chmod(0o500)
    running = start()
    running.alarm()
    assert len(running.dispatcher.trouble()) == 3
    folder.chmod(0o700)
    assert running.dispatcher.stored() is None
    assert len(read_entries(folder)) == 1


@pytest.mark.parametrize("name", [OUTBOX, f"{OUTBOX}-wal", f"{OUTBOX}.lock"])
def test_a_link_to_itself_that_comes_while_running_is_got_rid_of(
    folder: Path, start: Callable[[], Started], name: str
) -> None:
    running = start()
    running.alarm()
    assert running.dispatcher.stored() is None
    link_to_itself(folder / name)
    running.alarm()
    wait_for(lambda: running.dispatcher.stored() is None and (folder / name).exists())
    assert len(read_entries(folder)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("what", [OUTBOX, f"{OUTBOX}-wal", f"{OUTBOX}.lock", "", "replaced"])
def test_what_is_removed_or_replaced_while_running_is_written_again(
    folder: Path, start: Callable[[], Started], what: str
) -> None:
    running = start()
    for _ in range(3):
        running.alarm()
    assert running.dispatcher.stored() is None
    if what == "":
        shutil.rmtree(folder)
    elif what == "replaced":
        (folder / "other").write_bytes(b"no database")
        (folder / "other").rename(folder / OUTBOX)
    else:
        (folder / what).unlink()
    running.alarm()
    wait_for(lambda: running.dispatcher.stored() is None and (folder / OUTBOX).exists())
    assert len(read_entries(folder)) == 4
    if what == "replaced":
        assert is_kept(folder, b"no database")
    again = start()
    assert len(read_entries(folder)) == 4
    assert again.dispatcher.trouble() == []


def test_damage_found_while_running_is_set_aside_and_all_written_anew(
    folder: Path, start: Callable[[], Started]
) -> None:
    running = start()
    for _ in range(3):
        running.alarm()
    assert running.dispatcher.stored() is None
    with closing(sqlite3.connect(folder / OUTBOX)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (folder / OUTBOX).open("r+b") as file:
        file.write(b"no database at all" * 1000)
    for _ in range(3):
        running.alarm()
    assert running.dispatcher.stored() is None
    assert list(folder.glob(f"{OUTBOX}.damaged-*"))
    assert len(read_entries(folder)) == 6
    assert len(start().dispatcher.trouble()) == 0
