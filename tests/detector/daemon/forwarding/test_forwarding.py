"""Alerts for a siren that hangs on another box, over a real PostgreSQL that the boxes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from alerting import Clock, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry
from sqlalchemy import select, text

from alerts.deadline import Deadline
from alerts.delivery.deliveries import Delivery, DeliveryState
from alerts.delivery.status import SinkState, SinkStatus
from alerts.dispatcher import Dispatcher
from alerts.message import Alert
from alerts.metrics import AlertMetrics
from alerts.sink import FarSink
from config.settings import SinkSettings
from detector.daemon.forwarding.forwarding import Forwarding
from detector.daemon.journal import OUTBOX
from detector.journal import tables
from detector.journal.database import open_journal
from journal_feeding import asked
from servers.postgresql import PostgresqlServer

pytestmark = pytest.mark.slow

NUMBERS = count()


class Box:
    """The parts of a daemon that take part; `sounds` lists the cameras for which its siren did."""

    def __init__(
        self, folder: Path, name: str, journal: str | None, sinks: Sequence[SinkSettings]
    ) -> None:
        self.name: str | None = name
        self.folder = folder
        self.clock = Clock()
        self.sinks = list(sinks)
        self.dispatcher = Dispatcher(
            self.sinks,
            folder / OUTBOX,
            AlertMetrics(CollectorRegistry()),
            self.clock,
            far_sinks=self._far_sink,
        )
        self.forwarding = Forwarding(
            journal, self.dispatcher, lambda: self.name, lambda: self.sinks
        )
        self._ended = False

    def _far_sink(self, one: SinkSettings) -> FarSink | None:
        return self.forwarding.far_sink(one)

    def start(self) -> Box:
        self.dispatcher.start()
        self.forwarding.look_again()
        return self

    def status(self, name: str = "siren") -> SinkStatus:
        [found] = [one for one in self.dispatcher.status() if one.name == name]
        return found

    def has(self, name: str = "siren", **counts: int) -> bool:
        return counts.items() <= self.status(name).counts.items()

    def delivery(self, alert: Alert, name: str = "siren") -> Delivery:
        [found] = [one for one in self.dispatcher.deliveries(alert.incident_id) if one.sink == name]
        return found

    def end(self) -> None:
        """As the daemon ends."""
        if not self._ended:
            self._ended = True
            self.forwarding.request_stop()
            self.dispatcher.stop(Deadline.after(20))
            self.forwarding.stop(Deadline.after(20))


class Town:
    """Boxes that share `journal`; each has its own siren program, at `command` in its folder."""

    def __init__(self, folder: Path, journal: str) -> None:
        self.folder = folder
        self.journal = journal
        self.boxes: list[Box] = []
        self.expiry_s: float | None = None

    def siren(self, at: str, box: str) -> SinkSettings:
        """The siren of the one configuration, as `box` reads it: its program is its hardware."""
        script = self.folder / box / "siren"
        script.parent.mkdir(exist_ok=True)
        if not script.exists():
            script.write_text(f'#!/bin/sh\necho "$JIKIMI_CAMERA" >> {script}.sounds\n')
            script.chmod(0o700)
        return sink("siren", command=[str(script)], box=at, expiry_s=self.expiry_s)

    def make(self, name: str, *sinks: SinkSettings, journal: str | None = "") -> Box:
        """A box yet to be started; with a siren on `harbour`, unless other sinks are said."""
        chosen = sinks or (self.siren("harbour", name),)
        where = self.journal if journal == "" else journal
        (self.folder / name).mkdir(exist_ok=True)
        self.boxes.append(Box(self.folder / name, name, where, chosen))
        return self.boxes[-1]

    def box(self, name: str, *sinks: SinkSettings) -> Box:
        """The same, running."""
        return self.make(name, *sinks).start()

    def sounds(self, name: str) -> list[str]:
        path = self.folder / name / "siren.sounds"
        return path.read_text().split() if path.exists() else []

    def change(self, what: str) -> None:
        """Of what was forwarded."""
        statement = text(f"UPDATE forwarded SET {what}")
        asked(self.journal, lambda c: (c.execute(statement), c.commit()))

    def rows(self) -> list[tuple[str, str | None]]:
        """By time: box and reply of what was forwarded."""
        query = select(tables.forwarded.c.box, tables.forwarded.c.reply)
        return [
            (box, reply) for box, reply in asked(self.journal, lambda c: c.execute(query).all())
        ]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def town(tmp_path: Path, postgresql: PostgresqlServer) -> Iterator[Town]:
    journal = postgresql.fresh_database(f"town{next(NUMBERS)}")
    open_journal(journal).dispose()
    made = Town(tmp_path, journal)
    yield made
    for one in made.boxes:
        one.end()


def reached(box: Box, name: str = "siren") -> None:
    wait_for(lambda: box.status(name).state is SinkState.WORKING)


def test_the_siren_sounds_on_its_own_box_alone_and_the_sender_hears_of_it(town: Town) -> None:
    harbour, gate = town.box("harbour"), town.box("gate")
    reached(gate)
    drill = make_alert(exercise=True)
    gate.dispatcher.submit(drill)
    wait_for(lambda: gate.has(delivered=1))
    assert town.sounds("harbour") == ["gate"]
    assert town.sounds("gate") == []
    told = gate.delivery(drill)
    assert told.state is DeliveryState.DELIVERED
    assert told.after_ms is not None
    assert not harbour.has(delivered=1)  # it is counted where it is watched
    assert harbour.status().state is SinkState.WORKING


def test_its_own_box_drives_it_without_the_journal(
    town: Town, postgresql: PostgresqlServer
) -> None:
    postgresql.stop()
    try:
        harbour, gate = town.box("harbour"), town.box("gate")
        harbour.dispatcher.submit(make_alert(camera="quay"))
        wait_for(lambda: harbour.has(delivered=1))
        assert town.sounds("harbour") == ["quay"]
        gate.dispatcher.submit(make_alert())
        wait_for(lambda: gate.has(failed=1))
        assert gate.status().state is SinkState.FAILING
        reason = gate.status().last_error or ""
        assert reason.startswith("box harbour is not reached: PostgreSQL at 127.0.0.1:")
        assert "does not answer" in reason
        assert gate.status().depth == 1
        gate.clock.advance(31)
        gate.dispatcher.wake()
        wait_for(lambda: gate.has(expired=1))
    finally:
        postgresql.start()
    reached(gate)
    assert town.sounds("harbour") == ["quay"]
    gate.dispatcher.submit(make_alert(camera="yard"))
    wait_for(lambda: town.sounds("harbour") == ["quay", "yard"])


def test_a_journal_that_hangs_is_said_and_what_expires_meanwhile_never_sounds(
    town: Town, postgresql: PostgresqlServer
) -> None:
    harbour, gate = town.box("harbour"), town.box("gate")
    reached(gate)
    postgresql.freeze()
    try:
        gate.dispatcher.submit(make_alert())
        wait_for(lambda: gate.status().state is SinkState.FAILING, 40)
        assert "does not answer" in (gate.status().last_error or "")
        harbour.dispatcher.submit(make_alert(camera="quay"))
        wait_for(lambda: harbour.has(delivered=1))
        for one in (harbour, gate):
            one.clock.advance(31)
        gate.dispatcher.wake()
        wait_for(lambda: gate.has(expired=1), 40)
    finally:
        postgresql.thaw()
    reached(gate)
    gate.dispatcher.submit(make_alert(camera="yard"))
    wait_for(lambda: town.sounds("harbour") == ["quay", "yard"])


def test_what_was_sent_before_its_box_started_sounds_once_if_it_has_not_expired(
    town: Town,
) -> None:
    gate, yard = town.box("gate"), town.box("yard")
    wait_for(lambda: gate.status().state is SinkState.FAILING)
    assert "no box harbour was ever heard of" in (gate.status().last_error or "")
    gate.dispatcher.submit(make_alert(camera="old"))
    yard.dispatcher.submit(make_alert(camera="new"))
    wait_for(lambda: len(town.rows()) == 2)
    gate.end()
    town.change("sent_at = sent_at - interval '31 s' WHERE body LIKE '%\"camera\":\"old\"%'")
    harbour = town.box("harbour")
    wait_for(lambda: sorted(reply or "" for _, reply in town.rows()) == REPLIES)
    wait_for(lambda: yard.has(delivered=1))
    assert town.sounds("harbour") == ["new"]
    assert not harbour.has(delivered=1)


REPLIES = ["DeferredError", "delivered"]


def test_a_sender_that_has_not_heard_the_reply_does_not_have_it_sound_again(town: Town) -> None:
    town.box("harbour")
    gate = town.box("gate")
    reached(gate)
    alert = make_alert()
    gate.dispatcher.submit(alert)
    wait_for(lambda: gate.has(delivered=1))
    yard = town.box("yard")  # which has taken over from `gate`, that died before it knew
    reached(yard)
    yard.dispatcher.submit(alert)
    wait_for(lambda: yard.has(delivered=1))
    assert town.sounds("harbour") == ["gate"]


def test_what_its_box_was_given_is_delivered_by_that_box_once_it_is_back(town: Town) -> None:
    harbour, gate = town.box("harbour"), town.box("gate")
    reached(gate)
    harbour.end()
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: town.rows() == [("harbour", None)])
    town.box("harbour")
    wait_for(lambda: gate.has(delivered=1), 40)
    assert town.sounds("harbour") == ["gate"]


def test_a_dead_box_is_named_and_holds_up_no_other_sink(town: Town, tmp_path: Path) -> None:
    sinks = [town.siren("harbour", "gate"), sink("recording", "desk", path=tmp_path / "desk")]
    gate = town.box("gate", *sinks)
    harbour = town.box("harbour")
    reached(gate)
    harbour.end()
    wait_for(lambda: gate.status().state is SinkState.FAILING)
    assert "box harbour was last heard of" in (gate.status().last_error or "")
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: gate.has("desk", delivered=1))


def test_what_its_sink_says_there_is_said_here(town: Town) -> None:
    broken = sink(
        "siren", command=["/bin/sh", "-c", "echo no sound card >&2; exit 3"], box="harbour"
    )
    harbour, gate = town.box("harbour", broken), town.box("gate")
    reached(gate)
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: gate.has(failed=1))
    assert gate.status().last_error == (
        "box harbour: siren command /bin/sh failed with code 3: no sound card"
    )
    assert gate.status().state is SinkState.FAILING
    assert harbour.status().state is SinkState.FAILING
    assert gate.status().depth == 1


def test_what_its_program_refuses_is_set_aside_by_the_sender_alone(town: Town) -> None:
    program = ["/bin/sh", "-c", "echo not for me >&2; exit 65"]
    sinks = [sink("exec", command=program, box="harbour")]
    harbour, gate = town.box("harbour", *sinks), town.box("gate", *sinks)
    reached(gate, "exec")
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: gate.has("exec", refused=1))
    [refused] = gate.dispatcher.refused()
    assert refused.reason == "box harbour: /bin/sh ended with 65: not for me"
    assert harbour.dispatcher.refused() == []


def test_a_program_gets_the_alert_with_its_picture(town: Town, tmp_path: Path) -> None:
    program = ["/bin/sh", "-c", f"cat >> {tmp_path}/got"]
    sinks = [sink("exec", command=program, box="harbour")]
    town.box("harbour", *sinks)
    gate = town.box("gate", *sinks)
    reached(gate, "exec")
    opened = make_alert(image=b"\xff\xd8picture")
    gate.dispatcher.submit(opened)
    wait_for(lambda: gate.has("exec", delivered=1))
    got = Alert.model_validate_json((tmp_path / "got").read_text())
    assert (got.alert_id, got.image) == (opened.alert_id, opened.image)


def test_nothing_begins_that_is_silenced_where_it_would_sound(town: Town) -> None:
    harbour, gate = town.box("harbour"), town.box("gate")
    reached(gate)
    harbour.dispatcher.cameras.silence(None, 60)
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: gate.has(delivered=1))
    assert town.sounds("harbour") == []
    assert harbour.has(silenced=1)
    gate.dispatcher.submit(make_alert(exercise=True, camera="drill"))
    wait_for(lambda: town.sounds("harbour") == ["drill"])


def test_a_box_whose_configuration_has_no_such_siren_says_so(town: Town) -> None:
    town.box("harbour", town.siren("harbour", "harbour").model_copy(update={"name": "other"}))
    gate = town.box("gate")
    reached(gate)
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: gate.has(failed=1))
    assert gate.status().last_error == (
        "box harbour: no sink siren hangs on it by its configuration"
    )


def test_without_a_journal_that_boxes_share_it_says_what_to_do(town: Town) -> None:
    gate = town.make("gate", journal=None).start()
    wait_for(lambda: gate.status().state is SinkState.FAILING)
    assert "state journal: url:" in (gate.status().last_error or "")


def test_a_box_by_itself_drives_it(town: Town) -> None:
    alone = town.make("alone")
    alone.name = None
    alone.start()
    alone.dispatcher.submit(make_alert())
    wait_for(lambda: alone.has(delivered=1))
    assert town.sounds("alone") == ["gate"]


def test_what_is_old_is_removed(town: Town) -> None:
    gate = town.box("gate")
    gate.dispatcher.submit(make_alert())
    wait_for(lambda: town.rows() == [("harbour", None)], 60)
    gate.end()
    town.change("put_at = put_at - interval '61 min'")
    town.box("yard")
    wait_for(lambda: town.rows() == [])
