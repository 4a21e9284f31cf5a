"""Sinks that wait for an operator: confirmed, dismissed, timed out; over restarts, too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from alerting import (
    Clock,
    Dispatching,
    ScriptedSink,
    follow_up,
    got,
    make_alert,
    phases,
    settled,
    sink,
    wait_for,
)
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertContext, AlertPhase
from config.settings import ConfirmSettings, RouteSettings, SinkSettings

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED
ASKS = ConfirmSettings()
DROPS = ConfirmSettings(within_s=30, then="drop")


def asking(
    kind: str = "scripted", name: str = "police", confirm: ConfirmSettings = ASKS, **more: object
) -> SinkSettings:
    return sink(kind, name, **more).model_copy(update={"confirm": confirm})  # type: ignore[arg-type]


def whole_incident(dispatcher: Dispatcher) -> Alert:
    """One that has opened, gone on and closed."""
    opened = make_alert()
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, UPDATED, 1))
    dispatcher.submit(follow_up(opened, CLOSED, 2))
    return opened


def journalled(dispatcher: Dispatcher) -> list[str]:
    rows = dispatcher.store.read("SELECT body FROM pending WHERE kind = 'delivery'")
    return [body for (body,) in rows]


def wake(dispatcher: Dispatcher) -> None:
    """The workers look again: the test's clock has gone on."""
    for worker in dispatcher._workers.by_name.values():
        worker.wake()


def test_it_waits_for_the_operator_while_others_are_told(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(asking(), sink("scripted", "siren"), clock=clock)
    opened = whole_incident(dispatcher)
    got("siren", 3)
    settled(dispatcher)
    assert phases("police") == []
    (waiting,) = dispatcher.confirming.awaiting()[opened.incident_id]
    assert (waiting.sink, waiting.camera, waiting.then) == ("police", "gate", "send")
    assert (waiting.until - clock.utc(clock.now())).total_seconds() == pytest.approx(60)
    police = dispatcher.status()[0]
    assert (police.awaiting, police.depth) == (1, 0)
    assert {one.is_held for one in dispatcher.queued(10)} == {True}

    clock.advance(55)
    assert dispatcher.confirming.confirm(opened.incident_id) == (["police"], [])
    got("police", 3)
    settled(dispatcher)
    assert phases("police") == [OPENED, UPDATED, CLOSED]
    assert not ScriptedSink.made["police"].got[0].late
    assert dispatcher.confirming.awaiting() == {}
    assert dispatcher.confirming.confirm(opened.incident_id) == ([], [])


def test_nothing_is_told_of_what_was_dismissed(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    dispatcher = dispatching(asking(), asking(name="fire"))
    opened = make_alert()
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, UPDATED, 1))
    named = {"sink": "police"}
    gauge = "jikimi_outbox_awaiting_confirmation"
    assert prometheus.get_sample_value(gauge, named) == 1
    spared = dispatcher.confirming.dismiss(opened.incident_id, "dismissed by kim")
    assert spared == (["police", "fire"], [])
    dispatcher.submit(follow_up(opened, UPDATED, 2))
    dispatcher.submit(follow_up(opened, CLOSED, 3))
    after = make_alert()
    dispatcher.submit(after)
    dispatcher.confirming.confirm(after.incident_id)
    assert [one.incident_id for one in got("police", 1)] == [after.incident_id]
    settled(dispatcher)
    assert phases("police") == [OPENED]
    assert prometheus.get_sample_value(gauge, named) == 0
    counted = {**named, "result": "dismissed"}
    assert prometheus.get_sample_value("jikimi_deliveries_total", counted) == 1
    told = [body for body in journalled(dispatcher) if '"dismissed"' in body]
    assert len(told) == 2
    assert all("dismissed by kim" in body and str(opened.alert_id) in body for body in told)


def test_what_nobody_confirms_is_sent_or_dropped_as_stated(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(asking(), asking(name="drops", confirm=DROPS), clock=clock)
    opened = make_alert()
    dispatcher.submit(opened)
    clock.advance(29.9)
    wake(dispatcher)
    waits = dispatcher.confirming.awaiting()[opened.incident_id]
    assert {one.sink for one in waits} == {"police", "drops"}
    clock.advance(0.2)
    wake(dispatcher)
    wait_for(lambda: dispatcher.status()[1].counts.get("unconfirmed") == 1)
    assert phases("police") == []
    clock.advance(30)
    wake(dispatcher)
    got("police", 1)
    dispatcher.submit(follow_up(opened, CLOSED, 1))
    got("police", 2)
    settled(dispatcher)
    assert phases("police") == [OPENED, CLOSED]
    assert not ScriptedSink.made["police"].got[0].late
    assert phases("drops") == []
    assert any('"unconfirmed"' in body for body in journalled(dispatcher))


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "killed"])
def test_it_waits_on_over_a_restart(dispatching: Dispatching, stopped: bool) -> None:
    clock = Clock()
    dispatcher = dispatching(asking(), clock=clock)
    first, second = make_alert(), make_alert()
    dispatcher.submit(first)
    dispatcher.submit(second)
    dispatcher.submit(follow_up(second, CLOSED, 1))
    assert dispatcher.stored() is None
    if stopped:
        dispatcher.stop(Deadline.after(5))
    else:
        dispatcher.store.file.close(Deadline.after(5))  # nothing but what is on the disk counts
        dispatcher.request_stop()
    clock.advance(20)
    again = dispatching(asking(), clock=clock.restarted())
    waits = again.confirming.awaiting()
    assert list(waits) == [first.incident_id, second.incident_id]
    left = (waits[first.incident_id][0].until - clock.utc(clock.now())).total_seconds()
    assert left == pytest.approx(40, abs=1)
    assert phases("police") == []
    again.confirming.dismiss(first.incident_id, "")
    again.confirming.confirm(second.incident_id)
    assert [one.incident_id for one in got("police", 2)] == [second.incident_id] * 2


def test_a_siren_that_waits_expires_from_the_confirmation(dispatching: Dispatching) -> None:
    clock = Clock()
    patient = ConfirmSettings(within_s=600)
    dispatcher = dispatching(asking("siren2", "horn", patient), clock=clock)
    opened = make_alert()
    dispatcher.submit(opened)
    clock.advance(300)  # ten times its expiry
    wake(dispatcher)
    dispatcher.confirming.confirm(opened.incident_id)
    got("horn", 1)
    settled(dispatcher)


def test_no_siren_sounds_after_a_night_without_power(dispatching: Dispatching) -> None:
    clock = Clock()
    settings = asking("siren2", "horn")
    dispatcher = dispatching(settings, clock=clock)
    dispatcher.submit(make_alert())
    dispatcher.stop(Deadline.after(5))
    clock.advance(8 * 3600)
    again = dispatching(settings, clock=clock.restarted())
    wait_for(lambda: again.status()[0].counts.get("expired") == 1)
    assert phases("horn") == []


@pytest.mark.parametrize("then", ["send", "drop"])
@pytest.mark.parametrize("damaged", [float("inf"), "soon", b"\xff", "set back"])
def test_an_alarm_whose_time_is_damaged_is_sent(
    dispatching: Dispatching, tmp_path: Path, damaged: object, then: Literal["send", "drop"]
) -> None:
    clock = Clock()
    settings = asking(confirm=ConfirmSettings(then=then))
    dispatcher = dispatching(settings, clock=clock)
    dispatcher.submit(make_alert())
    dispatcher.stop(Deadline.after(5))
    if damaged == "set back":
        clock.set_by(-3600)
    else:
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as database, database:
            database.execute("UPDATE queue SET retry_at = ?", (damaged,))
    dispatching(settings, clock=clock.restarted())
    got("police", 1)


def test_exercises_and_cameras_lost_do_not_wait(dispatching: Dispatching) -> None:
    dispatcher = dispatching(asking())
    dispatcher.submit(make_alert(exercise=True))
    dispatcher.submit(make_alert(phase="camera_lost", label="camera"))
    got("police", 2)


def test_what_was_judged_before_a_sink_heard_of_it_counts(dispatching: Dispatching) -> None:
    patient = RouteSettings(min_duration_s=5)
    dispatcher = dispatching(asking(route=patient), sink("scripted", "other"))
    real, false = make_alert(), make_alert()
    for opened in (real, false):
        dispatcher.submit(opened, AlertContext(duration_s=1))
    assert dispatcher.confirming.confirm(real.incident_id, is_open=True) == ([], ["police"])
    assert dispatcher.confirming.dismiss(false.incident_id, "", is_open=True) == ([], ["police"])
    for opened in (false, real):
        dispatcher.submit(follow_up(opened, UPDATED, 1), AlertContext(duration_s=6))
    assert [one.incident_id for one in got("police", 1)] == [real.incident_id]
    assert phases("police") == [OPENED]
    # A slip of the finger can be put right while it goes on.
    assert dispatcher.confirming.confirm(false.incident_id, is_open=True) == ([], ["police"])
    dispatcher.submit(follow_up(false, UPDATED, 2), AlertContext(duration_s=9))
    assert [one.phase for one in got("police", 2)] == [OPENED, OPENED]


def test_a_sink_that_is_removed_or_asks_no_more_loses_nothing(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(asking(), clock=clock)
    first = make_alert()
    dispatcher.submit(first)
    dispatcher.reconfigure([], Deadline.after(5))
    dispatcher.reconfigure([sink("scripted", "police")], Deadline.after(5))
    assert list(dispatcher.confirming.awaiting()) == [first.incident_id]
    dispatcher.submit(make_alert())
    got("police", 1)
    clock.advance(61)
    wake(dispatcher)
    got("police", 2)


def test_a_phone_gathers_what_is_confirmed_and_nothing_else(dispatching: Dispatching) -> None:
    dispatcher = dispatching(asking("phone", "guard"))
    first, second = make_alert(), make_alert()
    for opened in (first, second):
        dispatcher.submit(opened)
        dispatcher.submit(follow_up(opened, UPDATED, 1))
    dispatcher.confirming.confirm(second.incident_id)
    assert {one.incident_id for one in got("guard", 2)} == {second.incident_id}


def test_a_worker_does_not_spin_while_an_operator_thinks(dispatching: Dispatching) -> None:
    dispatcher = dispatching(asking())
    opened = make_alert()
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, UPDATED, 1))
    next_at = dispatcher._outbox.next_retry_at("police")
    assert next_at is not None
    assert next_at - dispatcher._clock.now() > 50


LINKS = {"console": "https://box/i", "confirm": "https://box/i?ask=confirm"}
TOLD_ONLY = {"console": "https://box/i"}


def links(name: str) -> list[dict[str, str]]:
    return [alert.links for alert in ScriptedSink.made[name].got]


@pytest.mark.parametrize("kind", ["scripted", "phone"])
def test_the_link_to_confirm_is_there_while_a_sink_waits(
    dispatching: Dispatching, kind: str
) -> None:
    lasting = RouteSettings(min_duration_s=5)
    police = asking(kind, route=lasting)
    dispatcher = dispatching(police, sink("scripted", "book"), clock=Clock())
    opened = make_alert(links=LINKS)
    dispatcher.submit(opened, AlertContext(duration_s=1))  # the police wait for none yet
    for number, seconds in ((1, 6), (2, 7)):
        update = follow_up(opened, UPDATED, number, links=LINKS)
        dispatcher.submit(update, AlertContext(duration_s=seconds))
        got("book", number + 1)
    dispatcher.confirming.confirm(opened.incident_id)
    dispatcher.submit(follow_up(opened, CLOSED, 3, links=LINKS))
    got("book", 4)
    assert links("book") == [TOLD_ONLY, LINKS, LINKS, TOLD_ONLY]
    # Not for all: the clock stands, and what comes soon after the first message waits by it.
    wait_for(lambda: links("police"))
    assert links("police")[0] == TOLD_ONLY  # which has been confirmed


def test_where_nothing_waits_there_is_no_link_to_confirm(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted", "book"))
    dispatcher.submit(make_alert(links=LINKS))
    got("book", 1)
    assert links("book") == [TOLD_ONLY]
