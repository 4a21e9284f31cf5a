"""What becomes of an exercise at each sink."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

from alerting import (
    Clock,
    Dispatching,
    ScriptedSink,
    follow_up,
    make_alert,
    sink,
    wait_for,
)
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.delivery.deliveries import Delivery, DeliveryState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertPhase
from alerts.sink import RefusedError
from config.errors import DeliveryError
from config.secrets import register_secret
from config.settings import RouteSettings

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


def drill(dispatcher: Dispatcher, **changes: Any) -> UUID:
    """An exercise as `jikimi drill` sends it; its incident's id."""
    opened = make_alert(exercise=True, **changes)
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, CLOSED, 1, exercise=True))
    return opened.incident_id


def reported(dispatcher: Dispatcher, incident_id: UUID) -> list[Delivery]:
    """The deliveries, once none is queued."""

    def finished() -> list[Delivery]:
        found = dispatcher.deliveries(incident_id)
        return [] if any(d.state is DeliveryState.QUEUED for d in found) else found

    return wait_for(finished)  # type: ignore[no-any-return]


def test_an_exercise_is_reported_sink_by_sink(dispatching: Dispatching) -> None:
    dispatcher = dispatching(
        sink("scripted", "station"),
        sink("recording", "elsewhere", route=RouteSettings(cameras=["door"])),
        sink("siren2", "horn"),
    )
    station, elsewhere, horn = reported(dispatcher, drill(dispatcher))
    assert elsewhere == Delivery("elsewhere", DeliveryState.NOT_ROUTED)
    for name, delivery in (("station", station), ("horn", horn)):
        assert (delivery.sink, delivery.state) == (name, DeliveryState.DELIVERED)
        assert delivery.after_ms is not None
        assert 0 <= delivery.after_ms < 20_000
        assert delivery.error is None


def test_an_exercise_is_queued_until_a_sink_has_answered(dispatching: Dispatching) -> None:
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"), sink("recording", "other"))
    assert dispatcher.deliveries(uuid7()) == [
        Delivery("scripted", DeliveryState.QUEUED),
        Delivery("other", DeliveryState.QUEUED),
    ]
    incident_id = drill(dispatcher)
    assert wait_for(lambda: ScriptedSink.made.get("scripted")).entered.wait(20)
    assert dispatcher.deliveries(incident_id)[0] == Delivery("scripted", DeliveryState.QUEUED)
    ScriptedSink.gate.set()
    assert {d.state for d in reported(dispatcher, incident_id)} == {DeliveryState.DELIVERED}


def test_an_exercise_that_waits_behind_what_fails_has_failed_and_arrives_later(
    dispatching: Dispatching,
) -> None:
    register_secret("hunter2/x")
    ScriptedSink.faults = [DeliveryError("refused hunter2/x")] * 1000
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    incident_id = drill(dispatcher)
    (failed,) = reported(dispatcher, incident_id)
    assert failed.state is DeliveryState.FAILED
    assert failed.after_ms is None
    assert str(failed.error).startswith("refused ")
    assert "hunter2" not in str(failed)
    ScriptedSink.faults.clear()
    wait_for(lambda: dispatcher.deliveries(incident_id)[0].state is DeliveryState.DELIVERED)


def test_a_refused_alert_is_no_failure_of_an_exercise_beside_it(dispatching: Dispatching) -> None:
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    incident_id = drill(dispatcher)
    assert wait_for(lambda: ScriptedSink.made.get("scripted")).entered.wait(20)
    seen = []
    deliver = ScriptedSink.made["scripted"].deliver

    def note(alert: Alert) -> None:
        seen.append(dispatcher.deliveries(incident_id)[0].state)
        deliver(alert)

    ScriptedSink.made["scripted"].deliver = note  # type: ignore[method-assign]
    ScriptedSink.faults = [RefusedError("no such camera")]
    ScriptedSink.gate.set()
    wait_for(lambda: seen)
    assert seen[0] is DeliveryState.QUEUED


def test_an_exercise_fails_where_the_sink_cannot_start_or_takes_too_long(
    dispatching: Dispatching,
) -> None:
    clock = Clock()
    ScriptedSink.start_faults = [OSError("no such pin")] * 1000
    dispatcher = dispatching(sink("scripted"), clock=clock)
    assert reported(dispatcher, drill(dispatcher)) == [
        Delivery("scripted", DeliveryState.FAILED, error="no such pin")
    ]
    dispatcher.stop(Deadline.after(5))
    ScriptedSink.start_faults = []
    submitted = threading.Event()
    ScriptedSink.while_starting = [lambda: submitted.wait(10), lambda: clock.advance(31)]
    dispatcher = dispatching(sink("siren2", "horn"), clock=clock)
    exercise = drill(dispatcher)
    submitted.set()
    assert reported(dispatcher, exercise) == [
        Delivery("horn", DeliveryState.FAILED, error="expired before the sink took it")
    ]
