"""Whatever happens to the journal, or in the middle of writing it, nothing is lost."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alerting import wait_for
from sqlalchemy import Engine, event, select
from structlog.testing import capture_logs

from alerts.storage import pending
from config.secrets import register_secret
from detector.journal import feeder, queries, tables, writer
from detector.journal.records import CameraStateRecord, EvidenceFile, Verdict
from journal_feeding import (
    NOW,
    Feeding,
    MakeFeeding,
    assert_whole,
    closed,
    fight,
    journalled,
    journalled_if,
    opened,
    reason,
)
from servers.postgresql import PASSWORD, PostgresqlServer


@contextmanager
def locked(where: Path | str) -> Iterator[None]:
    """Somebody else holds the journal."""
    if isinstance(where, Path):
        with closing(sqlite3.connect(where, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    import psycopg

    with psycopg.connect(where) as server:
        server.execute("LOCK TABLE incidents, judgements, deliveries IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.usefixtures("short_locks")
def test_a_journal_that_is_locked_gets_all_of_it_later(feeding: MakeFeeding) -> None:
    at = feeding()
    first = fight(at)
    at.wait_fed()
    with locked(at.where):
        second = fight(at)
        said = reason(at)
        assert "storage: journal: " in said
        assert "lock" in said
        assert at.waits()
    at.wait_fed()
    wait_for(lambda: not at.store.faults.reasons())
    assert_whole(at.where, first, second)


def test_a_server_that_is_restarted_gets_all_of_it_later(
    postgresql: PostgresqlServer, tmp_path: Path, feeding: MakeFeeding, where: Path | str
) -> None:
    if isinstance(where, Path):
        pytest.skip("a file is not restarted")
    register_secret(PASSWORD)
    at = feeding()
    first = fight(at)
    at.wait_fed()
    with capture_logs() as logs:
        postgresql.stop()
        try:
            second = fight(at)
            said = reason(at)
            assert f"PostgreSQL at 127.0.0.1:{postgresql.port}/" in said
            assert "does not answer" in said
        finally:
            postgresql.start()
        third = fight(at)
        at.wait_fed()
        wait_for(lambda: not at.store.faults.reasons())
    assert_whole(at.where, first, second, third)
    assert PASSWORD not in said
    assert PASSWORD not in str(logs)
    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "cannot write the journal; what it lacks is kept here and written later"
    ]


def test_a_server_that_stands_still_holds_nobody_up(
    postgresql: PostgresqlServer,
    feeding: MakeFeeding,
    where: Path | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if isinstance(where, Path):
        pytest.skip("a file does not stand still")
    monkeypatch.setattr(feeder, "ANSWER_S", 0.2)
    at = feeding()
    first = fight(at)
    at.wait_fed()
    postgresql.freeze()
    try:
        second = fight(at)
        assert "does not answer" in reason(at)
    finally:
        postgresql.thaw()
    at.wait_fed()
    wait_for(lambda: not at.store.faults.reasons())
    assert_whole(at.where, first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "Apfelbaum8"}, "refuses the log-in; check user and password"),
        ({"database": "no-such"}, 'database "no-such" does not exist; create it'),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_the_password(
    postgresql: PostgresqlServer, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    at = Feeding(tmp_path, postgresql.url(**change))
    at.feeder.start()
    found = reason(at)
    at.stop()
    assert said in found
    assert change.get("password", PASSWORD) not in found


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):
        pytest.skip("only root may mount a disk")
    yield folder
    os.system(f"umount -l {folder}")


@pytest.mark.slow
def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(
    tiny_disk: Path, tmp_path: Path
) -> None:
    at = Feeding(tmp_path, tiny_disk / "journal.sqlite")
    at.feeder.start()
    fights = [fight(at)]
    at.wait_fed()
    with suppress(OSError), (tiny_disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    fights += [fight(at) for _ in range(40)]
    assert "disk is full" in reason(at)
    (tiny_disk / "filler").unlink()
    at.wait_fed()
    assert_whole(at.where, *fights)
    at.stop()


@pytest.mark.slow
def test_what_the_stores_own_disk_has_not_is_in_no_file_but_on_a_server(
    tiny_disk: Path, where: Path | str
) -> None:
    at = Feeding(tiny_disk, where)
    at.feeder.start()
    first = fight(at)
    at.wait_fed()
    with suppress(OSError), (tiny_disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    fights = [fight(at) for _ in range(40)]
    assert at.store.file.flush() is not None
    last = fight(at)
    if isinstance(where, Path):
        wait_for(lambda: at.feeder._held)
        wait_rounds(at, 2)
        assert last.id not in journalled(where)
    else:
        wait_for(lambda: last.id in journalled(where))
    (tiny_disk / "filler").unlink()
    at.wait_fed()
    assert_whole(where, first, *fights, last)
    at.stop()


def wait_rounds(at: Feeding, count: int) -> None:
    """Wait until the feeder has come round so often."""
    for _ in range(count):
        before_s = at.feeder.thread.progress_s
        wait_for(lambda before_s=before_s: at.feeder.thread.progress_s > before_s)


class Killed(BaseException):
    """Ends the feeder's thread, as a kill ends a process."""


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """`die_at(n)`: at the nth moment from now, before or after a statement or a commit."""
    armed: list[int] = []
    moments: list[str] = []

    def moment(what: str) -> None:
        if threading.current_thread().name != "journal" or not armed:
            return
        moments.append(what)
        armed[0] -= 1
        if armed[0] == 0:
            armed.clear()
            raise Killed(what)

    def before(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        moment(f"before {statement.split(maxsplit=1)[0]}")

    def after(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        moment(f"after {statement.split(maxsplit=1)[0]}")

    def commit(_c: Any) -> None:
        moment("before COMMIT")

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "commit", commit)

    def arm(number: int) -> list[str]:
        armed[:] = [number]
        moments.clear()
        return moments

    yield arm
    event.remove(Engine, "before_cursor_execute", before)
    event.remove(Engine, "after_cursor_execute", after)
    event.remove(Engine, "commit", commit)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_feeder_that_dies_at_any_moment_goes_on_where_it_was(
    feeding: MakeFeeding, die_at: Callable[[int], list[str]]
) -> None:
    at = feeding()
    fights = [fight(at)]
    at.wait_fed()
    for number in count(1):
        die_at(number)
        fights.append(fight(at))
        wait_for(lambda: not at.feeder.thread.is_alive() or not at.waits())
        if at.feeder.thread.is_alive():
            break
        at.feeder.thread.renew()
        at.wait_fed()
    assert number > 8
    assert_whole(at.where, *fights)
    gc.collect()  # connections that nobody closed


def test_what_is_written_before_the_store_knows_is_written_once(
    feeding: MakeFeeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = feeding()
    at.wait_fed()
    real = at.store.write
    lost = threading.Event()

    def write(change: Callable[..., Any]) -> Any:
        if threading.current_thread().name == "journal" and not lost.is_set():
            lost.set()
            raise OSError("killed before the store knew")
        return real(change)

    monkeypatch.setattr(at.store, "write", write)
    done = fight(at)
    wait_for(lost.is_set)
    at.wait_fed()
    assert_whole(at.where, done)
    assert len(at.asked(queries.audit)) == 1


def test_an_incident_that_a_kill_has_taken_from_the_store_is_closed(
    feeding: MakeFeeding, tmp_path: Path
) -> None:
    at = feeding()
    incident, other = opened(), opened(camera="yard")
    at.incidents.record(incident)
    at.incidents.record(other)
    at.wait_fed()
    # A disk that hung had not taken it when the kill came.
    at.store.write(lambda db: db.execute("DELETE FROM incidents WHERE id = ?", (str(other.id),)))
    at.wait_fed()
    again = feeding()
    wait_for(lambda: journalled(again.where)[other.id].closed_at)
    found = journalled(again.where)
    assert found[other.id].reason == "monitor restarted"
    assert found[incident.id].closed_at is None  # the daemon closes that, and tells of it


def test_boxes_that_share_a_journal_leave_each_others_incidents(
    feeding: MakeFeeding, tmp_path: Path, where: Path | str
) -> None:
    if isinstance(where, Path):
        pytest.skip("a file is of one box")
    (tmp_path / "other").mkdir()
    here = feeding()
    other = Feeding(tmp_path / "other", where)
    other.feeder.start()
    ours, theirs = opened(), opened()
    here.incidents.record(ours)
    other.incidents.record(theirs)
    here.wait_fed()
    other.wait_fed()
    again = feeding()
    again.incidents.record(opened())
    again.wait_fed()
    found = journalled(where)
    assert found[theirs.id].closed_at is None
    assert found[ours.id].box != found[theirs.id].box
    other.stop()


def test_what_waits_is_bounded_and_what_is_given_up_is_counted(
    feeding: MakeFeeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "KEPT", 5)
    at = feeding(start=False)
    lost: list[tuple[str, int]] = []
    monkeypatch.setattr(at.store.faults, "lost", lambda what, number: lost.append((what, number)))
    fights = [fight(at) for _ in range(5)]
    states = [
        CameraStateRecord("gate", "yard", "live", NOW + timedelta(minutes=n)) for n in range(9)
    ]
    at.recorder.record(*states)
    assert sum(number for _, number in lost) == 14 + 10 - 10
    assert {what for what, _ in lost} == {"journal"}
    at.feeder.start()
    at.wait_fed()
    assert journalled(at.where).keys() == {one.id for one in fights}


@pytest.mark.slow
def test_a_thousand_incidents_at_once_all_get_there(feeding: MakeFeeding) -> None:
    at = feeding()
    fights = []
    for number in range(1000):
        incident = opened(NOW + timedelta(seconds=0.06 * number), f"camera-{number % 16}")
        at.incidents.record(incident)
        at.incidents.record(closed(incident))
        fights.append(incident.id)
    at.wait_fed()
    found = journalled(at.where)
    assert found.keys() == set(fights)
    assert all(one.closed_at for one in found.values())


def test_states_before_and_after_the_clock_was_set_back_are_all_kept(feeding: MakeFeeding) -> None:
    at = feeding()
    begin = NOW.replace(second=0)
    hour = timedelta(hours=1)
    times = [begin, begin + timedelta(minutes=3), begin - hour, begin - hour + timedelta(minutes=2)]
    for state, since in zip(("live", "offline", "connecting", "live"), times, strict=True):
        at.recorder.record(CameraStateRecord("gate", "yard", state, since))
    late = CameraStateRecord("gate", "yard", "stalled", begin + timedelta(seconds=40))
    at.recorder.record(late)
    at.wait_fed()
    at.recorder.record(replace(late, state="live", since=begin + timedelta(seconds=20)))
    at.wait_fed()
    rows = at.asked(lambda c: queries.camera_states(c, begin - 2 * hour, begin + hour))
    assert [(one.state, one.since) for one in rows] == [
        ("connecting", times[2]),
        ("live", times[3]),
        ("stalled", late.since),  # of a minute the last is kept, whenever it is written
        ("offline", times[1]),
    ]


def test_a_journal_elsewhere_gets_all_incidents_of_the_store(
    feeding: MakeFeeding, tmp_path: Path, where: Path | str
) -> None:
    before = Feeding(tmp_path, tmp_path / "before.sqlite")
    before.feeder.start()
    one = opened()
    before.incidents.record(one)
    before.wait_fed()
    before.stop()
    at = feeding()
    wait_for(lambda: one.id in journalled_if(where))
    at.wait_fed()


def test_what_is_old_is_forgotten_but_what_is_open_or_to_be_kept(feeding: MakeFeeding) -> None:
    at = feeding()
    old = NOW - writer.RETENTION - timedelta(days=2)
    gone, still_open, kept, recent = opened(old), opened(old), opened(old), opened()
    for one in (gone, kept, recent):
        at.incidents.record(closed(one))
        at.recorder.judge(one.id, Verdict.REAL, "", "kim")
    at.incidents.record(still_open)
    at.recorder.record(EvidenceFile(kept.id, "a.mp4", "clip", "00", 1, NOW, keep=True))
    at.wait_fed()
    again = feeding()
    again.wait_fed()
    wait_for(lambda: gone.id not in journalled(again.where))
    assert journalled(again.where).keys() == {still_open.id, kept.id, recent.id}
    said = again.asked(lambda c: c.scalars(select(tables.judgements.c.incident_id)).all())
    assert set(said) == {kept.id, recent.id}
