"""What was accepted is not lost, keeps its order, and keeps its identity."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alerting import PICTURE, StoredOutbox, follow_up, make_alert, wait_for
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)
from structlog.testing import capture_logs

from alerts.admission import Stage
from alerts.deadline import Deadline
from alerts.message import Alert, AlertPhase
from alerts.storage import queue, write_behind
from alerts.storage.outbox import Message
from alerts.storage.silences import ALL_CAMERAS, silence, silences
from config.errors import ConfigError

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED
SINKS = ("station", "hook")


def next_due(outbox: StoredOutbox, sink: str, now: float = 0) -> Message:
    message = outbox.next_due(sink, now)
    assert message is not None
    return message


def delivered(outbox: StoredOutbox, count: int) -> list[Alert]:
    """So many messages to the station, acknowledged."""
    found = []
    for _ in range(count):
        message = next_due(outbox, "station")
        outbox.acknowledge(message)
        found.append(message.alert)
    return found


def set_room(outbox: StoredOutbox, *, pages: int) -> None:
    """Let the outbox's file grow to so many pages and no further, as on a disk that is full."""
    assert outbox.store.file._file
    outbox.store.file._file.database.execute(f"PRAGMA max_page_count = {pages}")


class OutboxModel(RuleBasedStateMachine):
    """The outbox beside plain lists, with restarts in between."""

    incidents: Bundle[Alert] = Bundle("incidents")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.outbox = StoredOutbox(self.folder / "outbox.sqlite")
        self.waiting: dict[str, list[tuple[Alert, AlertPhase]]] = {sink: [] for sink in SINKS}
        self.sequence = 0
        self.now = 0.0

    def _put(self, alert: Alert, sinks: set[str]) -> None:
        self.outbox.put(alert, dict.fromkeys(sinks, alert.phase), self.now)
        for sink in sinks:
            if alert.phase is UPDATED:  # only the newest is kept
                self.waiting[sink] = [
                    (other, phase)
                    for other, phase in self.waiting[sink]
                    if (other.incident_id, phase) != (alert.incident_id, UPDATED)
                ]
            self.waiting[sink].append((alert, alert.phase))

    @rule(target=incidents, sinks=st.sets(st.sampled_from(SINKS)), picture=st.booleans())
    def open(self, sinks: set[str], picture: bool) -> Alert:
        alert = make_alert(image=PICTURE if picture else None)
        self._put(alert, sinks)
        return alert

    @rule(opened=incidents, sinks=st.sets(st.sampled_from(SINKS)))
    def update(self, opened: Alert, sinks: set[str]) -> None:
        self.sequence += 1
        self._put(follow_up(opened, UPDATED, self.sequence), sinks)

    @rule(opened=consumes(incidents), sinks=st.sets(st.sampled_from(SINKS)))
    def close(self, opened: Alert, sinks: set[str]) -> None:
        self.sequence += 1
        self._put(follow_up(opened, CLOSED, self.sequence), sinks)

    @rule(opened=incidents)
    def put_again(self, opened: Alert) -> None:
        still = {s for s in SINKS if any(a is opened for a, _ in self.waiting[s])}
        self.outbox.put(opened, dict.fromkeys(still, OPENED), self.now)

    @rule(sink=st.sampled_from(SINKS), works=st.booleans())
    def deliver(self, sink: str, works: bool) -> None:
        message = self.outbox.next_due(sink, self.now)
        if message is None:
            return
        first_of_each = {}
        for alert, phase in self.waiting[sink]:
            first_of_each.setdefault(alert.incident_id, (alert, phase))
        expected, phase = first_of_each[message.alert.incident_id]
        assert message.alert == expected.model_copy(update={"phase": phase})
        if works:
            self.outbox.acknowledge(message)
            self.waiting[sink].remove((expected, phase))
        else:
            self.outbox.retry_at(message, self.now + 60)

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.outbox.close(Deadline.after(5))
        self.outbox = StoredOutbox(self.folder / "outbox.sqlite")

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "outbox"):
            return
        for sink in SINKS:
            assert self.outbox.waiting(sink).depth == len(self.waiting[sink])

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        self.now += 1000
        for sink in SINKS:
            while message := self.outbox.next_due(sink, self.now):
                self.outbox.acknowledge(message)
                self.waiting[sink].remove(
                    next(w for w in self.waiting[sink] if w[0].alert_id == message.alert.alert_id)
                )
            assert self.waiting[sink] == []
        # What everybody has is kept nowhere.
        assert self.outbox._read("SELECT count(*) FROM alert", ()) == [(0,)]
        self.outbox.close(Deadline.after(5))
        shutil.rmtree(self.folder)


OutboxModel.TestCase.settings = settings(
    max_examples=settings.default.max_examples // 4, stateful_step_count=30
)
TestOutboxModel = OutboxModel.TestCase


def test_a_fresh_alarm_goes_before_old_news(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    old = make_alert()
    outbox.put(follow_up(old, UPDATED, 1), {"station": UPDATED}, 0)
    outbox.put(follow_up(old, CLOSED, 2), {"station": CLOSED}, 0)
    outbox.put(make_alert(camera="door"), {"station": OPENED}, 0)
    order = []
    while message := outbox.next_due("station", 0):
        order.append(message.alert.phase)
        outbox.acknowledge(message)
    assert order == [OPENED, UPDATED, CLOSED]
    outbox.close(Deadline.after(5))


def test_pictures_go_before_alarms_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_IMAGE_BYTES", 2.5 * len(PICTURE))
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    first, second = make_alert(image=PICTURE), make_alert(image=PICTURE)
    outbox.put(first, {"station": OPENED}, 0)
    outbox.put(follow_up(first, UPDATED, 1, image=PICTURE), {"station": UPDATED}, 0)
    outbox.put(second, {"station": OPENED}, 0)
    got = []
    while message := outbox.next_due("station", 0):
        got.append((message.alert.phase, message.alert.image is not None))
        outbox.acknowledge(message)
    assert got == [(OPENED, True), (OPENED, True), (UPDATED, False)]
    for _ in range(4):
        outbox.put(make_alert(image=PICTURE), {"station": OPENED}, 0)
    got = []
    while message := outbox.next_due("station", 0):
        got.append((message.alert.phase, message.alert.image is not None))
        outbox.acknowledge(message)
    assert got == [(OPENED, False), (OPENED, False), (OPENED, True), (OPENED, True)]
    outbox.close(Deadline.after(5))


def test_an_expired_opened_takes_its_incident_along(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    opened = make_alert()
    outbox.put(opened, {"siren": OPENED, "station": OPENED}, 1000, {"siren": Stage.TOLD})
    outbox.put(follow_up(opened, CLOSED, 1), {"siren": CLOSED}, 1005)
    (dropped,) = outbox.expire("siren", 1001)
    assert dropped.alert_id == opened.alert_id
    assert outbox.waiting("siren").depth == 0
    assert outbox.stage("siren", str(opened.incident_id)) is Stage.WITHHELD
    assert outbox.waiting("station").depth == 1
    outbox.close(Deadline.after(5))


@pytest.mark.parametrize("damage", ["garbage", "middle", "foreign"])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = StoredOutbox(path)
    for _ in range(50):
        outbox.put(make_alert(image=PICTURE), {"station": OPENED}, 0)
    outbox.close(Deadline.after(5))
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[:] = b"no database " * 1000
    elif damage == "middle":
        content[5000:30000] = bytes(25000)
    path.write_bytes(content)
    if damage == "foreign":
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    with capture_logs() as logs:
        outbox = StoredOutbox(path)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert list(tmp_path.glob("outbox.sqlite.damaged-*"))
    outbox.put(make_alert(), {"station": OPENED}, 0)
    outbox.close(Deadline.after(5))
    outbox = StoredOutbox(path)
    assert outbox.waiting("station").depth == 1
    outbox.close(Deadline.after(5))


@pytest.mark.slow
def test_a_full_disk_does_not_stop_an_alarm_and_is_used_again_once_there_is_room(
    tmp_path: Path,
) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    first, second, third = (make_alert(image=PICTURE * 100) for _ in range(3))
    outbox.put(first, {"station": OPENED}, 0)
    assert outbox.store.file.flush() is None
    set_room(outbox, pages=1)
    with capture_logs() as logs:
        for alert in (second, third):  # said once, however often it fails
            outbox.put(alert, {"station": OPENED}, 0)
            assert outbox.store.file.flush() == "database or disk is full"
    assert [(entry["log_level"], Path(entry["file"]).name) for entry in logs] == [
        ("error", "outbox.sqlite")
    ]
    assert outbox.store.faults.reasons() == ["storage: outbox: database or disk is full"]
    assert delivered(outbox, 1) == [first]
    set_room(outbox, pages=1_000_000)
    with capture_logs() as logs:
        wait_for(outbox.store.file.has_all)  # by itself, whether anything new comes or not
    assert [entry["event"] for entry in logs] == [
        "the disk works again, all that memory held is written"
    ]
    assert outbox.store.faults.reasons() == []
    outbox.close(Deadline.after(5))
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    assert delivered(outbox, 2) == [second, third]
    outbox.close(Deadline.after(5))


def test_nothing_waits_for_a_disk_that_hangs_and_all_of_it_is_there_afterwards(
    tmp_path: Path,
) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    writing, hangs = threading.Event(), threading.Event()
    outbox.store.file.put(lambda _: (writing.set(), hangs.wait(60)))
    assert writing.wait(10)
    taken, kept = make_alert(image=PICTURE), make_alert()
    outbox.put(taken, {"station": OPENED}, 0)
    assert delivered(outbox, 1) == [taken]
    outbox.put(kept, {"station": OPENED}, 0)
    assert outbox.store.file.flush(0) == "the disk does not answer"
    hangs.set()
    assert outbox.store.file.flush() is None
    with sqlite3.connect(tmp_path / "outbox.sqlite") as database:
        assert database.execute("SELECT alert_id FROM alert").fetchall() == [(str(kept.alert_id),)]
    database.close()
    outbox.close(Deadline.after(5))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_writer_held_that_died_is_written_by_the_next(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    writing, go = threading.Event(), threading.Event()

    def die(_: sqlite3.Connection) -> None:
        raise SystemExit

    file = outbox.store.file
    assert file.flush() is None
    file.put(lambda _: (writing.set(), go.wait(10)))
    assert writing.wait(10)
    outbox.put(make_alert(), {"station": OPENED}, 0)
    file.put(die)
    go.set()
    file.thread.join(10)
    assert not file.thread.is_alive()
    outbox.put(make_alert(), {"station": OPENED}, 0)
    file.thread.renew()
    assert file.flush() is None
    outbox.close(Deadline.after(5))
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    assert outbox.waiting("station").depth == 2
    outbox.close(Deadline.after(5))


def test_a_disk_that_never_answers_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_behind, "MAX_WAITING", 3)
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    writing, hangs = threading.Event(), threading.Event()
    outbox.store.file.put(lambda _: (writing.set(), hangs.wait(60)))
    assert writing.wait(10)
    for _ in range(9):
        outbox.put(make_alert(), {"station": OPENED}, 0)
    assert outbox.waiting("station").depth == 9
    assert len(outbox.store.file._waiting) <= 3
    hangs.set()
    assert outbox.store.file.flush(60) is None
    outbox.close(Deadline.after(5))
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    assert outbox.waiting("station").depth == 9
    outbox.close(Deadline.after(5))


def test_after_an_outage_the_file_is_small_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = StoredOutbox(path)
    for _ in range(50):
        outbox.put(make_alert(image=PICTURE * 100), {"station": OPENED}, 0)
    outbox.close(Deadline.after(5))
    full = path.stat().st_size
    outbox = StoredOutbox(path)
    assert len(delivered(outbox, 50)) == 50
    outbox.close(Deadline.after(5))
    assert path.stat().st_size < full / 10


def test_a_state_directory_that_cannot_be_made_does_not_stop_an_alarm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        outbox = StoredOutbox(tmp_path / "file" / "state" / "outbox.sqlite")
    assert [entry["log_level"] for entry in logs] == ["error"]
    outbox.put(make_alert(), {"station": OPENED}, 0)
    assert outbox.waiting("station").depth == 1
    outbox.close(Deadline.after(5))


def test_a_second_daemon_is_told_so(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    with pytest.raises(ConfigError, match="another jikimi daemon"):
        StoredOutbox(tmp_path / "outbox.sqlite")
    outbox.close(Deadline.after(5))
    StoredOutbox(tmp_path / "outbox.sqlite").close(Deadline.after(5))


def test_silence_outlives_a_restart_and_ends(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    silence(outbox.store, "gate", 100)
    silence(outbox.store, ALL_CAMERAS, 50)
    outbox.close(Deadline.after(5))
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    assert silences(outbox.store, 49) == {"gate": 100, ALL_CAMERAS: 50}
    assert silences(outbox.store, 50) == {"gate": 100}
    silence(outbox.store, "gate", 0)
    assert silences(outbox.store, 50) == {}
    outbox.close(Deadline.after(5))


def test_what_waits_for_a_sink_that_is_gone_is_kept_a_week(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    alert = make_alert()
    sent = 1e9
    outbox.put(alert, {"gone": OPENED, "station": OPENED}, sent)
    outbox.tidy(["station"], sent + 6 * 86_400)
    assert outbox.waiting("gone").depth == 1
    outbox.tidy(["station"], sent + 8 * 86_400)
    assert outbox.waiting("gone").depth == 0
    assert outbox.waiting("station").depth == 1
    outbox.close(Deadline.after(5))


def test_a_sink_is_told_what_a_kill_does_not_undo_and_a_disk_that_hangs_delays_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    writing, goes_on, handed_out = threading.Event(), threading.Event(), threading.Event()
    outbox.store.file.put(lambda _: (writing.set(), goes_on.wait(60)))
    assert writing.wait(10)
    alert = make_alert()
    outbox.put(alert, {"station": OPENED}, 0)
    monkeypatch.setattr(write_behind, "WRITTEN_S", 60)

    def hand_out() -> None:
        next_due(outbox, "station")
        handed_out.set()

    threading.Thread(target=hand_out).start()
    assert not handed_out.wait(0.2)
    goes_on.set()
    assert handed_out.wait(10)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as file:
        assert file.execute("SELECT alert_id FROM queue").fetchall() == [(str(alert.alert_id),)]
    hangs = threading.Event()
    outbox.store.file.put(lambda _: hangs.wait(60))
    outbox.put(make_alert(), {"station": OPENED}, 0)
    monkeypatch.setattr(write_behind, "WRITTEN_S", 0.01)
    next_due(outbox, "station")
    monkeypatch.setattr(write_behind, "WRITTEN_S", 60)
    next_due(outbox, "station")  # at once: the disk is known to hang
    hangs.set()
    outbox.close(Deadline.after(5))
