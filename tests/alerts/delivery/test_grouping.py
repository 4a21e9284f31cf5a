"""A sink that tells of many alerts by one message: what goes together, and what where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from alerting import (
    PICTURE,
    Clock,
    Dispatching,
    ScriptedPhone,
    ScriptedSink,
    StoredOutbox,
    follow_up,
    got,
    make_alert,
    settled,
    sink,
    wait_for,
)

from alerts.deadline import Deadline
from alerts.delivery import grouping
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertPhase
from alerts.sink import (
    BusyError,
    DeferredError,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.storage.outbox import Message
from config.errors import DeliveryError

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


@pytest.fixture
def no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "ALARM_GAP_S", 0.0)
    monkeypatch.setattr(grouping, "NEWS_GAP_S", 0.0)


def held(dispatching: Dispatching, clock: Clock | None = None) -> Dispatcher:
    """A dispatcher whose phone holds the message about `gate`, so that what follows waits."""
    ScriptedSink.gate.clear()
    dispatcher = dispatching(sink("phone"), **({"clock": clock} if clock else {}))
    dispatcher.submit(make_alert())
    wait_for(lambda: "phone" in ScriptedSink.made)
    ScriptedSink.made["phone"].entered.wait()
    return dispatcher


def submit(dispatcher: Dispatcher, count: int, **changes: object) -> list[Alert]:
    alerts = [make_alert(camera=f"camera-{n}", **changes) for n in range(count)]
    for alert in alerts:
        dispatcher.submit(alert)
    return alerts


def sizes() -> list[int]:
    return [len(message) for message in ScriptedPhone.messages]


@pytest.mark.usefixtures("no_gap")
def test_the_first_goes_at_once_and_what_waits_behind_it_as_one(dispatching: Dispatching) -> None:
    dispatcher = held(dispatching)
    alerts = submit(dispatcher, 9)
    ends = [follow_up(alert, CLOSED, 2) for alert in alerts[:2]]
    for alert, end in zip(alerts, ends, strict=False):
        dispatcher.submit(follow_up(alert, UPDATED, 1))
        dispatcher.submit(end)
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 13]
    phases = [alert.phase for alert in ScriptedPhone.messages[1]]
    assert phases == [OPENED] * 9 + [UPDATED, CLOSED] * 2
    assert [alert.camera for alert in ScriptedPhone.messages[1][:9]] == [a.camera for a in alerts]
    assert dispatcher.status()[0].counts["delivered"] == 14


def test_an_alarm_soon_after_another_waits_and_news_waits_longer(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[AlertPhase] = []
    real = grouping.Groups.rest_s

    def rest_s(groups: grouping.Groups, message: Message) -> float:
        looked.append(message.alert.phase)
        return real(groups, message)

    monkeypatch.setattr(grouping.Groups, "rest_s", rest_s)
    monkeypatch.setattr(grouping, "ALARM_GAP_S", 600.0)
    monkeypatch.setattr(grouping, "NEWS_GAP_S", 600.0)
    dispatcher = dispatching(sink("phone"))
    first = make_alert()
    dispatcher.submit(first)
    got("phone", 1)
    dispatcher.submit(follow_up(first, UPDATED, 1))
    wait_for(lambda: UPDATED in looked)
    dispatcher.submit(make_alert())
    wait_for(lambda: OPENED in looked[1:])
    submit(dispatcher, 3)
    monkeypatch.setattr(grouping, "ALARM_GAP_S", 0.0)
    dispatcher.send_again(None)  # which has the worker look
    got("phone", 6)
    assert sizes() == [1, 5]
    looked.clear()
    dispatcher.submit(follow_up(first, CLOSED, 2))
    wait_for(lambda: CLOSED in looked)
    dispatcher.submit(make_alert(exercise=True))
    got("phone", 7)
    assert ScriptedPhone.messages[2][0].exercise
    monkeypatch.setattr(grouping, "NEWS_GAP_S", 0.0)
    dispatcher.send_again(None)
    settled(dispatcher)
    assert sizes() == [1, 5, 1, 1]


def test_the_gaps_are_as_stated(tmp_path: Path) -> None:
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    try:
        alarm, news = (
            Message("phone", make_alert(phase=phase), 0.0, 0) for phase in (OPENED, CLOSED)
        )
        groups = grouping.Groups(outbox, "phone", groups=True)
        assert groups.rest_s(alarm) <= 0
        groups.worked()
        assert 0 < groups.rest_s(alarm) <= 5
        assert 5 < groups.rest_s(news) <= 60
        others = grouping.Groups(outbox, "siren", groups=False)
        others.worked()
        assert others.rest_s(news) <= 0
    finally:
        outbox.close(Deadline.after(5))


@pytest.mark.usefixtures("no_gap")
def test_exercises_go_by_themselves(dispatching: Dispatching) -> None:
    dispatcher = held(dispatching)
    submit(dispatcher, 2)
    submit(dispatcher, 2, exercise=True)
    submit(dispatcher, 2)
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 4, 2]
    assert all(alert.exercise for alert in ScriptedPhone.messages[2])


@pytest.mark.usefixtures("no_gap")
@pytest.mark.parametrize(
    "error", [BusyError("slowly", 0.05), DeliveryError("away"), UnclearError("fails")]
)
def test_where_a_group_fails_all_of_it_waits(dispatching: Dispatching, error: Exception) -> None:
    dispatcher = held(dispatching)
    submit(dispatcher, 5, image=PICTURE)
    ScriptedPhone.refuses = lambda alerts: (
        ScriptedSink.made["phone"].faults.append(error) if len(alerts) == 1 else None
    )
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 5, 5]
    assert all(alert.image for alert in ScriptedPhone.messages[2])
    assert dispatcher.status()[0].counts == {"delivered": 6, "failed": 1}


@pytest.mark.usefixtures("no_gap")
@pytest.mark.parametrize("error", [TooLargeError("too large"), TimedOutError("slow")])
def test_what_is_too_large_goes_without_its_pictures(
    dispatching: Dispatching, error: Exception
) -> None:
    dispatcher = held(dispatching)
    submit(dispatcher, 5, image=PICTURE)
    ScriptedPhone.refuses = lambda alerts: error if any(alert.image for alert in alerts) else None
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 5, 5]
    assert dispatcher.refused() == []
    assert len(ScriptedSink.made["phone"].got) == 6


@pytest.mark.usefixtures("no_gap")
@pytest.mark.parametrize(
    "error",
    [
        *(RefusedError("no"), DeferredError("not now"), ValueError("fault")),
        pytest.param(UnclearError("?"), marks=pytest.mark.slow),
    ],
)
def test_the_one_to_blame_is_found_by_halves_and_holds_up_nobody(
    dispatching: Dispatching, error: Exception
) -> None:
    def refuses(alerts: Sequence[Alert]) -> Exception | None:
        return error if any(alert.camera == "camera-77" for alert in alerts) else None

    dispatcher = held(dispatching)
    submit(dispatcher, 150)
    ScriptedPhone.refuses = refuses
    ScriptedSink.gate.set()
    got("phone", 150)
    assert "camera-77" not in {alert.camera for alert in ScriptedSink.made["phone"].got}
    assert len(ScriptedPhone.messages) < 40
    if isinstance(error, RefusedError):
        settled(dispatcher)
        assert [refused.alert.camera for refused in dispatcher.refused()] == ["camera-77"]


@pytest.mark.usefixtures("no_gap")
def test_what_waited_for_a_day_goes_as_one_marked_late(dispatching: Dispatching) -> None:
    clock = Clock()
    dispatcher = held(dispatching, clock)
    alerts = submit(dispatcher, 40)
    clock.advance(86_400)
    dispatcher.submit(make_alert(camera="now"))
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 41]
    assert [alert.late for alert in ScriptedPhone.messages[1]] == [True] * len(alerts) + [False]


@pytest.mark.usefixtures("no_gap")
def test_no_more_go_at_once_than_stated(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "MOST", 4)
    dispatcher = held(dispatching)
    monkeypatch.setattr(dispatcher._workers.by_name["phone"]._attempts.groups, "_size", 4)
    alerts = submit(dispatcher, 6)
    ends = [follow_up(alert, CLOSED, 1) for alert in alerts]
    for end in ends:
        dispatcher.submit(end)
    ScriptedSink.gate.set()
    settled(dispatcher)
    assert sizes() == [1, 4, 4, 4]
    told = [alert for message in ScriptedPhone.messages for alert in message]
    assert [alert.phase for alert in told] == [OPENED] * 7 + [CLOSED] * 6
