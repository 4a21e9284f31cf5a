"""The ledger sees each fault it is there for."""

from __future__ import annotations

from typing import Any

from chaos.ledger import Ledger, table

EXPIRY_S = 2.0
SENT_AT = "2026-11-27T12:00:00+00:00"
SENT_S = 1795780800.0


def message(phase: str, alert: str | None = None, incident: str = "fight") -> dict[str, Any]:
    return {
        "alert_id": alert or phase,
        "incident_id": incident,
        "phase": phase,
        "sent_at": SENT_AT,
    }


def ledger(*messages: dict[str, Any], **more: Any) -> Ledger:
    values = {"recorded": {"fight"}, "accepted": (), "sounded": (), "expiry_s": EXPIRY_S}
    return Ledger(told={"station": messages}, **values | more)


OPENED, UPDATED, CLOSED = message("opened"), message("updated"), message("closed")


def test_what_is_whole_has_no_fault_and_repeats_under_one_id_are_none() -> None:
    found = ledger(OPENED, OPENED, UPDATED, CLOSED, OPENED, sounded=[("fight", SENT_S + 1)])
    assert found.faults() == {}
    assert found.repeated() == 2


def test_an_incident_or_a_drill_that_never_came_is_lost() -> None:
    found = ledger(OPENED, CLOSED, recorded={"fight", "other"}, accepted={"drill"})
    assert found.faults() == {"lost": ["drill at station", "other at station"]}


def test_one_that_is_never_closed_is_unclosed_whether_recorded_or_not() -> None:
    assert ledger(OPENED, recorded=()).faults() == {"unclosed": ["fight at station"]}


def test_an_end_before_the_beginning_is_misordered() -> None:
    assert ledger(CLOSED, OPENED).faults() == {"misordered": ["fight at station"]}
    assert ledger(OPENED, CLOSED, UPDATED).faults() == {"misordered": ["fight at station"]}


def test_an_end_without_a_beginning_is_lost_and_misordered() -> None:
    found = ledger(CLOSED).faults()
    assert found == {"lost": ["fight at station"], "misordered": ["fight at station"]}


def test_a_repeat_under_another_id_is_told_twice() -> None:
    found = ledger(OPENED, CLOSED, message("closed", "closed-again"))
    assert found.faults() == {"told twice": ["closed of fight at station"]}


def test_a_siren_after_its_expiry_is_late() -> None:
    found = ledger(OPENED, CLOSED, sounded=[("fight", SENT_S + 9.5)])
    assert found.faults() == {"late sirens": ["fight after 9.5 s"]}


def test_a_table_stands_in_columns() -> None:
    assert table([{"seed": 1, "kills": 100}, {"seed": 22, "kills": 7}]) == (
        "seed  kills\n   1    100\n  22      7"
    )
