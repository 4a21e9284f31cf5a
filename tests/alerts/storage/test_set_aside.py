"""One message that is refused, or that cannot be read, holds up nothing and is not lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alerting import (
    PICTURE,
    Dispatching,
    ScriptedSink,
    StoredOutbox,
    follow_up,
    got,
    make_alert,
    sink,
)
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.message import Alert, AlertPhase
from alerts.storage import set_aside
from alerts.storage.outbox import Message

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[StoredOutbox]:
    made = StoredOutbox(path)
    yield made
    made.close(Deadline.after(5))


def again(outbox: StoredOutbox, path: Path) -> StoredOutbox:
    """The outbox of the next start."""
    outbox.close(Deadline.after(5))
    return StoredOutbox(path)


def next_due(outbox: StoredOutbox, sink: str = "station") -> Message:
    message = outbox.next_due(sink, 0)
    assert message is not None
    return message


def all_due(outbox: StoredOutbox, sink: str = "station") -> list[Alert]:
    found = []
    while message := outbox.next_due(sink, 0):
        outbox.acknowledge(message)
        found.append(message.alert)
    return found


def test_what_follows_a_refused_message_goes_on_in_order(outbox: StoredOutbox) -> None:
    opened = make_alert(image=PICTURE)
    rest = [follow_up(opened, UPDATED, 1), follow_up(opened, CLOSED, 2)]
    for alert in (opened, *rest):
        outbox.put(alert, {"station": alert.phase}, 0)
    outbox.refuse(next_due(outbox), "too large")
    assert all_due(outbox) == rest
    assert [(one.sink, one.alert, one.reason) for one in outbox.refused()] == [
        ("station", opened, "too large")
    ]


def test_a_refused_message_is_sent_again_at_its_old_place_even_after_a_restart(
    outbox: StoredOutbox, path: Path
) -> None:
    opened, other = make_alert(image=PICTURE), make_alert()
    closed = follow_up(opened, CLOSED, 1)
    outbox.put(opened, {"station": OPENED, "hook": OPENED}, 0)
    outbox.put(other, {"station": OPENED}, 0)
    outbox.put(closed, {"station": CLOSED}, 0)
    outbox.refuse(next_due(outbox), "no")
    outbox.refuse(next_due(outbox), "no")
    assert all_due(outbox, "hook") == [opened]  # and keeps it for the station
    outbox = again(outbox, path)
    assert [one.alert for one in outbox.refused()] == [other, opened]
    assert outbox.send_again([opened.alert_id]) == 1
    assert [one.alert for one in outbox.refused()] == [other]
    assert all_due(outbox) == [opened, closed]
    assert outbox.send_again(None) == 1
    assert all_due(outbox) == [other]
    assert outbox.send_again(None) == 0
    assert outbox._read("SELECT count(*) FROM alert", ()) == [(0,)]
    outbox.close(Deadline.after(5))


def test_what_is_dropped_is_gone_after_a_restart_and_the_others_stay(
    outbox: StoredOutbox, path: Path
) -> None:
    first, second = make_alert(image=PICTURE), make_alert()
    for alert in (first, second):
        outbox.put(alert, {"station": OPENED, "hook": OPENED}, 0)
        outbox.refuse(next_due(outbox), "no")
    assert outbox.drop_refused([first.alert_id]) == [("station", str(first.alert_id))]
    outbox = again(outbox, path)
    assert [one.alert for one in outbox.refused()] == [second]
    assert outbox.send_again([first.alert_id]) == 0
    assert all_due(outbox, "hook") == [first, second]  # which the other sink has not refused
    assert outbox.drop_refused(None) == [("station", str(second.alert_id))]
    assert outbox._read("SELECT count(*) FROM alert", ()) == [(0,)]
    outbox.close(Deadline.after(5))


def test_no_more_are_kept_than_stated_and_the_oldest_go(
    outbox: StoredOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "KEPT", 2)
    alerts = [make_alert() for _ in range(3)]
    with capture_logs() as logs:
        for alert in alerts:
            outbox.put(alert, {"station": OPENED}, 0)
            outbox.refuse(next_due(outbox), "no")
    assert [(line["what"], line["count"]) for line in logs] == [("refused", 1)]
    assert [one.alert for one in outbox.refused()] == [alerts[2], alerts[1]]
    assert outbox._read("SELECT count(*) FROM alert", ()) == [(2,)]


def test_a_picture_that_one_sink_does_not_take_goes_to_the_others(
    outbox: StoredOutbox, path: Path
) -> None:
    alert = make_alert(image=PICTURE)
    outbox.put(alert, {"station": OPENED, "hook": OPENED}, 0)
    outbox.put(make_alert(), {"station": OPENED}, 0)
    message = next_due(outbox)
    outbox.retry_at(message, 1e9)
    outbox.drop_image(message)
    bare = alert.model_copy(update={"image": None})
    assert next_due(outbox).alert == bare
    outbox = again(outbox, path)
    assert next_due(outbox).alert == bare
    assert next_due(outbox, "hook").alert == alert
    outbox.close(Deadline.after(5))


DAMAGE = {
    "no JSON": "UPDATE alert SET body = 'xx' WHERE alert_id = ?",
    "half a body": "UPDATE alert SET body = substr(body, 1, 99) WHERE alert_id = ?",
    "no text": "UPDATE alert SET body = CAST(x'ff00fe' AS TEXT) WHERE alert_id = ?",
    "a number": "UPDATE alert SET body = 7 WHERE alert_id = ?",
    "no bytes": "UPDATE alert SET body = x'ff' WHERE alert_id = ?",
    "newer phase": "UPDATE queue SET phase = 'verified' WHERE alert_id = ?",
    "newer message": "UPDATE alert SET body = replace(body, '_version\":1', '_version\":2')"
    " WHERE alert_id = ?",
    "no alert": "DELETE FROM alert WHERE alert_id = ?",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_row_that_cannot_be_read_is_set_aside_and_named_and_the_rest_is_delivered(
    path: Path, dispatching: Dispatching, damage: str
) -> None:
    outbox = StoredOutbox(path)
    bad, good = make_alert(), make_alert()
    closed = follow_up(bad, CLOSED, 1)
    for alert in (bad, good, closed):
        outbox.put(alert, {"scripted": alert.phase}, 0)
    outbox.close(Deadline.after(5))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(damage, (str(bad.alert_id),))
    with capture_logs() as logs:
        dispatcher = dispatching(sink("scripted"))
        assert [alert.alert_id for alert in got("scripted", 2)] == [good.alert_id, closed.alert_id]
    [said] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (said["sink"], said["alert"]) == ("scripted", str(bad.alert_id))
    assert dispatcher.trouble() == ["storage: 1 message cannot be read and is kept aside"]


@pytest.mark.parametrize(
    "damage",
    ["UPDATE refused SET phase = 'x\u00ff' WHERE position = 1", "UPDATE alert SET body = x'ff00'"],
)
def test_a_damaged_refused_message_is_named_and_the_others_are_shown(
    outbox: StoredOutbox, damage: str
) -> None:
    alert = make_alert()
    outbox.put(alert, {"station": OPENED}, 0)
    outbox.refuse(next_due(outbox), "no")
    outbox._write(lambda database: database.execute(damage))
    whole = make_alert()
    outbox.put(whole, {"station": OPENED}, 0)
    outbox.refuse(next_due(outbox), "no")
    with capture_logs() as logs:
        assert [refused.alert for refused in outbox.refused()] == [whole]
    assert [line["alert"] for line in logs] == [str(alert.alert_id)]


def test_what_only_a_newer_release_reads_is_delivered_by_it(
    outbox: StoredOutbox, path: Path
) -> None:
    alert = make_alert(image=PICTURE)
    outbox.put(alert, {"station": OPENED}, 0)
    outbox._write(lambda database: database.execute("UPDATE queue SET phase = 'verified'"))
    assert outbox.next_due("station", 0) is None
    assert outbox.unreadable() == 1
    # The newer release calls it by a name that this one knows, as it were.
    outbox._write(lambda database: database.execute("UPDATE unreadable SET phase = 'opened'"))
    outbox = again(outbox, path)
    assert all_due(outbox) == [alert]
    assert outbox.unreadable() == 0
    outbox.close(Deadline.after(5))


def test_what_a_newer_release_adds_to_a_message_is_left_out(outbox: StoredOutbox) -> None:
    alert = make_alert()
    outbox.put(alert, {"station": OPENED}, 0)
    outbox._write(
        lambda database: database.execute(
            """UPDATE alert SET body = json_set(body, '$.certified', json('[1]'),
            '$.location.floor', 3)"""
        )
    )
    assert all_due(outbox) == [alert]


def test_a_stage_of_a_newer_release_stops_no_alarm(path: Path, dispatching: Dispatching) -> None:
    outbox = StoredOutbox(path)
    alert = make_alert()
    outbox._write(
        lambda database: database.execute(
            "INSERT INTO stage VALUES ('scripted', ?, 'verified', 1)", (str(alert.incident_id),)
        )
    )
    outbox.close(Deadline.after(5))
    dispatching(sink("scripted")).submit(alert)
    assert got("scripted", 1) == [alert]
    assert ScriptedSink.made["scripted"].got == [alert]
