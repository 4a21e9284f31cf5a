"""From `submit` to the sinks: who gets what, when, and what failure does to it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alerting import Dispatching, ScriptedSink, follow_up, make_alert, sink, wait_for
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from alerts.backoff import backoff_s
from alerts.deadline import Deadline
from alerts.deliveries import Delivery, DeliveryState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertContext, AlertPhase, CameraNotice
from alerts.metrics import RESULTS
from alerts.sink import RejectedError
from alerts.worker import SinkState
from config.errors import ConfigError, DeliveryError
from config.secrets import register_secret
from config.settings import RouteSettings

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


class Clock:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def got(name: str, count: int) -> list[Alert]:
    wait_for(lambda: name in ScriptedSink.made and len(ScriptedSink.made[name].got) >= count)
    assert len(ScriptedSink.made[name].got) == count
    return ScriptedSink.made[name].got


def settled(dispatcher: Dispatcher) -> None:
    """Everything submitted so far has been delivered or dropped."""
    wait_for(lambda: all(status.depth == 0 for status in dispatcher.status()))


def phases(name: str) -> list[AlertPhase]:
    return [alert.phase for alert in ScriptedSink.made[name].got]


def test_a_stuck_sink_holds_up_neither_submit_nor_the_others(dispatching: Dispatching) -> None:
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted", "stuck"), sink("recording"))
    for _ in range(20):
        dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[1].counts.get("delivered") == 20)
    assert dispatcher.status()[0].depth == 20


def test_submit_names_the_sinks_that_are_told(dispatching: Dispatching) -> None:
    elsewhere = sink("recording", "elsewhere", route=RouteSettings(cameras=["yard"]))
    dispatcher = dispatching(sink("recording", "police"), elsewhere)
    assert dispatcher.submit(make_alert()) == ["police"]
    dispatcher.silence(None, datetime.now(UTC) + timedelta(minutes=1))
    assert dispatcher.submit(make_alert()) == []


def test_stop_waits_no_longer_than_told_and_keeps_what_is_undelivered(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"), sink("siren2"))
    alert = make_alert()
    dispatcher.submit(alert)
    for name in ("scripted", "siren2"):
        wait_for(lambda name=name: name in ScriptedSink.made)
        assert ScriptedSink.made[name].entered.wait(20)
    dispatcher.stop(Deadline.after(0.2))  # returns although the sinks are stuck until `gate` opens
    assert not ScriptedSink.made["scripted"].closed
    ScriptedSink.made = {}
    dispatcher = dispatching(sink("scripted"))
    ScriptedSink.gate.set()
    assert [a.alert_id for a in got("scripted", 1)] == [alert.alert_id]


def test_failures_are_tried_again_in_order_with_the_same_ids(dispatching: Dispatching) -> None:
    ScriptedSink.faults = [DeliveryError("down"), ConnectionResetError("fault in the sink")]
    dispatcher = dispatching(sink("scripted"))
    opened = make_alert()
    closed = follow_up(opened, CLOSED, 1)
    dispatcher.submit(opened)
    dispatcher.submit(closed)
    assert [a.alert_id for a in got("scripted", 2)] == [opened.alert_id, closed.alert_id]
    settled(dispatcher)
    assert dispatcher.status()[0].counts == {"failed": 2, "delivered": 2}


def test_one_refused_alert_holds_up_no_other(dispatching: Dispatching) -> None:
    ScriptedSink.gate.clear()
    ScriptedSink.faults = [RejectedError("no such camera")] * 3
    dispatcher = dispatching(sink("scripted"))
    refused, other = make_alert(), make_alert()
    dispatcher.submit(refused)
    dispatcher.submit(other)
    ScriptedSink.faults = ScriptedSink.faults[:1]
    ScriptedSink.gate.set()
    assert [a.alert_id for a in got("scripted", 2)] == [other.alert_id, refused.alert_id]


def test_a_sink_that_cannot_start_is_tried_again(dispatching: Dispatching) -> None:
    ScriptedSink.start_faults = [OSError("no such pin")]
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    got("scripted", 1)
    (status,) = dispatcher.status()
    assert (status.state, status.last_error) == (SinkState.WORKING, "no such pin")


def test_errors_are_scrubbed(dispatching: Dispatching) -> None:
    register_secret("hunter2/x")
    ScriptedSink.faults = [DeliveryError("refused hunter2/x"), ValueError("hunter2%2Fx")]
    with capture_logs() as logs:
        dispatcher = dispatching(sink("scripted"))
        dispatcher.submit(make_alert())
        got("scripted", 1)
        settled(dispatcher)
    assert "hunter2" not in f"{logs} {dispatcher.status()}"


def test_a_siren_stays_silent_about_old_news_and_the_station_is_told_late(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    clock = Clock()
    dispatcher = dispatching(sink("siren2"), sink("scripted"), clock=clock)
    old = make_alert(sent_at=clock.now - timedelta(seconds=31))
    fresh = make_alert(sent_at=clock.now - timedelta(seconds=29))
    dispatcher.submit(old)
    dispatcher.submit(follow_up(old, CLOSED, 1))
    dispatcher.submit(fresh)
    settled(dispatcher)
    assert [a.alert_id for a in got("siren2", 1)] == [fresh.alert_id]
    assert not got("siren2", 1)[0].late
    assert {a.alert_id: a.late for a in got("scripted", 3) if a.phase is OPENED} == {
        old.alert_id: True,
        fresh.alert_id: False,
    }
    wait_for(lambda: dispatcher.status()[1].counts == {"late": 1, "delivered": 2})
    value = prometheus.get_sample_value
    assert value("jikimi_deliveries_total", {"sink": "siren2", "result": "expired"}) == 1
    assert value("jikimi_deliveries_total", {"sink": "scripted", "result": "late"}) == 1


def test_what_expires_while_a_siren_starts_does_not_sound(dispatching: Dispatching) -> None:
    clock = Clock()
    ScriptedSink.while_starting = [lambda: clock.advance(31)]
    alert = make_alert(sent_at=clock.now)
    dispatcher = dispatching(sink("siren2"), clock=clock)
    dispatcher.submit(alert)
    settled(dispatcher)
    assert dispatcher.status()[0].counts == {"expired": 1}
    assert got("siren2", 0) == []


def test_expiry_is_a_setting(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(sink("siren2", expiry_s=60), sink("scripted", expiry_s=5), clock=clock)
    dispatcher.submit(make_alert(sent_at=clock.now - timedelta(seconds=31)))
    got("siren2", 1)
    assert got("scripted", 1)[0].late


def test_first_message_that_passes_is_a_sinks_opened(dispatching: Dispatching) -> None:
    patient = RouteSettings(min_duration_s=5)
    dispatcher = dispatching(
        sink("scripted", "all"),
        sink("scripted", "patient", route=patient),
        sink("siren2", "horn", route=patient),
    )
    opened = make_alert()
    updates = [follow_up(opened, UPDATED, n) for n in (1, 2)]
    for alert, seconds in [(opened, 1), (updates[0], 6), (updates[1], 9)]:
        dispatcher.submit(alert, AlertContext(duration_s=seconds))
        settled(dispatcher)
    dispatcher.submit(follow_up(opened, CLOSED, 3), AlertContext(duration_s=9))
    settled(dispatcher)
    assert phases("all") == [OPENED, UPDATED, UPDATED, CLOSED]
    assert phases("patient") == [OPENED, UPDATED, CLOSED]
    assert phases("horn") == [OPENED]
    assert ScriptedSink.made["horn"].got[0].alert_id == updates[0].alert_id


def test_closed_after_a_restart_goes_to_whoever_got_opened(dispatching: Dispatching) -> None:
    near = RouteSettings(min_score=0.8)
    far = RouteSettings(min_score=0.99)
    sinks = (sink("scripted", "near", route=near), sink("scripted", "far", route=far))
    opened = make_alert()
    dispatcher = dispatching(*sinks)
    dispatcher.submit(opened)
    settled(dispatcher)
    dispatcher.stop(Deadline.after(5))
    dispatcher = dispatching(*sinks)
    dispatcher.submit(follow_up(opened, CLOSED, 1, score=0, reason="restart"))
    settled(dispatcher)
    assert phases("near") == [CLOSED]
    assert phases("far") == []


def test_cooldown_starts_only_with_a_delivered_alert(dispatching: Dispatching) -> None:
    clock = Clock()
    ScriptedSink.faults = [DeliveryError("down")]
    dispatcher = dispatching(sink("scripted", cooldown_s=300), clock=clock)
    first, second = make_alert(), make_alert()
    ScriptedSink.gate.clear()
    dispatcher.submit(first)
    dispatcher.submit(second)  # nothing was delivered yet
    ScriptedSink.gate.set()
    got("scripted", 2)
    settled(dispatcher)
    during = make_alert()
    dispatcher.submit(during)
    dispatcher.submit(follow_up(during, UPDATED, 1))
    dispatcher.submit(follow_up(during, CLOSED, 2))
    other_camera, drill = make_alert(camera="door"), make_alert(exercise=True)
    dispatcher.submit(other_camera)
    dispatcher.submit(drill)
    dispatcher.submit(follow_up(first, CLOSED, 1))
    got("scripted", 5)
    settled(dispatcher)
    clock.advance(301)
    after = make_alert()
    dispatcher.submit(after)
    ids = [a.incident_id for a in got("scripted", 6)]
    assert during.incident_id not in ids
    assert dispatcher.status()[0].counts["cooldown"] == 1


def test_cooldown_outlives_a_restart_and_drills_start_none(dispatching: Dispatching) -> None:
    clock = Clock()
    settings = sink("scripted", cooldown_s=300)
    dispatcher = dispatching(settings, clock=clock)
    dispatcher.submit(make_alert(exercise=True))
    settled(dispatcher)
    dispatcher.submit(make_alert())
    got("scripted", 2)
    settled(dispatcher)
    dispatcher.stop(Deadline.after(5))
    dispatcher = dispatching(settings, clock=clock)
    dispatcher.submit(make_alert())
    assert dispatcher.status()[0].counts == {"cooldown": 1}


def test_silence(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(sink("scripted"), clock=clock)
    before = make_alert()
    dispatcher.submit(before)
    dispatcher.silence("gate", clock.now + timedelta(minutes=10))
    during = make_alert()
    dispatcher.submit(during)
    dispatcher.submit(make_alert(exercise=True))
    dispatcher.submit(make_alert(phase="camera_lost", label="camera"))
    dispatcher.submit(make_alert(camera="door"))
    dispatcher.submit(follow_up(before, CLOSED, 1))
    got("scripted", 5)
    assert list(dispatcher.silences()) == ["gate"]
    dispatcher.stop(Deadline.after(5))
    clock.advance(599)
    dispatcher = dispatching(sink("scripted"), clock=clock)
    dispatcher.submit(follow_up(during, UPDATED, 1))
    assert dispatcher.status()[0].counts == {"silenced": 1}
    clock.advance(2)
    dispatcher.submit(follow_up(during, UPDATED, 2))
    assert got("scripted", 1)[0].phase is OPENED


def test_a_silence_is_ended_by_its_name_or_with_all_others(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"))
    until = datetime.now(UTC) + timedelta(hours=1)
    dispatcher.silence(None, until)
    assert dispatcher.unsilence("gate") == []
    dispatcher.silence("gate", until)
    dispatcher.silence("door", until)
    with capture_logs() as logs:
        assert dispatcher.unsilence("gate") == ["gate"]
    assert [(e["event"], e["camera"]) for e in logs] == [("silence ended", "gate")]
    assert set(dispatcher.silences()) == {None, "door"}
    assert set(dispatcher.unsilence(None)) == {None, "door"}
    assert dispatcher.unsilence(None) == []
    dispatcher.stop(Deadline.after(5))
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    got("scripted", 1)


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
    ScriptedSink.faults = [RejectedError("no such camera")]
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
    ScriptedSink.while_starting = [lambda: clock.advance(31)]
    before = clock.now
    dispatcher = dispatching(sink("siren2", "horn"), clock=clock)
    assert reported(dispatcher, drill(dispatcher, sent_at=before)) == [
        Delivery("horn", DeliveryState.FAILED, error="expired before the sink took it")
    ]


def test_camera_state_reaches_sinks_that_show_it(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"), sink("recording"))
    now = datetime.now(UTC)
    dispatcher.show_camera(CameraNotice("gate", "yard", "connecting", now))
    dispatcher.show_camera(CameraNotice("gate", "yard", "live", now))
    wait_for(lambda: ScriptedSink.made.get("scripted") and ScriptedSink.made["scripted"].shown)
    wait_for(lambda: ScriptedSink.made["scripted"].shown[-1].state == "live")
    dispatcher.reconfigure([sink("scripted", "late-comer")], Deadline.after(5))
    wait_for(lambda: "late-comer" in ScriptedSink.made)
    wait_for(lambda: [n.state for n in ScriptedSink.made["late-comer"].shown] == ["live"])


def test_a_camera_that_is_gone_is_shown_to_nobody(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted", "early"))
    now = datetime.now(UTC)
    for site in ("yard", "harbour"):
        dispatcher.show_camera(CameraNotice("gate", site, "live", now))
    wait_for(lambda: "early" in ScriptedSink.made and len(ScriptedSink.made["early"].shown) == 2)
    dispatcher.forget_camera("gate", "yard")
    # stops the early one at once
    dispatcher.reconfigure([sink("scripted", "late")], Deadline.after(5))
    assert [n.site for n in ScriptedSink.made["early"].shown] == ["harbour"]
    wait_for(lambda: "late" in ScriptedSink.made and ScriptedSink.made["late"].shown)
    assert [n.site for n in ScriptedSink.made["late"].shown] == ["harbour"]


def test_reconfigure_touches_only_what_changed(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    dispatcher = dispatching(
        sink("scripted", "same"), sink("scripted", "changed"), sink("scripted", "gone")
    )
    wait_for(lambda: len(ScriptedSink.made) == 3)
    old = dict(ScriptedSink.made)
    dispatcher.reconfigure(
        [
            sink("scripted", "new"),
            sink("scripted", "same"),
            sink("scripted", "changed", tag="other"),
        ],
        Deadline.after(5),
    )
    dispatcher.submit(make_alert())
    for name in ("new", "same", "changed"):
        got(name, 1)
    assert ScriptedSink.made["same"] is old["same"]
    assert not old["same"].closed
    assert old["changed"].closed
    assert old["gone"].closed
    assert not old["gone"].got
    assert [status.name for status in dispatcher.status()] == ["new", "same", "changed"]
    assert prometheus.get_sample_value("jikimi_outbox_depth", {"sink": "new"}) == 0
    assert prometheus.get_sample_value("jikimi_outbox_depth", {"sink": "gone"}) is None


def test_reconfigure_with_a_broken_type_changes_nothing(
    dispatching: Dispatching, entries: dict[str, str]
) -> None:
    entries["broken"] = "no_such_module:Sink"
    dispatcher = dispatching(sink("scripted"))
    settings = sink("scripted", "other").model_copy(update={"type": "broken"})
    with pytest.raises(ConfigError, match="'broken'"):
        dispatcher.reconfigure([settings], Deadline.after(5))
    dispatcher.submit(make_alert())
    got("scripted", 1)


def test_metrics_stand_at_0_from_the_start(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    dispatcher = dispatching(sink("recording"))
    value = prometheus.get_sample_value
    for result in RESULTS:
        assert value("jikimi_deliveries_total", {"sink": "recording", "result": result}) == 0
    for name in (
        "outbox_depth",
        "outbox_oldest_age_seconds",
        "delivery_seconds_count",
        "sink_failing",
    ):
        assert value(f"jikimi_{name}", {"sink": "recording"}) == 0
    dispatcher.stop(Deadline.after(5))
    assert value("jikimi_outbox_depth", {"sink": "recording"}) == 0


def test_a_sink_shows_as_failing_until_it_works_again(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    ScriptedSink.start_faults = [OSError("no such pin")] * 3
    dispatching(sink("scripted"), sink("recording"))

    def failing(name: str) -> float | None:
        return prometheus.get_sample_value("jikimi_sink_failing", {"sink": name})

    wait_for(lambda: failing("scripted"))
    assert failing("recording") == 0
    wait_for(lambda: failing("scripted") == 0)


def test_a_stopped_dispatcher_takes_nothing(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("recording"))
    dispatcher.stop(Deadline.after(5))
    with pytest.raises(sqlite3.ProgrammingError):
        dispatcher.submit(make_alert())


def test_late_news_keeps_no_fresh_alarm_away(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = dispatching(sink("scripted", cooldown_s=300), clock=clock)
    dispatcher.submit(make_alert(sent_at=clock.now - timedelta(hours=1)))
    got("scripted", 1)
    settled(dispatcher)
    dispatcher.submit(make_alert())
    got("scripted", 2)


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_back_off_grows_from_one_second_to_sixty(failures: int, jitter: float) -> None:
    wait_s = backoff_s(failures, jitter)
    assert 0.5 <= wait_s <= 60
    assert backoff_s(failures + 1, jitter) >= wait_s
    assert backoff_s(1, 1) == 1
    assert backoff_s(10, 1) == 60
