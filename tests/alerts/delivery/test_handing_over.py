"""What waits in one outbox is delivered from another as if it had been put there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting import PICTURE, StoredOutbox, follow_up, make_alert

from alerts.admission import Stage
from alerts.deadline import Deadline
from alerts.delivery import handing_over
from alerts.message import Alert, AlertPhase
from alerts.storage.outbox import Hold

OPENED = AlertPhase.OPENED


@pytest.fixture
def outboxes(tmp_path: Path) -> Iterator[tuple[StoredOutbox, StoredOutbox]]:
    made = StoredOutbox(tmp_path / "one.sqlite"), StoredOutbox(tmp_path / "other.sqlite")
    yield made
    for outbox in made:
        outbox.close(Deadline.after(10))


def put(outbox: StoredOutbox, alert: Alert, sink: str = "police", hold: Hold | None = None) -> None:
    now = outbox.store.clock.now()
    holds = {sink: hold} if hold else None
    outbox.put(alert, {sink: alert.phase}, now, {sink: Stage.TOLD}, holds=holds)


def hand_over(one: StoredOutbox, other: StoredOutbox) -> None:
    chosen = handing_over.waiting(one.store, {"police"})
    handing_over.take_over(other.store, handing_over.undelivered(one.store, chosen), [])


def due(outbox: StoredOutbox) -> list[Alert]:
    now = outbox.store.clock.now() + 1
    return [message.alert for message in outbox.all_due("police", now, most=10)]


def test_alerts_keep_id_order_picture_and_age(outboxes: tuple[StoredOutbox, StoredOutbox]) -> None:
    one, other = outboxes
    first = make_alert(image=PICTURE)
    put(one, first)
    put(one, follow_up(first, AlertPhase.CLOSED, 1))
    put(one, make_alert(), "siren")
    hand_over(one, other)
    hand_over(one, other)  # twice changes nothing
    assert due(other) == due(one)
    assert due(other)[0].image == PICTURE
    [mine, theirs] = [box.waiting("police").oldest_at for box in outboxes]
    assert mine
    assert theirs
    assert abs(mine - theirs) < 1.0
    assert other.waiting("siren").depth == 0


def test_what_follows_goes_to_who_was_told(outboxes: tuple[StoredOutbox, StoredOutbox]) -> None:
    one, other = outboxes
    alert, delivered, over = make_alert(), make_alert(), make_alert(phase=AlertPhase.CLOSED)
    put(one, alert)
    put(one, over)
    hand_over(one, other)
    handing_over.take_over(other.store, [], [("desk", delivered.incident_id)])
    assert other.stage("police", str(alert.incident_id)) is Stage.TOLD
    assert other.stage("desk", str(delivered.incident_id)) is Stage.TOLD
    assert other.stage("police", str(over.incident_id)) is None


def test_what_waits_for_an_operator_waits_on(outboxes: tuple[StoredOutbox, StoredOutbox]) -> None:
    one, other = outboxes
    put(one, make_alert(), hold=Hold(one.store.clock.now() + 60, "send"))
    hand_over(one, other)
    assert due(other) == []
    [(until, then)] = other.store.read("SELECT retry_at, unconfirmed FROM queue")
    assert (then, 50 < until - other.store.clock.now() < 61) == ("send", True)


@pytest.mark.parametrize("column", ["alert_id", "incident_id"])
def test_a_damaged_row_stays_and_holds_up_no_other(
    outboxes: tuple[StoredOutbox, StoredOutbox], column: str
) -> None:
    one, other = outboxes
    bad, good = make_alert(), make_alert()
    put(one, bad)
    put(one, good)
    for table in ("queue", "alert") if column == "alert_id" else ("queue",):
        one.store.write(
            lambda database, table=table: database.execute(
                f"UPDATE {table} SET {column} = 'x' WHERE alert_id = ?", (str(bad.alert_id),)
            )
        )
    hand_over(one, other)
    assert [alert.alert_id for alert in due(other)] == [good.alert_id]
