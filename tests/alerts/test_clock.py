"""The box's clock is set while the daemon runs: nothing comes late, nothing is kept away."""

from __future__ import annotations

import threading

import pytest
from alerting import Clock, Dispatching, ScriptedSink, got, make_alert, settled, sink, wait_for

from alerts.deadline import Deadline
from config.errors import DeliveryError

HOUR_S, DAY_S = 3600.0, 86_400.0
STEPS = pytest.mark.parametrize(
    "set_by_s",
    [-HOUR_S, HOUR_S, -DAY_S, DAY_S, 56 * 365 * DAY_S],
    ids=["-1h", "+1h", "-1d", "+1d", "1970-now"],
)


class SetOnceRead(Clock):
    """Is set right after whoever writes the file has asked by how much it was set."""

    def __init__(self, wall_s: float, set_by_s: float) -> None:
        super().__init__(wall_s)
        self._set_by_s = set_by_s

    def offset_s(self) -> float:
        offset_s = super().offset_s()
        if threading.current_thread().name.startswith("write-"):
            self.set_by(self._set_by_s)
            self._set_by_s = 0.0
        return offset_s


def slow_start() -> threading.Event:
    """Sinks deliver nothing until this is set."""
    begin = threading.Event()
    ScriptedSink.while_starting = [lambda: begin.wait(10)]
    return begin


@pytest.fixture
def clock(set_by_s: float) -> Clock:
    """Shows 1970 where it is going to be set by so much."""
    return Clock(1e6) if set_by_s > 366 * DAY_S else Clock()


@STEPS
@pytest.mark.parametrize(("after_s", "sounds"), [(29, True), (31, False)])
def test_a_siren_sounds_within_its_time_and_never_after(
    dispatching: Dispatching, clock: Clock, set_by_s: float, after_s: float, sounds: bool
) -> None:
    begin = slow_start()
    dispatcher = dispatching(sink("siren2", "horn"), sink("scripted"), clock=clock)
    dispatcher.submit(make_alert())
    clock.set_by(set_by_s)
    clock.advance(after_s)
    assert dispatcher.status()[0].oldest_age_s == pytest.approx(after_s)
    begin.set()
    settled(dispatcher)
    assert len(ScriptedSink.made["horn"].got) == sounds
    assert got("scripted", 1)[0].late is not sounds


@STEPS
def test_a_cooldown_lasts_as_long_as_stated(
    dispatching: Dispatching, clock: Clock, set_by_s: float
) -> None:
    dispatcher = dispatching(sink("scripted", cooldown_s=300), clock=clock)
    dispatcher.submit(make_alert())
    got("scripted", 1)
    settled(dispatcher)
    clock.set_by(set_by_s)
    clock.advance(299)
    dispatcher.submit(make_alert())
    assert dispatcher.status()[0].counts == {"delivered": 1, "cooldown": 1}
    clock.advance(2)
    dispatcher.submit(make_alert())
    got("scripted", 2)


@STEPS
def test_a_silence_lasts_as_long_as_asked_and_shows_when_it_ends(
    dispatching: Dispatching, clock: Clock, set_by_s: float
) -> None:
    dispatcher = dispatching(sink("scripted"), clock=clock)
    until = dispatcher.cameras.silence(None, 600)
    assert until.timestamp() == pytest.approx(clock.wall_s + 600)
    clock.set_by(set_by_s)
    clock.advance(599)
    assert dispatcher.cameras.silences()[None].timestamp() == pytest.approx(clock.wall_s + 1)
    assert dispatcher.submit(make_alert()) == []
    clock.advance(2)
    assert dispatcher.cameras.silences() == {}
    assert dispatcher.submit(make_alert()) == ["scripted"]


@STEPS
def test_what_failed_is_tried_again_in_time(
    dispatching: Dispatching, clock: Clock, set_by_s: float
) -> None:
    ScriptedSink.faults = [ValueError("a fault in the sink")]
    dispatcher = dispatching(sink("scripted"), clock=clock)
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
    clock.set_by(set_by_s)
    clock.advance(1)
    got("scripted", 1)


@STEPS
@pytest.mark.parametrize(("after_s", "left"), [(100, True), (700, False)])
def test_a_silence_over_a_restart_goes_by_the_clock_that_people_read(
    dispatching: Dispatching, clock: Clock, set_by_s: float, after_s: float, left: bool
) -> None:
    dispatcher = dispatching(sink("scripted"), clock=clock)
    dispatcher.cameras.silence(None, 600)
    clock.set_by(set_by_s)  # while it runs: the file learns of it
    dispatcher.cameras.silence("door", 600)
    dispatcher.stop(Deadline.after(5))
    clock.advance(after_s)
    dispatcher = dispatching(sink("scripted"), clock=clock.restarted())
    assert bool(dispatcher.cameras.silences()) is left
    assert (dispatcher.submit(make_alert()) == []) is left


@STEPS
@pytest.mark.parametrize(("after_s", "sounds"), [(10, True), (31, False)])
def test_a_siren_after_a_restart_is_neither_late_nor_kept_silent(
    dispatching: Dispatching, clock: Clock, set_by_s: float, after_s: float, sounds: bool
) -> None:
    ScriptedSink.faults = [DeliveryError("away")] * 1000
    dispatcher = dispatching(sink("siren2", "horn"), clock=clock)
    dispatcher.submit(make_alert())
    assert dispatcher.stored() is None
    clock.set_by(set_by_s)
    dispatcher.stop(Deadline.after(5))
    ScriptedSink.faults = []
    clock.advance(after_s)
    dispatcher = dispatching(sink("siren2", "horn"), clock=clock.restarted())
    settled(dispatcher)
    assert len(ScriptedSink.made["horn"].got) == sounds


@STEPS
def test_a_clock_that_is_set_while_the_file_is_written_is_seen(
    dispatching: Dispatching, clock: Clock, set_by_s: float
) -> None:
    ScriptedSink.faults = [DeliveryError("away")] * 1000
    with_step = SetOnceRead(clock.wall_s, set_by_s)
    dispatcher = dispatching(sink("siren2", "horn"), clock=with_step)
    dispatcher.submit(make_alert())
    assert dispatcher.stored() is None
    dispatcher.stop(Deadline.after(5))
    ScriptedSink.faults = []
    dispatcher = dispatching(sink("siren2", "horn"), clock=with_step.restarted())
    settled(dispatcher)
    assert len(ScriptedSink.made["horn"].got) == 1


@pytest.mark.parametrize("set_by_s", [-HOUR_S, -DAY_S], ids=["-1h", "-1d"])
def test_a_clock_set_back_between_two_runs_keeps_no_alarm_away_and_sounds_none_late(
    dispatching: Dispatching, clock: Clock, set_by_s: float
) -> None:
    settings = sink("scripted", cooldown_s=300)
    dispatcher = dispatching(settings, clock=clock)
    dispatcher.submit(make_alert())
    got("scripted", 1)
    settled(dispatcher)
    dispatcher.cameras.silence(None, 600)
    dispatcher.stop(Deadline.after(5))
    ScriptedSink.faults = [DeliveryError("away")] * 1000
    dispatcher = dispatching(sink("siren2", "horn"), clock=clock)
    assert dispatcher.submit(make_alert(exercise=True)) == ["horn"]
    dispatcher.stop(Deadline.after(5))
    ScriptedSink.faults = []
    clock.set_by(set_by_s)
    dispatcher = dispatching(settings, sink("siren2", "horn"), clock=clock.restarted())
    assert dispatcher.cameras.silences() == {}
    assert dispatcher.submit(make_alert()) == ["scripted", "horn"]
    settled(dispatcher)
    assert [alert.exercise for alert in ScriptedSink.made["horn"].got] == [False]
