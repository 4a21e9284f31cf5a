"""From `submit` to the sinks: who gets what, when, and what failure does to it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from alerting import (
    PICTURE,
    Clock,
    Dispatching,
    ScriptedSink,
    follow_up,
    got,
    make_alert,
    settled,
    sink,
    wait_for,
)
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.delivery.backoff import backoff_s
from alerts.delivery.picture import LineSpeed
from alerts.delivery.status import SinkState
from alerts.message import AlertPhase
from alerts.metrics import RESULTS
from alerts.sink import BusyError, DeferredError, RefusedError, TimedOutError, TooLargeError
from config.errors import ConfigError, DeliveryError
from config.secrets import register_secret
from config.settings import RouteSettings

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


def slow_start() -> threading.Event:
    """Sinks deliver nothing until this is set."""
    begin = threading.Event()
    ScriptedSink.while_starting = [lambda: begin.wait(10)]
    return begin


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
    dispatcher.cameras.silence(None, 60)
    assert dispatcher.submit(make_alert()) == []


def test_what_is_submitted_together_is_on_disk_whole_or_not_at_all(
    dispatching: Dispatching, tmp_path: Path
) -> None:
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"))
    assert dispatcher.stored() is None
    opened = make_alert(exercise=True)
    with (
        closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as file,
        dispatcher.together(),
    ):
        for alert in (opened, follow_up(opened, CLOSED, 1, exercise=True)):
            dispatcher.submit(alert)
            assert dispatcher.stored() is None
            assert file.execute("SELECT count(*) FROM alert").fetchone() == (0,)
    assert dispatcher.stored() is None
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM alert").fetchone() == (2,)


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


@pytest.mark.parametrize("error", [DeferredError("not now"), RuntimeError("fault in the sink")])
def test_one_alert_that_has_to_wait_holds_up_no_other(
    dispatching: Dispatching, error: Exception
) -> None:
    ScriptedSink.gate.clear()
    ScriptedSink.faults = [error]
    dispatcher = dispatching(sink("scripted"))
    waits, other = make_alert(), make_alert()
    dispatcher.submit(waits)
    dispatcher.submit(other)
    ScriptedSink.gate.set()
    assert [a.alert_id for a in got("scripted", 2)] == [other.alert_id, waits.alert_id]


def test_one_refused_alert_holds_up_no_other_and_is_kept_over_a_restart(
    dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    ScriptedSink.gate.clear()
    ScriptedSink.faults = [RefusedError("no such camera")]
    dispatcher = dispatching(sink("scripted"))
    refused, other = make_alert(), make_alert()
    dispatcher.submit(refused)
    dispatcher.submit(other)
    ScriptedSink.gate.set()
    assert [a.alert_id for a in got("scripted", 1)] == [other.alert_id]
    settled(dispatcher)
    labels = {"sink": "scripted", "result": "refused"}
    assert prometheus.get_sample_value("jikimi_deliveries_total", labels) == 1
    dispatcher.stop(Deadline.after(5))
    dispatcher = dispatching(sink("scripted"))
    assert [one.reason for one in dispatcher.refused()] == ["no such camera"]
    assert dispatcher.status()[0].refused == 1
    assert dispatcher.send_again(None) == 1
    assert [a.alert_id for a in got("scripted", 1)] == [refused.alert_id]
    assert dispatcher.send_again(None) == 0


def test_what_is_too_large_goes_at_once_without_its_picture_or_is_set_aside(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.faults = [TooLargeError("too large")]
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert(image=PICTURE))
    assert got("scripted", 1)[0].image is None
    ScriptedSink.faults = [TooLargeError("too large")]
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].refused == 1)


def test_an_alarm_whose_picture_runs_out_of_time_goes_ahead_of_it(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.faults = [TimedOutError("no answer within 5 s")]
    dispatcher = dispatching(sink("scripted"))
    alert = make_alert(image=PICTURE)
    dispatcher.submit(alert)
    first, second = got("scripted", 2)
    assert (first.alert_id, first.phase, first.image) == (alert.alert_id, OPENED, None)
    assert second.alert_id != alert.alert_id
    assert (second.incident_id, second.phase, second.sequence, second.image) == (
        alert.incident_id,
        UPDATED,
        alert.sequence,
        PICTURE,
    )
    settled(dispatcher)


def test_a_picture_that_comes_second_never_follows_newer_news(dispatching: Dispatching) -> None:
    ScriptedSink.faults = [TimedOutError("no answer within 5 s")]
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("scripted"))
    alert = make_alert(image=PICTURE)
    dispatcher.submit(alert)
    dispatcher.submit(follow_up(alert, CLOSED, 1))
    ScriptedSink.gate.set()
    assert [a.phase for a in got("scripted", 2)] == [OPENED, CLOSED]
    settled(dispatcher)


def test_an_update_that_runs_out_of_time_goes_without_its_picture_and_is_not_followed(
    dispatching: Dispatching,
) -> None:
    dispatcher = dispatching(sink("scripted"))
    opened = make_alert()
    dispatcher.submit(opened)
    settled(dispatcher)
    ScriptedSink.faults = [TimedOutError("no answer within 5 s")]
    dispatcher.submit(follow_up(opened, UPDATED, 1, image=PICTURE))
    assert [a.image for a in got("scripted", 2)] == [None, None]
    settled(dispatcher)


def test_a_sink_that_acts_on_opened_alone_gets_no_picture_behind_it(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.faults = [TimedOutError("no answer within 5 s")]
    dispatcher = dispatching(sink("siren2"))
    dispatcher.submit(make_alert(image=PICTURE))
    settled(dispatcher)
    assert [a.image for a in got("siren2", 1)] == [PICTURE]


def test_on_a_line_that_is_known_to_be_slow_the_next_alarm_goes_ahead_at_once() -> None:
    speed = LineSpeed()
    alert = make_alert(image=PICTURE)
    assert not speed.is_slow_for(alert)
    speed.measured(alert, seconds=3.5)
    assert speed.is_slow_for(alert)
    assert not speed.is_slow_for(alert.model_copy(update={"image": PICTURE[:512]}))
    assert not speed.is_slow_for(follow_up(alert, UPDATED, 1, image=PICTURE))
    speed.measured(make_alert(), seconds=0.01)  # without a picture: says nothing of pictures
    assert speed.is_slow_for(alert)
    speed.measured(alert, seconds=0.1)
    assert not speed.is_slow_for(alert)


def test_a_receiver_that_asks_for_a_pause_gets_it_though_there_is_a_new_alarm(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.faults = [BusyError("too many requests", 1.0)]
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
    began_s = time.monotonic()
    dispatcher.submit(make_alert())
    got("scripted", 2)
    assert time.monotonic() - began_s > 0.8


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
    clock, begin = Clock(), slow_start()
    dispatcher = dispatching(sink("siren2"), sink("scripted"), clock=clock)
    old, fresh = make_alert(), make_alert()
    dispatcher.submit(old)
    clock.advance(2)
    dispatcher.submit(follow_up(old, CLOSED, 1))
    dispatcher.submit(fresh)
    clock.advance(29)
    begin.set()
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
    clock, begin = Clock(), slow_start()
    ScriptedSink.while_starting.append(lambda: clock.advance(31))
    dispatcher = dispatching(sink("siren2"), clock=clock)
    dispatcher.submit(make_alert())
    begin.set()
    settled(dispatcher)
    assert dispatcher.status()[0].counts == {"expired": 1}
    assert got("siren2", 0) == []


def test_expiry_is_a_setting(dispatching: Dispatching) -> None:
    clock, begin = Clock(), slow_start()
    dispatcher = dispatching(sink("siren2", expiry_s=60), sink("scripted", expiry_s=5), clock=clock)
    dispatcher.submit(make_alert())
    clock.advance(31)
    begin.set()
    got("siren2", 1)
    assert got("scripted", 1)[0].late


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
    clock, begin = Clock(), slow_start()
    dispatcher = dispatching(sink("scripted", cooldown_s=300), clock=clock)
    dispatcher.submit(make_alert())
    clock.advance(3600)
    begin.set()
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
