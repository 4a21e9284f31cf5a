"""A sink whose thread died or hangs: another goes on with what waits, where that is safe."""

from __future__ import annotations

import time

import pytest
from alerting import Dispatching, ScriptedSink, got, make_alert, sink, wait_for

from alerts.deadline import Deadline
from alerts.delivery import worker
from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.liveness import FaultKind, LiveThread
from alerts.message import CameraNotice

DEADLINE_S = 10.0


def thread(dispatcher: Dispatcher, name: str) -> LiveThread:
    [found] = [one for one in dispatcher.threads() if one.name == f"sink-{name}"]
    return found


def fault(one: LiveThread) -> FaultKind | None:
    found = one.fault(time.monotonic())
    return found and found.kind


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_where_a_sinks_thread_died_another_with_a_new_sink_goes_on(
    dispatching: Dispatching,
) -> None:
    dispatcher = dispatching(sink("scripted"), sink("recording"))
    dispatcher.submit(make_alert())
    got("scripted", 1)
    first = ScriptedSink.made["scripted"]
    notice = CameraNotice("gate", "yard", "live", make_alert().opened_at)
    dispatcher.cameras.show(notice)
    dispatcher.cameras.watched_elsewhere(frozenset({"pier"}))
    ScriptedSink.faults.append(SystemExit())  # type: ignore[arg-type]
    second = make_alert()
    dispatcher.submit(second)
    dead = thread(dispatcher, "scripted")
    dead.join(DEADLINE_S)
    assert fault(dead) is FaultKind.DIED
    assert dispatcher.status()[0].state is SinkState.FAILING
    assert "died (SystemExit)" in str(dispatcher.status()[0].last_error)

    dead.renew()
    wait_for(lambda: ScriptedSink.made["scripted"] is not first)
    assert [alert.alert_id for alert in got("scripted", 1)] == [second.alert_id]
    assert first.closed
    assert ScriptedSink.made["scripted"].shown == [notice]
    assert ScriptedSink.made["scripted"].elsewhere == {"pier"}
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered") == 2)
    assert dispatcher.status()[0].state is SinkState.WORKING
    assert fault(thread(dispatcher, "scripted")) is None


def test_a_sink_that_hangs_is_left_behind_and_another_goes_on(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HANGS_AFTER_S", 0.1)
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"), sink("siren2"))
    alert = make_alert()
    dispatcher.submit(alert)
    hung, siren = thread(dispatcher, "scripted"), thread(dispatcher, "siren2")
    wait_for(lambda: fault(hung) is FaultKind.STUCK and fault(siren) is FaultKind.STUCK)
    assert [status.state for status in dispatcher.status()] == [SinkState.FAILING] * 2
    assert "no progress" in str(dispatcher.status()[0].last_error)
    assert siren.replace is None  # two would fight over one relay
    assert hung.replace

    first = ScriptedSink.made["scripted"]
    hung.replace()
    wait_for(lambda: ScriptedSink.made["scripted"] is not first)
    ScriptedSink.gate.set()
    assert got("scripted", 1)[0].alert_id == alert.alert_id
    wait_for(lambda: first.closed)  # it came back, and took its leave
    assert not hung.is_alive()


def test_what_is_stopping_is_not_replaced(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"))
    one = thread(dispatcher, "scripted")
    dispatcher.stop(Deadline.after(DEADLINE_S))
    one.renew()
    assert thread(dispatcher, "scripted") is one
    assert not one.is_alive()
