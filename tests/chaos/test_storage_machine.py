"""Outbox and journal, killed at every write: what is on disk is what was before or after it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from alerting import PICTURE, follow_up, make_alert
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from alerts.admission import Stage
from alerts.deadline import Deadline
from alerts.message import Alert, AlertPhase
from alerts.storage.outbox import Message, Outbox
from chaos.ledger import Ledger
from chaos.sizes import LONG
from detector.types import Incident, Phase
from servers.exact_kill import watch_statements

pytest.importorskip("alerts.storage.store", reason="outbox and journal are still two stores")

SINKS = ("station", "hook")

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Files of memory: a machine that is busy takes a second for what this does fifty times."""

OLD_DUE = """
SELECT alert_id, phase, attempts FROM queue AS q
WHERE sink = ? AND {rank} AND (retry_at <= ? OR retry_at > ?) AND NOT EXISTS (
    SELECT 1 FROM queue AS before WHERE before.sink = q.sink
    AND before.incident_id = q.incident_id AND before.position < q.position
) ORDER BY position LIMIT 1
"""
"""As the release before this one asks, to which an operator may roll back."""

Files = dict[str, bytes]
"""A state directory as a kill leaves it."""

CRASHES = st.none() | st.integers(0, 200)
"""At which of the moments that an operation has; None: at none of them."""


@dataclass
class State:
    """What outbox and journal hold.

    `queue`: by sink and incident, the messages that wait, in order: alert, phase, with a picture.
    `refused`: sink and alert. `incidents`: id → whether it is closed.
    """

    queue: dict[tuple[str, str], list[tuple[str, str, bool]]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    incidents: dict[str, bool] = field(default_factory=dict)


class StorageMachine(RuleBasedStateMachine):
    """Does something to outbox and journal, perhaps with a kill in the middle."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="jikimi-machine-", dir=MEMORY))
        self.folder = self.root / "state"
        self.folder.mkdir()
        self.moments: list[Files] = []
        self.whole = True
        self.expected = State()
        self.opened: dict[str, Alert] = {}
        self.told: dict[str, list[Alert]] = {sink: [] for sink in SINKS}
        self.unwatch = watch_statements(lambda _: self.moments.append(files_in(self.folder)))
        self.start()

    def teardown(self) -> None:
        if not hasattr(self, "root"):
            return
        try:
            if self.whole:
                self.tell_all()
        finally:
            self.outbox.close(Deadline.after(5))
            self.unwatch()
            shutil.rmtree(self.root)
            self.moments.clear()  # a failure keeps its machine: 22 GB while it was made smaller

    @rule(crash=CRASHES)
    def submit_opened(self, crash: int | None) -> None:
        alert = make_alert(image=PICTURE)
        key = str(alert.incident_id)
        after = deepcopy(self.expected)
        for sink in SINKS:
            after.queue[sink, key] = [(str(alert.alert_id), "opened", True)]
        after.incidents[key] = False
        if self.does(lambda: self.put(alert), after, crash):
            self.opened[key] = alert

    @precondition(lambda self: self.open_incidents())
    @rule(data=st.data(), crash=CRASHES, phase=st.sampled_from(["updated", "closed"]))
    def submit_more(self, data: st.DataObject, crash: int | None, phase: str) -> None:
        key = data.draw(st.sampled_from(self.open_incidents()))
        self.follow(key, AlertPhase(phase), crash)

    @precondition(lambda self: any(self.expected.queue.values()))
    @rule(sink=st.sampled_from(SINKS), crash=CRASHES)
    def acknowledge(self, sink: str, crash: int | None) -> None:
        if message := self.next_due(sink):
            self.told[sink].append(message.alert)
            after = without(self.expected, sink, message.alert)
            self.does(lambda: self.outbox.acknowledge(message), after, crash)

    @rule(sink=st.sampled_from(SINKS), crash=CRASHES)
    def refuse(self, sink: str, crash: int | None) -> None:
        if message := self.next_due(sink):
            after = without(self.expected, sink, message.alert)
            after.refused.add((sink, str(message.alert.alert_id)))
            self.does(lambda: self.outbox.refuse(message, "too large"), after, crash)

    @rule(sink=st.sampled_from(SINKS), crash=CRASHES)
    def drop_image(self, sink: str, crash: int | None) -> None:
        if message := self.next_due(sink):
            after = deepcopy(self.expected)
            waiting = after.queue[sink, str(message.alert.incident_id)]
            waiting[0] = (*waiting[0][:2], False)
            self.does(lambda: self.outbox.drop_image(message), after, crash)

    @rule()
    def restart(self) -> None:
        self.outbox.close(Deadline.after(5))
        self.start()
        self.check()

    @rule(sink=st.sampled_from(SINKS))
    def roll_back(self, sink: str) -> None:
        """An older release reads all that waits, delivers one message, and this one is back."""
        self.outbox.close(Deadline.after(5))
        with closing(sqlite3.connect(self.folder / "outbox.sqlite")) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (1,)
            alert = old_release_delivers(database, sink)
        if alert is not None:
            self.told[sink].append(alert)
            self.expected = without(self.expected, sink, alert)
        self.start()
        self.check()

    def start(self) -> None:
        from alerting import StoredOutbox

        from detector.daemon.journal import Journal

        self.outbox = StoredOutbox(self.folder / "outbox.sqlite")
        self.journal = Journal(self.outbox.store)
        self.journal.left_open(datetime.now(UTC))

    def does(self, operation: Callable[[], object], after: State, crash: int | None) -> bool:
        """Do it, and die at one of its moments if `crash` says so; whether it has happened."""
        self.whole = False
        assert self.outbox.store.file.flush() is None
        self.moments = [files_in(self.folder)]
        operation()
        assert self.outbox.store.file.flush() is None
        self.moments.append(files_in(self.folder))
        before = self.expected
        self.expected = after
        if crash is None:
            self.check()
            self.whole = True
            return True
        left = self.moments[crash % len(self.moments)]
        self.outbox.close(Deadline.after(5))
        put_files(left, self.folder)
        found = self.found()
        assert found in (before, after)
        self.expected = found
        put_files(left, self.folder)
        self.start()
        self.whole = True
        return found == after

    def check(self) -> None:
        assert self.outbox.store.file.flush() is None
        assert self.found() == self.expected

    def found(self) -> State:
        """What a start on a copy of the folder finds."""
        from alerting import StoredOutbox

        folder = self.root / "copy"
        put_files(files_in(self.folder), folder)
        outbox = StoredOutbox(folder / "outbox.sqlite")
        state = State(refused={(one.sink, str(one.alert.alert_id)) for one in outbox.refused()})
        for sink in SINKS:
            while message := outbox.next_due(sink, outbox.store.clock.now()):
                alert = message.alert
                state.queue.setdefault((sink, str(alert.incident_id)), []).append(
                    (str(alert.alert_id), alert.phase.value, alert.image is not None)
                )
                outbox.acknowledge(message)
        outbox.close(Deadline.after(5))
        state.incidents = incidents_in(folder)
        return state

    def put(self, alert: Alert) -> None:
        phase = Phase(alert.phase.value)
        over = alert.sent_at if phase is Phase.CLOSED else None
        incident = Incident(
            alert.incident_id, alert.camera, alert.label, alert.opened_at, over, 0.9, phase
        )
        _, change = self.journal.change(incident)
        phases = dict.fromkeys(SINKS, alert.phase)
        stages = dict.fromkeys(SINKS, Stage.TOLD)
        self.outbox.put(alert, phases, self.outbox.store.clock.now(), stages, change)

    def follow(self, key: str, phase: AlertPhase, crash: int | None) -> None:
        alert = follow_up(self.opened[key], phase, 1)
        after = deepcopy(self.expected)
        for sink in SINKS:
            waiting = after.queue.setdefault((sink, key), [])
            if phase is AlertPhase.UPDATED:
                waiting[:] = [one for one in waiting if one[1] != "updated"]
            waiting.append((str(alert.alert_id), phase.value, False))
        after.incidents[key] = phase is AlertPhase.CLOSED
        self.does(lambda: self.put(alert), after, crash)

    def next_due(self, sink: str) -> Message | None:
        outbox: Outbox = self.outbox
        return outbox.next_due(sink, self.outbox.store.clock.now())

    def open_incidents(self) -> list[str]:
        return sorted(key for key, closed in self.expected.incidents.items() if not closed)

    def tell_all(self) -> None:
        """Close what is open, send again what was refused, deliver all; then look at the ledger."""
        for key in self.open_incidents():
            self.follow(key, AlertPhase.CLOSED, None)
        self.outbox.send_again(None)
        for sink in SINKS:
            while message := self.next_due(sink):
                self.told[sink].append(message.alert)
                self.outbox.acknowledge(message)
        told = {
            sink: [alert.model_dump(mode="json", exclude={"image"}) for alert in alerts]
            for sink, alerts in self.told.items()
        }
        found = Ledger(set(self.expected.incidents), (), told, (), 0).faults()
        found.pop("misordered", None)  # what was refused comes after what followed it
        assert found == {}


def without(state: State, sink: str, alert: Alert) -> State:
    """`state` once `alert`, the first of its incident, has left the queue."""
    after = deepcopy(state)
    first, *rest = after.queue.pop((sink, str(alert.incident_id)))
    assert first[:2] == (str(alert.alert_id), alert.phase.value)
    if rest:
        after.queue[sink, str(alert.incident_id)] = rest
    return after


def files_in(folder: Path) -> Files:
    """The folder's files; what SQLite shares between processes ends with them."""
    found = {}
    for file in folder.iterdir():
        if not file.name.endswith("-shm"):
            try:
                found[file.name] = file.read_bytes()
            except FileNotFoundError:
                continue  # gone meanwhile
    return found


def put_files(files: Files, folder: Path) -> None:
    """Make `folder` hold `files`, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def incidents_in(folder: Path) -> dict[str, bool]:
    """The journal on disk: id → whether it is closed."""
    found: dict[str, bool] = {}
    for file in ("incidents.sqlite", "outbox.sqlite"):
        if (folder / file).exists():
            with closing(sqlite3.connect(folder / file)) as database:
                named = "SELECT name FROM sqlite_master WHERE name = 'incidents'"
                if database.execute(named).fetchone():
                    rows = database.execute("SELECT id, closed_at FROM incidents").fetchall()
                    found |= {key: closed_at is not None for key, closed_at in rows}
    return found


def old_release_delivers(database: sqlite3.Connection, sink: str) -> Alert | None:
    """The first message of `sink` as an older release reads it, which then forgets it."""
    for rank in ("phase = 'opened'", "phase <> 'opened'"):
        now = datetime.now(UTC).timestamp()
        for key, phase, _ in database.execute(
            OLD_DUE.format(rank=rank), (sink, now, now + 600)
        ).fetchall():
            rows = database.execute("SELECT body, image FROM alert WHERE alert_id = ?", (key,))
            ((body, _),) = rows.fetchall()
            database.execute("DELETE FROM queue WHERE sink = ? AND alert_id = ?", (sink, key))
            database.execute(
                "DELETE FROM alert WHERE alert_id = ?1"
                " AND NOT EXISTS (SELECT 1 FROM queue WHERE alert_id = ?1)",
                (key,),
            )
            database.commit()
            alert = Alert.model_validate_json(body)
            assert alert.alert_id == UUID(key)
            return alert.model_copy(update={"phase": AlertPhase(phase)})
    return None


TestStorage = StorageMachine.TestCase
TestStorage.settings = settings(
    max_examples=100 if LONG else 8, stateful_step_count=15, deadline=None
)
TestStorage.pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
