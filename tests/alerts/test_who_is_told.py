"""Who is told of an incident: first messages, cooldown, silence, cameras that come and go."""

from __future__ import annotations

from datetime import UTC, datetime

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
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.message import AlertContext, AlertPhase, CameraNotice
from config.errors import ControlError, DeliveryError
from config.settings import RouteSettings

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


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
    dispatcher.cameras.silence("gate", 600)
    during = make_alert()
    dispatcher.submit(during)
    dispatcher.submit(make_alert(exercise=True))
    dispatcher.submit(make_alert(phase="camera_lost", label="camera"))
    dispatcher.submit(make_alert(camera="door"))
    dispatcher.submit(follow_up(before, CLOSED, 1))
    got("scripted", 5)
    assert list(dispatcher.cameras.silences()) == ["gate"]
    dispatcher.stop(Deadline.after(5))
    clock.advance(599)
    clock = clock.restarted()
    dispatcher = dispatching(sink("scripted"), clock=clock)
    dispatcher.submit(follow_up(during, UPDATED, 1))
    assert dispatcher.status()[0].counts == {"silenced": 1}
    clock.advance(2)
    dispatcher.submit(follow_up(during, UPDATED, 2))
    assert got("scripted", 1)[0].phase is OPENED


def test_a_silence_is_ended_by_its_name_or_with_all_others(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"))
    dispatcher.cameras.silence(None, 3600)
    assert dispatcher.cameras.unsilence("gate") == []
    dispatcher.cameras.silence("gate", 3600)
    dispatcher.cameras.silence("door", 3600)
    with capture_logs() as logs:
        assert dispatcher.cameras.unsilence("gate") == ["gate"]
    assert [(e["event"], e["camera"]) for e in logs] == [("silence ended", "gate")]
    assert set(dispatcher.cameras.silences()) == {None, "door"}
    assert set(dispatcher.cameras.unsilence(None)) == {None, "door"}
    assert dispatcher.cameras.unsilence(None) == []
    dispatcher.stop(Deadline.after(5))
    dispatcher = dispatching(sink("scripted"))
    dispatcher.submit(make_alert())
    got("scripted", 1)


def test_camera_state_reaches_sinks_that_show_it(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"), sink("recording"))
    now = datetime.now(UTC)
    dispatcher.cameras.show(CameraNotice("gate", "yard", "connecting", now))
    dispatcher.cameras.show(CameraNotice("gate", "yard", "live", now))
    wait_for(lambda: ScriptedSink.made.get("scripted") and ScriptedSink.made["scripted"].shown)
    wait_for(lambda: ScriptedSink.made["scripted"].shown[-1].state == "live")
    dispatcher.reconfigure([sink("scripted", "late-comer")], Deadline.after(5))
    wait_for(lambda: "late-comer" in ScriptedSink.made)
    wait_for(lambda: [n.state for n in ScriptedSink.made["late-comer"].shown] == ["live"])


def test_what_a_sink_that_left_may_have_cleared_is_shown_again(dispatching: Dispatching) -> None:
    stays = sink("scripted", "stays")
    dispatcher = dispatching(stays, sink("scripted", "leaves"))
    notice = CameraNotice("gate", "yard", "live", datetime.now(UTC))
    dispatcher.cameras.show(notice)
    wait_for(lambda: "stays" in ScriptedSink.made and ScriptedSink.made["stays"].shown)
    dispatcher.reconfigure([stays], Deadline.after(5))
    wait_for(lambda: ScriptedSink.made["stays"].shown == [notice, notice])


def test_a_camera_that_is_gone_is_shown_to_nobody(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted", "early"))
    now = datetime.now(UTC)
    for site in ("yard", "harbour"):
        dispatcher.cameras.show(CameraNotice("gate", site, "live", now))
    wait_for(lambda: "early" in ScriptedSink.made and len(ScriptedSink.made["early"].shown) == 2)
    dispatcher.cameras.forget("gate", "yard")
    # stops the early one at once
    dispatcher.reconfigure([sink("scripted", "late")], Deadline.after(5))
    assert [n.site for n in ScriptedSink.made["early"].shown] == ["harbour"]
    wait_for(lambda: "late" in ScriptedSink.made and ScriptedSink.made["late"].shown)
    assert [n.site for n in ScriptedSink.made["late"].shown] == ["harbour"]


def test_whether_a_camera_is_silenced_is_shown_as_soon_as_that_changes(
    dispatching: Dispatching,
) -> None:
    clock = Clock()
    dispatcher = dispatching(sink("scripted"), clock=clock)
    for camera in ("gate", "door"):
        dispatcher.cameras.show(CameraNotice(camera, "yard", "live", datetime.now(UTC)))

    def silenced() -> dict[str, bool]:
        shown = ScriptedSink.made["scripted"].shown if ScriptedSink.made else []
        return {notice.camera: notice.silenced_until is not None for notice in shown}

    wait_for(lambda: silenced() == {"gate": False, "door": False})
    until = dispatcher.cameras.silence("gate", 60)
    wait_for(lambda: silenced() == {"gate": True, "door": False})
    assert ScriptedSink.made["scripted"].shown[-1].silenced_until == until
    dispatcher.cameras.silence(None, 30)
    wait_for(lambda: silenced() == {"gate": True, "door": True})
    clock.advance(31)
    dispatcher.cameras.show_silences()
    wait_for(lambda: silenced() == {"gate": True, "door": False})
    count = len(ScriptedSink.made["scripted"].shown)
    dispatcher.cameras.show_silences()  # nothing new: nothing is shown
    dispatcher.cameras.unsilence("gate")
    wait_for(lambda: silenced() == {"gate": False, "door": False})
    assert len(ScriptedSink.made["scripted"].shown) == count + 1


def test_a_sink_that_takes_commands_has_them_run(dispatching: Dispatching) -> None:
    dispatcher = dispatching(sink("scripted"))
    wait_for(lambda: "scripted" in ScriptedSink.made)
    run = wait_for(lambda: ScriptedSink.made["scripted"].run)
    with pytest.raises(ControlError, match="still starting"):
        run("drill", {"camera": "gate"})
    dispatcher.on_command(lambda command, request: {command: request})
    assert run("drill", {"camera": "gate"}) == {"drill": {"camera": "gate"}}
