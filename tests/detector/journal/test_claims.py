"""Of two boxes that watch one camera, the one whose turn it is is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from uuid_utils.compat import uuid7

from detector.journal import claims
from detector.journal.database import open_journal
from detector.journal.handover import left_open
from detector.journal.queries import incidents
from detector.journal.records import AuditEntry, IncidentRecord
from detector.journal.tables import audit
from detector.journal.writer import RETENTION, forget, write
from detector.types import Claim
from journal_feeding import MakeFeeding, asked, journalled, opened

NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
A, B = Claim("a", 7), Claim("b", 8)
MINUTE = timedelta(minutes=1)


def claim(where: Path | str, wanted: dict[str, Claim], at: datetime = NOON) -> dict[str, Claim]:
    engine = open_journal(where)
    try:
        with engine.begin() as connection:
            return claims.claim(connection, wanted, at)
    finally:
        engine.dispose()


def newest(where: Path | str, *cameras: str) -> dict[str, Claim]:
    return asked(where, lambda connection: claims.newest(connection, cameras))


def record(opened_at: datetime, epoch: int | None, camera: str = "gate") -> IncidentRecord:
    return IncidentRecord(
        uuid7(), camera, "violence", opened_at, None, 0.9, None, 1, "s", "host-1", epoch=epoch
    )


def written(where: Path | str, *found: IncidentRecord) -> None:
    engine = open_journal(where)
    with engine.begin() as connection:
        write(connection, "host-1", found, [])
    engine.dispose()


def test_the_newer_claim_wins_and_the_older_is_told_whose_turn_it_is(where: Path | str) -> None:
    assert claim(where, {"gate": A, "yard": A}) == {}
    assert claim(where, {"gate": B}) == {}
    assert claim(where, {"gate": A}) == {"gate": B}
    assert claim(where, {"gate": Claim("c", 8)}) == {"gate": B}
    assert newest(where, "gate", "yard", "none") == {"gate": B, "yard": A}


def test_a_claim_made_again_counts_from_when_it_was_made_first(where: Path | str) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B})
    assert claim(where, {"gate": B}, NOON + 10 * MINUTE) == {}
    late = record(NOON + MINUTE, A.epoch)
    written(where, late)
    assert journalled(where) == {}


def test_a_claim_counts_from_its_assignment_though_the_box_itself_came_first(
    where: Path | str,
) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B}, NOON + 10 * MINUTE)
    assert claim(where, {"gate": B}, NOON + MINUTE) == {}
    written(where, record(NOON + 5 * MINUTE, A.epoch))
    assert journalled(where) == {}


def test_of_many_that_claim_at_once_the_newest_has_it(where: Path | str) -> None:
    claim(where, {"gate": A})
    wanted = [Claim(f"box{n}", 10 + n) for n in range(6)]
    threads = [Thread(target=claim, args=(where, {"gate": one})) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert newest(where, "gate") == {"gate": wanted[-1]}


def test_thousands_of_cameras_are_claimed_at_once(where: Path | str) -> None:
    wanted = {f"c{n}": Claim("a", n) for n in range(1, 3001)}
    assert claim(where, wanted) == {}
    assert newest(where, *wanted) == wanted


def test_an_incident_by_an_epoch_that_was_over_is_refused_and_stands_in_the_audit(
    where: Path | str,
) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B}, NOON + MINUTE)
    mine, theirs = record(NOON + 2 * MINUTE, A.epoch), record(NOON + 2 * MINUTE, B.epoch)
    written(where, mine, theirs)
    written(where, mine)
    assert journalled(where).keys() == {theirs.id}
    [entry] = asked(where, lambda connection: connection.execute(audit.select()).all())
    assert (entry.action, entry.target, entry.at) == (claims.REFUSED, "gate", mine.opened_at)
    assert str(mine.id) in entry.reason
    assert "its epoch 7 is older than 8 of b" in entry.reason


def test_what_was_opened_in_its_own_turn_is_taken_however_late(where: Path | str) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B}, NOON + MINUTE)
    rightly, alone = record(NOON + MINUTE / 2, A.epoch), record(NOON + 2 * MINUTE, None)
    written(where, rightly, alone)
    assert journalled(where).keys() == {rightly.id, alone.id}


@pytest.mark.parametrize("closed_at", [None, NOON + 3 * MINUTE])
def test_an_incident_that_goes_on_into_another_boxs_turn_ends_with_its_own(
    where: Path | str, closed_at: datetime | None
) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B}, NOON + MINUTE)
    claim(where, {"gate": Claim("c", 9)}, NOON + 2 * MINUTE)
    over = replace(record(NOON, A.epoch), closed_at=NOON + MINUTE / 2, reason="camera lost")
    mine = replace(record(NOON, A.epoch), closed_at=closed_at)
    theirs = replace(record(NOON + 1.5 * MINUTE, B.epoch), closed_at=NOON + 5 * MINUTE)
    alone = replace(record(NOON, None), closed_at=NOON + 5 * MINUTE)
    written(where, over, mine, theirs, alone)
    written(where, replace(mine, closed_at=NOON + 4 * MINUTE, messages=2))
    found = {key: (one.closed_at, one.reason) for key, one in journalled(where).items()}
    assert found == {
        over.id: (over.closed_at, "camera lost"),
        mine.id: (NOON + MINUTE, "watched by b from now on"),
        theirs.id: (NOON + 2 * MINUTE, "watched by c from now on"),
        alone.id: (alone.closed_at, None),
    }


def test_an_incident_left_open_is_found_by_the_box_that_takes_the_camera(
    where: Path | str,
) -> None:
    claim(where, {"gate": A, "yard": A})
    gate, yard = record(NOON, A.epoch), record(NOON, A.epoch, "yard")
    over = replace(record(NOON, A.epoch), closed_at=NOON + MINUTE)
    written(where, gate, yard, over, record(NOON, B.epoch))
    found = asked(where, lambda connection: left_open(connection, {"gate": B}))
    assert [one.incident for one in found] == [gate]
    assert asked(where, lambda connection: left_open(connection, {})) == []


def test_the_last_claim_is_never_forgotten_and_what_it_followed_is(where: Path | str) -> None:
    old = datetime.now(UTC) - RETENTION - MINUTE
    claim(where, {"gate": A}, old - MINUTE)
    claim(where, {"gate": B}, old)
    claim(where, {"gate": Claim("c", 9)}, NOON)
    engine = open_journal(where)
    with engine.begin() as connection:
        forget(connection, datetime.now(UTC))
    engine.dispose()
    kept = asked(where, lambda connection: connection.execute(claims.tables.claims.select()).all())
    assert sorted(row.epoch for row in kept) == [8, 9]


def test_a_box_that_was_cut_off_feeds_what_was_its_own_and_no_more(
    where: Path | str, feeding: MakeFeeding
) -> None:
    claim(where, {"gate": A})
    claim(where, {"gate": B}, NOON + MINUTE)
    at = feeding(start=False)
    before, after = opened(NOON), opened(NOON + 2 * MINUTE)
    for one in (before, after):
        _, change = at.incidents.change(one, None, "s", A.epoch)
        at.store.write(change)
    at.feeder.start()
    at.wait_fed()
    assert [one.id for one in at.asked(incidents)] == [before.id]
    [entry] = at.asked(lambda connection: connection.execute(audit.select()).all())
    assert str(after.id) in entry.reason


@pytest.mark.parametrize("epoch", [None, 7])
def test_the_audit_entry_of_a_refusal_is_always_the_same(epoch: int | None) -> None:
    one = record(NOON, epoch)
    assert claims.refusal(one, B) == claims.refusal(one, B)
    assert isinstance(claims.refusal(one, B), AuditEntry)
